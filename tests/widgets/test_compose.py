"""The compose form without a browser: its state, what it shows of it, and what it sends."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np
import pandas as pd
import pytest
from traitlets import TraitError

import d7nb
from d7nb import Ledger, ReplyButtons, Sandbox, Text, col, row_filter
from d7nb.errors import PlanError
from d7nb.hints import LABELS, Hint, Option, render, speaking
from d7nb.plugins import content_types
from d7nb.testing import numbers
from d7nb.widgets.content_fields import path_label
from d7nb.widgets.controls import NOTHING
from d7nb.widgets.debounce import Debounced
from d7nb.widgets.form import ComposeForm
from d7nb.widgets.guess_column import guess_recipient
from d7nb.widgets.model import ComposeModel, parse_free_text
from tests.support.contents import CASES, Case

ORIGINATOR = "+12025550100"
OWN = "+46701740605"


def people(count: int = 6, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"phone": numbers(count), "name": [f"N{row}" for row in range(count)], **columns})


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ComposeForm]]:
    """Make forms that plan without a pause, and close them after the test."""
    monkeypatch.setattr("d7nb.widgets.form.PAUSE", 0.005)
    forms: list[ComposeForm] = []

    def make(frame: pd.DataFrame | None = None, *arguments: Any, **options: Any) -> ComposeForm:
        forms.append((people() if frame is None else frame).d7.compose(*arguments, **options))
        return settled(forms[-1])

    yield make
    for form in forms:
        form.close()
    w.Widget.close_all()


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client(rate=None, workers=1, batch_size=1) as connected:
        yield connected


def settled(form: ComposeForm) -> ComposeForm:
    """Return the form once it shows the last change."""
    assert form.wait(60)
    return form


def below(widget: w.Widget) -> Iterator[w.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from below(child)


def labelled(form: ComposeForm, label: str) -> Any:
    """Return the control with a label."""
    (control,) = [each for each in below(form.widget) if getattr(each, "description", None) == label]
    return control


def press(form: ComposeForm, label: str) -> None:
    button = labelled(form, label)
    assert not button.disabled
    button.click()


def shown_text(form: ComposeForm) -> str:
    """Return all sentences that the form shows."""
    return "\n".join(each.value for each in below(form.widget) if isinstance(each, w.HTML | w.Label))


# Which column


def test_hints_name_the_fields_by_the_labels_that_the_form_shows(compose: Callable[..., ComposeForm]) -> None:
    form = compose(content=Text("Hi"))
    for option, label in LABELS.items():
        setattr(form.model, option, "name")
        assert labelled(form, label).value == "name"
        assert render(Hint("give ", Option(option)), "form") == f"give {label}"
    assert form.model.options().keys() == LABELS.keys()


@pytest.mark.parametrize(
    ("columns", "guess"),
    [
        ({"id": [1, 2], "mobile": ["+12025550123", "+1 202 555 0124"]}, "mobile"),
        ({"id": [12025550123, 12025550124], "x": ["a", "b"]}, "id"),
        ({"order": [1234567, 1234568], "Handy": ["+46701740605", None]}, "Handy"),
        ({"a": ["+12025550123", "+12025550124"], "phone": ["n/a", ""]}, "a"),
        ({"phone": [None, None], "name": ["Ali", "Sara"]}, "phone"),
        ({"name": ["Ali", "Sara"], "note": ["call +12025550123", "-"]}, None),
        ({0: ["+12025550123"] * 2, "": ["a", "b"]}, 0),
        ({}, None),
    ],
    ids=str,
)
def test_the_recipient_column_is_guessed(columns: dict[Any, Any], guess: Any) -> None:
    assert guess_recipient(pd.DataFrame(columns)) == guess


def test_of_two_hundred_columns_the_one_with_numbers_is_found(compose: Callable[..., ComposeForm]) -> None:
    wide = pd.DataFrame(np.arange(400).reshape(2, 200), columns=[f"c{number}" for number in range(200)])
    wide.insert(120, "Telefonnummer", numbers(2))
    form = compose(wide, content=Text("Hi {c7}"), originator=ORIGINATOR)
    assert form.model.to == "Telefonnummer"
    assert form.plan.summary["ready"] == 2


# The state


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_content_survives_the_form_and_the_code_makes_the_same_plan(case: Case) -> None:
    content = case.build(lambda value: value)
    model = ComposeModel(people(2), content, originator=ORIGINATOR, campaign="spring")
    assert model.content().tree() == content.tree()
    assert run(model) == list(model.plan().requests())
    assert [message["content"] for message in run(model)[0]["messages"]] == [case.expected]


def run(model: ComposeModel, **names: Any) -> list[dict[str, Any]]:
    """Return the requests of the plan that the shown code makes."""
    sent: list[d7nb.Plan] = []

    class NoClient:
        """A stand-in for the client."""

    namespace: dict[str, Any] = {"people": model.frame, "client": NoClient(), **names}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(d7nb.Plan, "send", lambda plan, _, **__: sent.append(plan))
        exec(model.code, namespace)
    return list(sent[0].requests())


def test_the_code_has_columns_filters_and_every_term(compose: Callable[..., ComposeForm]) -> None:
    @row_filter(register=False)
    def not_first(rows: pd.DataFrame) -> pd.Series:
        return (rows["name"] == "N0").map({True: "not today"})

    model = ComposeModel(people(), Text(col("name")), originator=ORIGINATOR, campaign="a 'b'", filters=[not_first])
    model.key, model.schedule, model.country = "name", "2100-01-01T09:00+04:00", "AE"
    assert "filters=filters" in model.code
    assert run(model, filters=[not_first]) == list(model.plan().requests())
    model.switched_off = ["not_first"]
    assert "filters" not in model.code
    assert model.plan().summary["ready"] == 6


def test_code_of_a_plugin_s_content_imports_it_from_there() -> None:
    class Sticker(d7nb.content.Content, message_type="STICKER", root="sticker"):
        url: str = d7nb.content.leaf("url")

    code = ComposeModel(people(), Sticker("https://example.com/{name}"), originator=ORIGINATOR).code
    assert f"from {__name__} import Sticker" in code
    assert "Sticker(url='https://example.com/{name}')" in code


def test_code_of_what_is_not_ready_says_what_is_missing() -> None:
    model = ComposeModel(people(), originator=ORIGINATOR)
    assert "# not ready yet: Text: body: a value is required" in model.code
    compile(model.code, "shown", "exec")


def test_each_kind_keeps_what_was_filled_in_for_it() -> None:
    model = ComposeModel(people(), Text("Hi {name}"), originator=ORIGINATOR)
    model.kind = "ReplyButtons"
    assert model.fields == {"body": "Hi {name}"}
    model.fields = {**model.fields, "buttons": [{"id": "", "title": "Yes"}, {"title": " "}]}
    assert model.content() == ReplyButtons("Hi {name}", ["Yes"])
    model.kind = "Text"
    assert model.fields == {"body": "Hi {name}"}
    model.kind = "ReplyButtons"
    assert model.content() == ReplyButtons("Hi {name}", ["Yes"])


def test_impossible_values_are_refused_with_a_sentence() -> None:
    model = ComposeModel(people())
    with pytest.raises(TraitError, match=r"kind is one of Text, Reaction, .*, not 'Telegram'"):
        model.kind = "Telegram"
    with pytest.raises(TypeError, match="compose\\(\\) has no option 'too'; it takes to, originator"):
        ComposeModel(people(), too="phone")
    with pytest.raises(PlanError, match="the form composes one content such as Text"):
        ComposeModel(people(), "Hi")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="choose the recipient column"):
        ComposeModel(pd.DataFrame({"name": ["Ali"]}), Text("Hi"), originator=ORIGINATOR).plan()


@pytest.mark.parametrize(
    ("text", "shape", "read"),
    [
        ("", dict, None),
        ("{name}\n{balance:,.2f}\n", dict, ["{name}", "{balance:,.2f}"]),
        ("city: {city}\nstate: Goa", dict, {"city": "{city}", "state": "Goa"}),
        ('{"city": "{city}"}', dict, {"city": "{city}"}),
        ('["a", "b"]', list, ["a", "b"]),
        ("see https://example.com", dict, ["see https://example.com"]),
        ("12", list, ["12"]),
    ],
)
def test_lists_and_mappings_are_typed_line_by_line_or_as_json(text: str, shape: type, read: Any) -> None:
    assert parse_free_text(text, shape) == read


# The view


def test_in_every_kind_s_form_each_control_has_a_label_of_its_own(
    compose: Callable[..., ComposeForm],
) -> None:
    form = compose()
    for kind in content_types():
        form.model.kind = kind.__name__
        described = (each for each in below(form.widget) if hasattr(each, "description"))
        controls = [each for each in described if not isinstance(each, w.HTML | w.Label)]
        labels = Counter(each.description for each in controls)
        assert "" not in labels, kind
        assert max(labels.values()) == 1, labels.most_common(1)
        for name, spec in kind.specs().items():
            assert any(label.startswith(path_label((name,))) for label in labels) or not spec.required


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_content_that_is_given_fills_the_form_and_typing_in_it_changes_the_plan(
    case: Case, compose: Callable[..., ComposeForm]
) -> None:
    content = case.build(lambda value: value)
    form = compose(content=content, originator=ORIGINATOR)
    texts = [each for each in below(form._content_fields.box) if isinstance(each, w.Text | w.Textarea) and each.value]
    assert texts
    for each in texts:  # as if it was typed anew
        before, each.value = each.value, each.value + "x"
        each.value = before
    assert form.model.content().tree() == content.tree()
    assert next(settled(form).plan.requests())["messages"][0]["content"] == case.expected


def test_a_column_is_inserted_or_stands_alone_at_a_click(compose: Callable[..., ComposeForm]) -> None:
    form = compose(people(balance=1.5), originator=ORIGINATOR)
    body, chooser = labelled(form, "body"), labelled(form, "column for body")
    body.value = "Hi "
    chooser.value = ("insert", "name")
    body.value += ", you owe "
    chooser.value = ("insert", "balance")
    assert (body.value, chooser.value) == ("Hi {name}, you owe {balance}", NOTHING)
    assert form.model.content() == Text("Hi {name}, you owe {balance}")
    chooser.value = ("bind", "name")
    assert (body.value, body.disabled) == ("the column name", True)
    assert form.model.content() == Text(col("name"))
    chooser.value = ("insert", "name")
    assert (body.value, body.disabled) == ("{name}", False)
    chooser.value = ("bind", "name")
    chooser.value = NOTHING
    assert (body.value, body.disabled, form.model.fields["body"]) == ("", False, "")


def test_columns_that_no_template_can_name_can_still_be_bound(compose: Callable[..., ComposeForm]) -> None:
    odd = {"with {braces}": "a", "a.b": "b", "": "c", 7: "d", "😀 name": "e", "first name": "f", " ": "g"}
    form = compose(
        pd.DataFrame({"phone": numbers(2), **{name: [text] * 2 for name, text in odd.items()}}), originator=ORIGINATOR
    )
    options = dict(labelled(form, "column for body").options)
    inserted = {value[1] for value in options.values() if value[0] == "insert"}
    assert inserted == {"phone", "😀 name", "first name"}
    assert options["the column 7 alone"] == ("bind", 7)
    for name, text in odd.items():
        labelled(form, "column for body").value = ("bind", name)
        (request,) = settled(form).plan.requests()
        assert request["messages"][0]["content"]["text"]["body"] == text


def test_items_are_added_and_taken_away(compose: Callable[..., ComposeForm]) -> None:
    form = compose(originator=ORIGINATOR)
    form.model.kind = "ReplyButtons"
    labelled(form, "body").value = "Coming?"
    labelled(form, "buttons 1 title").value = "Yes"
    press(form, "Add button")
    press(form, "Add button")
    assert labelled(form, "Add button").disabled  # D7 takes three
    labelled(form, "buttons 2 title").value = "No"
    press(form, "Remove last button")
    assert form.model.content() == ReplyButtons("Coming?", ["Yes", "No"])
    assert settled(form).plan.summary["ready"] == 6


def test_what_is_set_in_the_model_is_seen_in_the_form(compose: Callable[..., ComposeForm]) -> None:
    form = compose()
    form.model.originator, form.model.campaign = ORIGINATOR, "spring"
    form.model.kind, form.model.fields = (
        "CtaUrl",
        {"body": "Look", "display_text": "Here", "url": "https://example.com"},
    )
    assert labelled(form, "Originator").value == ORIGINATOR
    assert labelled(form, "Campaign").value == "spring"
    assert labelled(form, "Kind of message").value == "CtaUrl"
    assert ("Reply buttons", "ReplyButtons") in labelled(form, "Kind of message").options
    assert labelled(form, "text on the button").value == "Here"
    assert ("Button with a link", "CtaUrl") in labelled(form, "Kind of message").options
    assert settled(form).plan.summary["ready"] == 6


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("Text", {}, "body: a value is required"),
        ("CtaUrl", {"body": "Look"}, "text on the button: a value is required"),
        ("CtaUrl", {"body": "Look", "display_text": "Here"}, "Not ready yet: url: a value is required"),
        (
            "ReplyButtons",
            {"body": "?", "buttons": [{}, {"title": "Yes"}, {"title": "x" * 30}]},
            "buttons 3 title: 30 ch",
        ),
        (
            "ReplyButtons",
            {"body": "?", "buttons": [{"title": "Yes"}], "header": {"type": "text"}},
            "header text: a hea",
        ),
        (
            "Contacts",
            {"contacts": [{"name": {"formatted_name": "A"}, "urls": [{"url": "x"}]}]},
            "websites 1 url: it is",
        ),
    ],
)
def test_what_is_missing_is_named_by_the_label_of_its_field(
    compose: Callable[..., ComposeForm], kind: str, fields: dict[str, Any], message: str
) -> None:
    form = compose(originator=ORIGINATOR)
    form.model.kind, form.model.fields = kind, fields
    assert message in shown_text(settled(form))
    labels = [getattr(each, "description", None) for each in below(form.widget)]
    assert message.removeprefix("Not ready yet: ").partition(":")[0] in str(labels)
    labelled(form, "Send a test to").value = OWN
    press(form, "Send test")
    until(lambda: "Test not sent: " in shown_text(form))
    assert message.removeprefix("Not ready yet: ") in form._send_panel._test_result.value


def test_items_are_counted_in_plain_words(compose: Callable[..., ComposeForm]) -> None:
    form = compose()
    form.model.kind = "Template"
    labels = {getattr(each, "description", None) for each in below(form.widget)}
    assert {"Add quick reply", "Remove last quick reply", "Add flow button"} <= labels
    assert not any(word in str(labels) for word in ("replie ", "wa id", "button index", "action payload"))


def test_numbers_that_can_be_read_in_two_ways_are_called_so(compose: Callable[..., ComposeForm]) -> None:
    form = compose(people(2).assign(phone=["+5215512345678", "call me"]))
    shown = form._report.value
    assert "can be read in two ways" in shown
    assert "ambiguous" not in shown
    assert "broken" in shown
    assert "verdict" not in shown


def test_numbers_problems_and_missing_values_are_shown_as_they_arise(compose: Callable[..., ComposeForm]) -> None:
    frame = people().assign(name=["Ali", None, "Sara", "Omar", "Lena", "Yusuf"])
    frame.loc[3, "phone"] = "call me"
    form = compose(frame)
    assert "Not ready yet: body: a value is required" in shown_text(form)
    assert "Phone numbers in phone" in shown_text(form)  # before there is a plan
    labelled(form, "body").value = "Hi {name}"
    assert "no originator was given" in shown_text(settled(form))
    labelled(form, "Originator").value = ORIGINATOR
    text = shown_text(settled(form))
    assert "the cell is empty, but the text needs {name}" in text
    assert "broken" in text
    assert labelled(form, "Send 4 messages").disabled
    form.model.fields = {"body": "Hi {nmae}"}
    assert "there is no column &#39;nmae&#39;; did you mean &#39;name&#39;?" in shown_text(settled(form))
    assert labelled(form, "Send 0 messages").disabled


def test_the_preview_turns_over_the_most_unusual_messages(compose: Callable[..., ComposeForm]) -> None:
    form = compose(
        people(name=["Ali", "Žofie with the long name", "عمر", "😀", "1.0", "Jo"]),
        content=Text("Hi {name}"),
        originator=ORIGINATOR,
    )
    pages = []
    for _ in range(6):
        pages.append(form._preview.value)
        press(form, "Next message")
        settled(form)
    assert len(set(pages)) == 6
    assert "Žofie" in pages[0]
    assert form._preview.value == pages[0]
    press(form, "Previous message")
    assert settled(form)._preview.value == pages[5]


def test_a_callback_s_error_is_seen_in_the_form(compose: Callable[..., ComposeForm]) -> None:
    form = compose()
    labelled(form, "Kind of message").options = [("Telegram", "Telegram")]
    labelled(form, "Kind of message").value = "Telegram"
    assert "Not done: TraitError: kind is one of" in shown_text(form)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_of_one_row_or_none_has_a_form(compose: Callable[..., ComposeForm], rows: int) -> None:
    form = compose(people(6).head(rows), content=Text("Hi {name}"), to="phone", originator=ORIGINATOR)
    assert f"Send {rows} message" in " ".join(str(getattr(each, "description", "")) for each in below(form.widget))


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}",
    "x" * 4000,
    "\u202egnirts",
    "\x00",
    "a\u200bb",
]


def test_hostile_cells_and_column_names_are_shown_inert(compose: Callable[..., ComposeForm]) -> None:
    frame = pd.DataFrame({"phone": numbers(7), "<b>name</b>": HOSTILE})
    form = compose(frame, content=Text(col("<b>name</b>")), originator=ORIGINATOR, campaign="<script>")
    for _ in range(7):
        text = shown_text(settled(form))
        assert "<script>" not in text
        assert "<img" not in text
        press(form, "Next message")


# Sending


def test_the_count_is_typed_and_what_was_shown_is_sent(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR, campaign="spring")
    shown = list(form.plan.requests())
    typed, button = labelled(form, "Rows to send"), labelled(form, "Send 6 messages")
    for wrong in ("", "5", "six", "66"):
        typed.value = wrong
        assert button.disabled
    typed.value = "6"
    press(form, "Send 6 messages")
    form._send_panel.wait()
    assert form.delivery is not None
    assert form.delivery.summary["accepted"] == 6
    assert sandbox.messages["content"].tolist() == [
        message["content"] for body in shown for message in body["messages"]
    ]
    until(lambda: "6 accepted" in shown_text(form) and labelled(form, "Send 0 messages").disabled)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a thread of the form has shown something."""
    pause = threading.Event()
    for _ in range(600):
        try:
            if condition():
                return
        except ValueError:  # the label is not there yet
            pass
        pause.wait(0.05)
    raise AssertionError("it was not shown within half a minute")


def test_stop_leaves_the_rest_and_sending_again_goes_on(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    sandbox.fail_next("delay", times=6, seconds=0.2)
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    labelled(form, "Rows to send").value = "6"
    press(form, "Send 6 messages")
    until(lambda: len(sandbox.messages) >= 2)
    press(form, "Stop")
    form._send_panel.wait()
    assert form.delivery is not None
    first = form.delivery.summary
    assert first["accepted"] == len(sandbox.messages) < 6
    unsent = 6 - first["accepted"]
    label = f"Send {unsent} message{'' if unsent == 1 else 's'}"
    until(lambda: labelled(form, label) is not None)
    assert form.send(confirm=unsent).summary == {
        **dict.fromkeys(first, 0),
        "accepted": unsent,
        "already_sent": 6 - unsent,
    }
    assert set(Counter(sandbox.messages["recipient"]).values()) == {1}


def test_a_test_goes_to_one_s_own_phone(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    labelled(form, "Send a test to").value = OWN
    press(form, "Send test")
    until(lambda: "Test: 3 accepted" in shown_text(form))
    assert set(sandbox.messages["recipient"]) == {OWN}
    labelled(form, "Send a test to").value = "my phone"
    until(lambda: not labelled(form, "Send test").disabled)
    press(form, "Send test")
    until(lambda: "Test not sent: the number to test with can&#39;t be used" in shown_text(form))
    assert len(sandbox.messages) == 3


def test_without_a_token_the_form_plans_and_says_at_the_button_what_is_missing(
    compose: Callable[..., ComposeForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d7nb.api.auth._from_keyring", lambda: None)
    form = compose(None, None, Text("Hi {name}"), originator=ORIGINATOR)
    assert form.plan.summary["ready"] == 6
    labelled(form, "Rows to send").value = "6"
    press(form, "Send 6 messages")
    form._send_panel.wait()
    assert "Not sent: no D7 token was found: set the environment variable D7_API_TOKEN" in shown_text(form)
    assert form.delivery is None


def test_the_form_says_nothing_private(compose: Callable[..., ComposeForm], client: d7nb.Client) -> None:
    form = compose(None, client, Text("Hi {name}, is {phone} yours?"), originator=ORIGINATOR, campaign=f"for {OWN}")
    form.send(confirm=6)
    settled(form)
    for number in [*numbers(6), OWN]:
        assert number[1:] not in shown_text(form) + repr(form)


# In the background


def test_work_in_the_background_is_done_once_for_many_calls_and_again_for_a_late_one() -> None:
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        done.append(1)
        begun.set()
        assert go_on.wait(30)

    background = Debounced(work, 0.02)
    assert background.wait(0)
    for _ in range(50):
        background.request()
    assert begun.wait(30)
    assert not background.wait(0)
    background.request()  # while it is being done
    go_on.set()
    assert background.wait(30)
    assert done == [1, 1]


# What is shown is what is sent


def edited(form: ComposeForm, text: str) -> None:
    labelled(form, "body").value = text


def test_an_edit_withdraws_the_offer_at_once(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    labelled(form, "Rows to send").value = "6"
    button = labelled(form, "Send 6 messages")
    edited(form, "never shown")
    assert button.disabled
    assert labelled(form, "Rows to send").value == ""
    labelled(form, "Rows to send").value = "6"
    button.click()  # on its way before the button was seen to be disabled
    form._send_panel.wait()
    assert "Not sent: the number typed is not the number of rows to send" in shown_text(form)
    assert sandbox.messages.empty


def test_what_is_sent_is_the_plan_that_was_shown_even_if_the_form_is_changed_meanwhile(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    labelled(form, "Rows to send").value = "6"
    press(form, "Send 6 messages")
    edited(form, "another text")
    form._send_panel.wait()
    assert [content["text"]["body"] for content in sandbox.messages["content"]] == [f"Hi N{row}" for row in range(6)]


def test_a_locked_ledger_keeps_nobody_waiting_but_the_send(
    compose: Callable[..., ComposeForm], client: d7nb.Client, tmp_path: Path
) -> None:
    path = tmp_path / "locked.sqlite3"
    with Ledger(path, patience=1) as ledger:
        form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR, ledger=ledger)
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        labelled(form, "Rows to send").value = "6"
        began = time.monotonic()
        press(form, "Send 6 messages")
        assert time.monotonic() - began < 0.5
        form._send_panel.wait()
        assert "Not sent: the ledger locked.sqlite3 is locked by another program" in shown_text(form)
        locker.execute("ROLLBACK")
        locker.close()
        assert form.send(confirm=6).summary["accepted"] == 6
        assert "Not sent" not in shown_text(form)


def test_two_sends_one_after_the_other_each_have_their_stop_and_their_result(
    compose: Callable[..., ComposeForm], client: d7nb.Client, sandbox: Sandbox
) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    form.send(confirm=6)
    form.model.campaign = "another"
    sandbox.fail_next("delay", times=6, seconds=0.2)
    delivery = form.send(confirm=6, wait=False)
    until(lambda: delivery.progress.finished > 0)
    assert not labelled(form, "Stop").disabled
    assert "Delivery of" not in form._send_panel._result.value
    press(form, "Stop")
    assert "stopping: messages on their way are finished first" in shown_text(form)
    form._send_panel.wait()
    with speaking("form"):
        assert form._send_panel._result.value == delivery._repr_html_()


def test_a_broken_ledger_withdraws_the_offer(compose: Callable[..., ComposeForm], tmp_path: Path) -> None:
    path = tmp_path / "broken.sqlite3"
    form = compose(content=Text("Hi {name}"), originator=ORIGINATOR, ledger=path)
    assert labelled(form, "Send 6 messages")
    path.write_bytes(b"no ledger any more" * 100)
    edited(form, "Hello {name}")
    assert "Not ready yet: the ledger broken.sqlite3 is damaged" in shown_text(settled(form))
    assert labelled(form, "Send 0 messages").disabled


def test_rows_left_out_are_counted_beside_the_button(compose: Callable[..., ComposeForm], client: d7nb.Client) -> None:
    form = compose(None, client, Text("Hi {name}"), originator=ORIGINATOR)
    form.send(confirm=6)
    settled(form)
    assert "0 of 6 ready rows would be sent. 6 rows left out: sent earlier, or held until you decide." in shown_text(
        form
    )


def test_the_time_is_that_of_the_client_s_rate(compose: Callable[..., ComposeForm], sandbox: Sandbox) -> None:
    with sandbox.client(rate=1) as slow:
        form = compose(people(60), slow, Text("Hi {name}"), originator=ORIGINATOR)
        assert "about 60 s at 1 a second" in shown_text(form)


def test_the_code_names_ledger_and_filters_as_they_are(compose: Callable[..., ComposeForm], tmp_path: Path) -> None:
    @row_filter(register=False)
    def nobody(rows: pd.DataFrame) -> pd.Series:
        return rows["name"].map(lambda _: "no")

    @row_filter(register=False)
    def first(rows: pd.DataFrame) -> pd.Series:
        return (rows["name"] == "N0").map({True: "not today"})

    filters = [nobody, first]
    form = compose(content=Text("Hi"), originator=ORIGINATOR, filters=filters, ledger=tmp_path / "own.sqlite3")
    form.model.switched_off = ["nobody"]
    assert labelled(form, "Apply the filter nobody").value is False
    assert run(form.model, filters=filters) == list(form.plan.requests())
    assert f"ledger='{tmp_path / 'own.sqlite3'}'" in form.code
    other = ComposeModel(people(), Text("Hi"), ledger="postgresql://ann:secret@db.example/mailings")
    assert "secret" not in other.code
    assert "plan.send(client, ledger=ledger)" in other.code


def test_a_closed_form_s_model_still_tells_one_state_from_another(compose: Callable[..., ComposeForm]) -> None:
    form = compose(content=Text("old"), originator=ORIGINATOR)
    form.close()
    form.model.fields = {"body": "new"}
    assert next(form.plan.requests())["messages"][0]["content"]["text"]["body"] == "new"


def test_fields_that_are_changed_in_place_and_tables_that_are_changed_later(
    compose: Callable[..., ComposeForm],
) -> None:
    frame = people()
    form = compose(frame, content=Text("old"), originator=ORIGINATOR)
    form.model.fields["body"] = "new {name}"
    frame["name"] = "changed"
    texts = [message["content"]["text"]["body"] for body in form.plan.requests() for message in body["messages"]]
    assert texts == [f"new N{row}" for row in range(6)]


def test_short_forms_bound_options_and_odd_choices_are_seen(compose: Callable[..., ComposeForm]) -> None:
    form = compose(
        people(o=ORIGINATOR), originator=col("o"), key=["phone", "name"], content=Text("x", preview_url="{o}")
    )
    assert labelled(form, "preview of the link").value == "{o}"
    assert (labelled(form, "Originator").value, labelled(form, "Originator").disabled) == ("the column o", True)
    assert labelled(form, "Row key").value == ("phone", "name")
    form.model.kind, form.model.fields = "ReplyButtons", {"body": "?", "buttons": ["Yes", "No"], "header": "Hello"}
    assert labelled(form, "buttons 2 title").value == "No"
    assert labelled(form, "header text").value == "Hello"
    labelled(form, "buttons 1 id").value = "y"
    assert form.model.content() == ReplyButtons("?", [{"id": "y", "title": "Yes"}, "No"], header="Hello")
    form.model.to = "nope"
    assert labelled(form, "Recipient column").value == "nope"
    assert "there is no column &#39;nope&#39;" in shown_text(settled(form))


def test_columns_of_several_levels_have_a_form_and_code(compose: Callable[..., ComposeForm]) -> None:
    frame = people(3)
    frame.columns = pd.MultiIndex.from_tuples([("who", "phone"), ("who", "name")])
    form = compose(frame, content=Text(col(("who", "name"))), originator=ORIGINATOR, key=("who", "name"))
    assert form.model.to == ("who", "phone")
    assert form.plan.summary["ready"] == 3
    assert run(form.model) == list(form.plan.requests())


def test_an_empty_campaign_is_refused_here_too(compose: Callable[..., ComposeForm]) -> None:
    form = compose(content=Text("Hi"), originator=ORIGINATOR)
    labelled(form, "Campaign").value = ""
    assert "name is a text that is not empty" in shown_text(settled(form))


def test_names_of_columns_are_masked_and_inert_wherever_they_are_offered(compose: Callable[..., ComposeForm]) -> None:
    names = ["+12025550123", "a\u202eb", "x" * 1_000]
    form = compose(people(2).assign(**dict.fromkeys(names, "v")), content=Text("Hi"), originator=ORIGINATOR)
    offered = [label for label, _ in labelled(form, "Row key").options]
    assert not any("2025550123" in label or "\u202e" in label or len(label) > 200 for label in offered)
