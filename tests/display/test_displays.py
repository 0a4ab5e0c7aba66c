"""The displays of plans and deliveries: correct, short, masked, and inert."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st

import d7nb
from d7nb import Text, col
from d7nb.display.css import STYLE
from d7nb.display.deliveries import DeliveryView, Reason, delivery_html, delivery_text
from d7nb.hints import Hint, Option, render, speaking
from tests.support.html import Element, read
from tests.support.plans import ORIGINATOR, PHONES
from tests.support.samples import delivered, harmful, saying, troubled

if TYPE_CHECKING:
    from collections.abc import Hashable

    from d7nb.hints import Surface

OUTCOMES = ("accepted", "rejected", "unknown", "unsent", "already_sent", "invalid", "held", "skipped")


def table(shown: Element, caption: str) -> list[list[str]]:
    """Return the rows of the table whose caption begins with a text."""
    (element,) = [each for each in shown.all("table") if each.all("caption")[0].text.startswith(caption)]
    rows = [[cell.text for cell in (*row.children,) if isinstance(cell, Element)] for row in element.all("tr")]
    return rows[1:]


# A plan


def test_a_plan_shows_its_counts_by_verdict() -> None:
    shown = read(troubled()._repr_html_())
    assert shown.one("title").text == "Plan of campaign balance-2026-11: 35 of 52 rows would be sent"
    assert [row[:2] for row in table(shown, "Rows")] == [
        *(["ready", "35"], ["invalid", "10"], ["held", "1"], ["skipped", "6"])
    ]


def test_a_plan_shows_the_filters_and_what_each_skipped() -> None:
    plan = troubled()
    assert table(read(plan._repr_html_()), "Filters") == [["duplicates", "41", "1"], ["paid_already", "40", "5"]]
    assert repr(plan).splitlines()[-2:] == [
        "  filter duplicates skipped 1 of 41",
        "  filter paid_already skipped 5 of 40",
    ]


def test_of_many_filters_the_first_are_shown() -> None:
    many = [
        d7nb.row_filter(lambda rows: rows["text"].where([False]), name=f"f{n:02}", register=False) for n in range(20)
    ]
    plan = saying("a", filters=many)
    assert len(table(read(plan._repr_html_()), "Filters")) == 12
    for shown in (plan._repr_html_(), repr(plan)):
        assert "… 9 more (for all: plan.filters)" in shown
        assert "f10" in shown
        assert "f11" not in shown


def test_a_plan_shows_a_problem_of_each_kind_first_and_how_many_more() -> None:
    plan = troubled()
    shown = table(read(plan._repr_html_()), "11 problems, the first 5 (for all: plan.problems)")
    assert [(row[0], row[1], row[-1]) for row in shown] == [
        *(("41", "phone", ""), ("42", "phone", ""), ("43", "phone", "6"), ("50", "phone", ""), ("51", "name", ""))
    ]
    assert shown[0][3].startswith("held: ")
    assert shown[4][3:5] == [
        "error: the cell is empty, but the text needs {name}",
        "fill the cell in, or take the row out of the table",
    ]
    assert "  11 problems, the first 5 (for all: plan.problems):" in repr(plan)
    assert "    row 43, phone [none]: error: there is no number (correct the number); 6 more like it" in repr(plan)


@pytest.mark.parametrize(
    ("rows", "senders", "expected"),
    [
        (1, 1, "takes less than a second at 80 a second"),
        (1243, 1, "takes about 16 s at 80 a second"),
        (12_000, 1, "takes about 2 min at 80 a second"),
        (12_000, 3, "takes about 50 s at 80 a second for each of 3 originators"),
        (0, 1, ""),
    ],
)
def test_a_plan_says_how_long_it_takes(rows: int, senders: int, expected: str) -> None:
    """At the default rate of a client, which applies to each originator separately."""
    positions = range(rows)
    columns = {
        "phone": [PHONES[n % 90] for n in positions],
        "from": [PHONES[n % senders] for n in positions],
        "n": list(positions),
    }
    plan = d7nb.plan(pd.DataFrame(columns), Text("Hello {n}"), to="phone", originator=col("from"))
    for shown in (read(plan._repr_html_()).text, repr(plan)):
        assert (expected in shown) if expected else ("takes" not in shown)
    if rows:
        others = f" and {senders - 1} more" if senders > 1 else ""
        assert f"to the numbers in column phone, from +120••••••00{others}" in repr(plan)


def test_a_plan_without_trouble_shows_no_problems() -> None:
    plan = saying("a", "b")
    assert "problem" not in read(plan._repr_html_()).text + repr(plan)


def test_a_plan_stays_masked_whatever_is_revealed() -> None:
    with d7nb.options.revealed():
        plan = saying("a", campaign=f"to {PHONES[7]}", content=Text(f"Call {PHONES[8]}"))
        for shown in (read(plan._repr_html_()).text, repr(plan)):
            assert "2025550" not in shown
            assert "+120••••••07" in shown
            assert "+120••••••08" in shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "''"),
        (" \t", r"' \t'"),
        (7, "7"),
        ("a {b} c", "a {b} c"),
        ("📱", "📱"),
        (("who", "phone"), "('who', 'phone')"),
    ],
)
def test_columns_of_odd_names_are_named(name: Hashable, expected: str) -> None:
    frame = pd.DataFrame({"x": ["nobody"]})
    frame.columns = pd.MultiIndex.from_tuples([name]) if isinstance(name, tuple) else pd.Index([name], dtype="object")
    plan = d7nb.plan(frame, Text("Hello"), to=name, originator=ORIGINATOR)
    assert table(read(plan._repr_html_()), "1 problem")[0][1] == expected
    assert f"row 0, {expected} [nobody]: error: " in repr(plan)
    assert f"to the numbers in column {expected}" in repr(plan)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_frames_of_many_columns_and_few_rows_are_shown(rows: int, sandbox: d7nb.Sandbox) -> None:
    columns = {"phone": PHONES[:rows], **{f"column {n}": [f"cell {n}"] * rows for n in range(200)}}
    frame = pd.DataFrame(columns)
    content = Text(" ".join(f"{{column {n}}}" for n in range(200)))
    plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
    preview, delivery = plan.preview(), plan.send(sandbox.client(), progress=False)
    for shown in (plan, preview, delivery):
        assert read(shown._repr_html_()).text
        assert len(repr(shown)) < 6_000
    assert "more characters" in repr(plan)
    assert len(read(preview._repr_html_()).of("bubble")) == rows


def test_hostile_columns_campaigns_and_cells_are_inert() -> None:
    plan = harmful()
    shown = read(plan._repr_html_())
    assert "<script>document.title = 'ran'</script>" in shown.text
    assert "RLO" in [each.text for each in shown.of("unseen")]
    for text in (plan._repr_html_(), repr(plan)):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff\x00-\x08\x1b]", text)
        assert text.encode()


def test_long_texts_are_cut_short_in_a_plan() -> None:
    long = "x" * 100_000
    frame = pd.DataFrame({long: [None, "a"], "phone": PHONES[:2]})
    plan = d7nb.plan(frame, Text(col(long)), to="phone", originator=ORIGINATOR, campaign="c" * 200)
    for shown in (plan._repr_html_().removeprefix(STYLE), repr(plan)):
        assert len(shown) < 6_000
        assert re.search(r"… 99,\d{3} more characters", shown)


# A delivery


def test_a_delivery_shows_outcomes_requests_and_what_to_do(sandbox: d7nb.Sandbox) -> None:
    delivery = delivered(sandbox)
    shown = read(delivery._repr_html_())
    assert shown.one("title").text == "Delivery of 15 rows: 3 accepted"
    assert [(outcome, int(count)) for outcome, count, _ in table(shown, "Rows")] == [
        (outcome, count) for outcome, count in delivery.summary.items() if count
    ]
    assert {outcome for outcome, _, _ in table(shown, "Rows")} == set(OUTCOMES)
    assert "6 requests, 1 tried again, 1 split into smaller ones" in shown.text
    assert "  6 requests, 1 tried again, 1 split into smaller ones" in repr(delivery).splitlines()
    reasons = {(row[0], row[3]): row[1] for row in table(shown, "9 reasons")}
    assert reasons["unknown", "d7nb"] == "2"
    assert reasons["held", "ledger"] == "1"
    (steps,) = shown.of("steps")
    assert [[code.text for code in entry.all("code")] for entry in steps.all("li")] == [
        ['delivery.settle("sent")', 'delivery.settle("not_sent")'],
        ["delivery.refresh()", "delivery.watch()"],
        ["plan.send(client)"],
        ["delivery.frame"],
        ['plan.send(client, resend="changed")'],
        ["plan.release()"],
        ["plan.problems"],
        ['campaign="..."', "plan.send(client, resend=rows)"],
    ]
    for entry in steps.all("li"):
        assert " ".join(entry.text.split()) in " ".join(repr(delivery).split())


def test_what_to_do_is_what_can_be_done(sandbox: d7nb.Sandbox) -> None:
    """The code in a delivery's next steps works."""
    with sandbox.client(rate=None) as client:
        plan = saying("a")
        sandbox.fail_next("drop_after")
        delivery = plan.send(client, progress=False)
        assert 'delivery.settle("sent")' in repr(delivery)
        delivery.settle("not_sent")
        assert "1 row not sent yet. To send only what is left: plan.send(client)" in repr(delivery)
        assert plan.send(client, progress=False).summary["accepted"] == 1
        again = plan.send(client, progress=False)
        assert "1 row already sent" in repr(again)
        assert plan.send(client, progress=False, resend=[0]).summary["accepted"] == 1
        changed = saying("b").send(client, progress=False)
        assert 'plan.send(client, resend="changed")' in repr(changed)
        assert saying("b").send(client, progress=False, resend="changed").summary["accepted"] == 1


def test_a_delivery_without_trouble_suggests_refresh_and_then_nothing(sandbox: d7nb.Sandbox) -> None:
    delivery = saying("a").send(sandbox.client(), progress=False)
    assert [code.text for code in read(delivery._repr_html_()).all("code")] == [
        "delivery.refresh()",
        "delivery.watch()",
    ]
    sandbox.advance(minutes=1)
    delivery.refresh()
    assert "what to do next" not in repr(delivery)
    shown = read(delivery._repr_html_())
    assert shown.of("steps") == []
    assert table(shown, "Accepted rows") == [["read", "1", "it was read"]]
    assert "        1 read: it was read" in repr(delivery)


def test_statuses_are_counted_and_a_failure_says_what_to_do(sandbox: d7nb.Sandbox) -> None:
    sandbox.script(PHONES[0], "not_on_whatsapp")
    sandbox.script(PHONES[1], [(0, "<b>Throttled</b> for +12025550123", None)])
    frame = pd.DataFrame({"phone": PHONES[:3]})
    plan = d7nb.plan(frame, Text("Hi"), to="phone", originator=ORIGINATOR)
    delivery = plan.send(sandbox.client(), progress=False)
    sandbox.advance(minutes=1)
    shown = read(delivery.refresh()._repr_html_())
    statuses = {row[0]: row[1:] for row in table(shown, "Accepted rows")}
    assert statuses == {
        "failed": ["1", "it did not arrive; the reasons say why"],
        "read": ["1", "it was read"],
        "<b>Throttled</b> for +120••••••23": [
            "1",
            "a status of D7's that d7nb does not know; delivery.refresh() asks again",
        ],
    }
    (reason,) = table(shown, "1 reason")
    assert reason[:3] == ["accepted", "1", "failed after D7 accepted it: 131026: Message undeliverable"]
    assert "fix the data" in reason
    assert 'plan.send(client, resend="failed")' in [code.text for code in shown.all("code")]
    for text in ("131026", "fix the data", "failed after D7 accepted it", 'resend="failed"'):
        assert text in repr(delivery)


def test_a_running_delivery_says_so(sandbox: d7nb.Sandbox) -> None:
    sandbox.fail_next("delay", seconds=0.3)
    with sandbox.client() as client:
        delivery = saying("a").send(client, wait=False)
        running, html = repr(delivery), delivery._repr_html_()
        delivery.wait()
    assert "still being sent" in running
    assert "1 unsent: waiting for its turn" in running or "1 unknown: on its way" in running
    assert "delivery.wait() or delivery.stop()" in running
    assert [code.text for code in read(html).all("code")] == ["delivery.wait()", "delivery.stop()"]
    assert "still being sent" not in repr(delivery)


def test_a_delivery_read_from_the_ledger_says_so() -> None:
    delivery = saying("a").delivery()
    for shown in (read(delivery._repr_html_()).text, repr(delivery)):
        assert "from the ledger; nothing was sent just now" in shown


def test_a_delivery_stays_masked_whatever_is_revealed(sandbox: d7nb.Sandbox) -> None:
    answer = {"detail": {"code": "X", "message": f"no route to {PHONES[0]}"}}
    sandbox.fail_next("status", code=400, body=answer)
    delivery = saying("a").send(sandbox.client(), progress=False)
    with d7nb.options.revealed():
        for shown in (read(delivery._repr_html_()).text, repr(delivery)):
            assert "no route to +120••••••00" in shown


def test_of_many_warnings_the_first_are_shown() -> None:
    summary = dict.fromkeys(OUTCOMES, 0) | {"accepted": 1}
    shown = DeliveryView(summary, [], None, done=True, warnings=[f"w{n}" for n in range(9)])
    for text in (delivery_text(shown), read(delivery_html(shown)).text):
        assert "w4" in text
        assert "w5" not in text
        assert "… 4 more (for all: delivery.warnings)" in text


@pytest.mark.parametrize(
    ("surface", "option"), [("notebook", 'resend="changed"'), ("shell", "--resend changed"), ("form", "resend=")]
)
def test_reasons_and_warnings_speak_the_language_of_their_surface(surface: Surface, option: str) -> None:
    summary = dict.fromkeys(OUTCOMES, 0) | {"held": 2}
    hint = Hint("to send it, too: ", Option("resend", "changed"))
    shown = DeliveryView(summary, [Reason("held", "ledger", hint, 2)], None, done=True, warnings=[hint])
    with speaking(surface):
        for text in (delivery_text(shown), read(delivery_html(shown)).text):
            assert option in render(hint)
            assert text.count(render(hint)) == 2


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_d7_or_a_filter_says_stays_in_its_cell(reason: str, decider: str, warning: str) -> None:
    summary = dict.fromkeys(OUTCOMES, 0) | {"skipped": 1}

    def shown(reason: str, decider: str, warning: str) -> DeliveryView:
        return DeliveryView(summary, [Reason("skipped", decider, reason, 1)], None, done=True, warnings=[warning])

    html = delivery_html(shown(f"x{reason}", f"x{decider}", f"x{warning}"))
    assert read(html).shape == read(delivery_html(shown("x", "x", "x"))).shape


# All of them


@pytest.mark.parametrize("which", ["plan", "preview", "delivery"])
def test_a_display_is_one_whole_that_names_what_it_colours(which: str) -> None:
    plan = troubled()
    display: Any = {"plan": lambda: plan, "preview": plan.preview, "delivery": plan.delivery}[which]()
    shown = read(display._repr_html_())
    assert [child.attributes["class"] for child in shown.children if isinstance(child, Element)] == ["d7nb"]
    for each in shown.all("table"):
        assert each.all("caption")
        assert {cell.attributes.get("scope") for cell in each.all("th")} <= {"col", "row"}
    for dot in shown.of("dot"):
        assert dot.attributes["aria-hidden"] == "true"
        assert dot.text == ""
    for bar in shown.of("bar"):
        assert bar.attributes["aria-hidden"] == "true"
