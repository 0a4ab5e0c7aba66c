"""Rows of different kinds: chosen by a column's word, or made of columns that bear D7's own dotted paths."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest

import d7nb
from d7nb import Attachment, Location, Text, by_column, col
from d7nb.errors import ColumnError, PlanError
from d7nb.hints import render, speaking
from tests.support.plans import LINK, ORIGINATOR, PHONES, contents_by_row, plan_of, problem_cells, table

FAR = dt.datetime(2100, 1, 1, 9, 0, tzinfo=dt.UTC)


# A column's word.

KINDS = {
    "text": Text("Hi {name}"),
    "a map": Location(col("lat"), col("lon")),
    "picture": Attachment("image", LINK, caption="For {name}"),
}


def test_a_columns_word_chooses_the_content(sandbox: d7nb.Sandbox) -> None:
    plan = plan_of(
        {"kind": "text", "name": "Ali"},
        {"kind": "a map", "lat": 25, "lon": "55"},
        {"kind": " picture ", "name": "Sara"},
        {"kind": "text", "name": "Žofie"},
        content=by_column("kind", KINDS),
    )
    expected = {
        0: {"message_type": "TEXT", "text": {"body": "Hi Ali"}},
        1: {"message_type": "LOCATION", "location": {"latitude": "25", "longitude": "55"}},
        2: {"message_type": "ATTACHMENT", "attachment": {"type": "image", "url": LINK, "caption": "For Sara"}},
        3: {"message_type": "TEXT", "text": {"body": "Hi Žofie"}},
    }
    assert contents_by_row(plan) == expected
    assert plan.problems.empty
    assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 4
    arrived = dict(zip(sandbox.messages["recipient"], sandbox.messages["content"], strict=True))
    assert arrived == {PHONES[row]: content for row, content in expected.items()}


def test_a_word_that_is_unknown_or_missing_is_a_problem_of_its_row() -> None:
    plan = plan_of(
        {"kind": "text", "name": "Ali"},
        {"kind": "txt", "name": "Ali"},
        {"kind": "something else", "name": "Ali"},
        {"kind": None, "name": "Ali"},
        {"kind": " ", "name": "Ali"},
        {"kind": "Text", "name": None, "lat": 1, "lon": 2},
        content=by_column("kind", KINDS),
    )
    assert list(contents_by_row(plan)) == [0]
    assert problem_cells(plan) == [(row, "kind", "unknown_kind") for row in (1, 2, 3, 4, 5)]
    messages = plan.problems.set_index("row")["message"]
    assert messages[1] == "there is no content for 'txt'; did you mean 'text'?"
    assert messages[2] == "there is no content for 'something else'; use one of text, a map, picture"
    assert messages[3] == messages[4] == "the cell is empty, so the row has no content"
    assert messages[5] == "there is no content for 'Text'; did you mean 'text'?"


def test_a_rows_own_content_alone_is_checked() -> None:
    plan = plan_of(
        {"kind": "text", "name": "Ali", "lat": 999},
        {"kind": "a map", "name": None, "lat": 91, "lon": 0},
        {"kind": "text", "name": None, "lat": 999},
        content=by_column("kind", KINDS),
    )
    assert problem_cells(plan) == [(1, "lat", "out_of_range"), (2, "name", "missing")]


@pytest.mark.parametrize("dtype", ["object", "int64", "float64", "Int64", "str", "category", "int64[pyarrow]"])
def test_words_may_be_whole_numbers(dtype: str) -> None:
    frame = pd.DataFrame({"recipient": PHONES[:2], "kind": pd.Series([1, 2], dtype=dtype)})
    for contents in ({1: Text("one"), 2: Text("two")}, {"1": Text("one"), "2": Text("two")}):
        plan = d7nb.plan(frame, by_column("kind", contents), originator=ORIGINATOR)
        assert [content["text"]["body"] for content in contents_by_row(plan).values()] == ["one", "two"]


def test_a_mistake_in_by_column_is_told_at_once() -> None:
    with pytest.raises(PlanError, match=r"'map' needs a content such as Text\(\.\.\.\), not a text"):
        by_column("kind", {"map": "Hi"})  # type: ignore[dict-item]
    with pytest.raises(ColumnError, match="no column 'kid'; did you mean 'kind'"):
        plan_of({"kind": "text", "name": "Ali"}, content=by_column("kid", {"text": Text("Hi")}))
    with pytest.raises(ColumnError, match="no column 'nmae'; did you mean 'name'"):
        plan_of({"kind": "text", "name": "Ali"}, content=by_column("kind", {"text": Text("Hi {nmae}")}))


# D7's dotted paths.


def test_constants_may_be_left_out_and_parts_may_stand_in_short() -> None:
    plan = plan_of(
        {
            "interactive.type": "button",
            "interactive.header": "Order 17",
            "interactive.body.text": "Which?",
            "interactive.action.buttons.0.reply.id": "y",
            "interactive.action.buttons.0.reply.title": "Yes",
            "interactive.action.buttons.1": "No",
        },
        {"contacts.0.name": "Sara", "contacts.0.phones.0": "+12025550142"},
        {"message_type": "text", "text.body": "Hi"},
    )
    assert problem_cells(plan) == []
    assert contents_by_row(plan) == {
        0: {
            "message_type": "INTERACTIVE",
            "interactive": {
                "type": "button",
                "header": {"type": "text", "text": "Order 17"},
                "body": {"text": "Which?"},
                "action": {
                    "buttons": [
                        {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                        {"type": "reply", "reply": {"id": "No", "title": "No"}},
                    ]
                },
            },
        },
        1: {
            "message_type": "CONTACTS",
            "contacts": [
                {"name": {"formatted_name": "Sara", "first_name": "Sara"}, "phones": [{"phone": "+12025550142"}]}
            ],
        },
        2: {"message_type": "TEXT", "text": {"body": "Hi"}},
    }


def test_rows_of_one_type_may_have_different_shapes() -> None:
    phones = [{}, {"phones.0.phone": "1"}, {"phones.1.phone": "2"}, {"phones.0.type": "CELL"}]
    rows = [{f"contacts.0.{path}": cell for path, cell in {"name": "Sara", **own}.items()} for own in phones]
    plan = plan_of(*rows)
    assert problem_cells(plan) == []
    cards = [content["contacts"][0].get("phones") for content in contents_by_row(plan).values()]
    assert cards == [None, [{"phone": "1"}], [{"phone": "2"}], None]


def test_what_is_required_and_missing_is_told_beside_everything_else() -> None:
    plan = plan_of(
        {"message_type": "ATTACHMENT", "attachment.type": "image", "attachment.url": LINK},
        {"message_type": "ATTACHMENT", "attachment.type": "gif", "attachment.caption": "x" * 1025},
        {"message_type": "TEXT"},
        {"message_type": "INTERACTIVE", "interactive.type": "cta_url", "interactive.action.parameters.url": "ftp://a"},
    )
    assert list(contents_by_row(plan)) == [0]
    assert problem_cells(plan) == [
        (1, "attachment.caption", "too_long"),
        (1, "attachment.type", "unknown_word"),
        (1, "attachment.url", "missing"),
        (2, None, "required"),  # there is no column text.body at all
        (3, None, "required"),
        (3, None, "required"),
    ]
    fields = plan.problems[plan.problems["code"] == "required"]["field"]
    assert fields.tolist() == ["text.body", "interactive.body.text", "interactive.action.parameters.display_text"]


def test_a_parameter_that_is_missing_between_others_does_not_move_them() -> None:
    base = {"message_type": "TEMPLATE", "template.template_id": "due", "template.language": "en"}
    path = "template.body_parameter_values"
    plan = plan_of(
        {**base, f"{path}.0": "a", f"{path}.1": "b", f"{path}.2": "c"},
        {**base, f"{path}.0": "a", f"{path}.2": "c"},
        {**base, f"{path}.1": "b"},
        {**base, f"{path}.0": "a"},
        base,
    )
    assert problem_cells(plan) == [(1, f"{path}.1", "missing"), (2, f"{path}.0", "missing")]
    given = {row: content["template"].get("body_parameter_values") for row, content in contents_by_row(plan).items()}
    assert given == {0: {"0": "a", "1": "b", "2": "c"}, 3: {"0": "a"}, 4: None}


def test_a_gap_in_a_free_list_does_not_move_what_follows() -> None:
    path = "interactive.action.parameters.flow_action_payload.tags"
    base = {
        "interactive.type": "flow",
        "interactive.body.text": "Book",
        "interactive.action.parameters.flow_id": "1",
        "interactive.action.parameters.flow_cta": "Go",
        "interactive.action.parameters.flow_message_version": "3",
    }
    plan = plan_of({**base, f"{path}.0": "a", f"{path}.1": "b"}, {**base, f"{path}.1": "b"})
    assert list(contents_by_row(plan)) == [0]
    assert problem_cells(plan) == [(1, f"{path}.0", "missing")]


BUTTONS = {
    "message_type": "INTERACTIVE",
    "interactive.type": "button",
    "interactive.header.type": "document",
    "interactive.header.document.link": LINK,
    "interactive.body.text": "Which?",
    "interactive.action.buttons.0.reply.id": "y",
    "interactive.action.buttons.0.reply.title": "Yes",
}
TEXT = {"message_type": "TEXT", "text.body": "Hi"}
MISTAKES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "path": ({**TEXT, "text.previw_url": True}, "text.previw_url", "unknown_field", "did you mean 'preview_url'?"),
    "path_in_a_list": (
        {**BUTTONS, "interactive.action.buttons.0.reply.titel": "Yes"},
        "interactive.action.buttons.0.reply.titel",
        "unknown_field",
        "did you mean 'reply.title'?",
    ),
    "path_in_a_header": (
        {**BUTTONS, "interactive.header.document.fielname": "a"},
        "interactive.header.document.fielname",
        "unknown_field",
        "use one of type, link, filename, text",
    ),
    "path_in_a_contact": (
        {"contacts.0.name.formatted_name": "Sara", "contacts.0.name.first_nam": "Sara"},
        "contacts.0.name.first_nam",
        "unknown_field",
        "did you mean 'first_name'?",
    ),
    "list_without_places": (
        {"contacts.name.formatted_name": "Sara"},
        "contacts.name.formatted_name",
        "unknown_field",
        "the items of a list are numbered from 0, as in contacts.0",
    ),
    "below_a_value": ({**TEXT, "text.preview_url.x": 1}, "text.preview_url.x", "unknown_field", "D7 has no such field"),
    "whole_list": (
        {"contacts.0.name": "Sara", "contacts.0.phones": "1"},
        "contacts.0.phones",
        "not_a_list",
        "give a list of phones; ",
    ),
    "part_of_another_type": (
        {**TEXT, "attachment.url": LINK},
        "attachment.url",
        "unknown_field",
        "a TEXT message has no such field",
    ),
    "message_type": ({**TEXT, "message_type": "TXT"}, "message_type", "unknown_kind", "did you mean 'TEXT'?"),
    "strange_message_type": (
        {**TEXT, "message_type": "SMS!"},
        "message_type",
        "unknown_kind",
        "message_type is 'SMS!', which D7 does not know; use one of TEXT, REACTION, ATTACHMENT, LOCATION, CONTACTS",
    ),
    "interactive_type": (
        {**BUTTONS, "interactive.type": "buttons"},
        "interactive.type",
        "unknown_kind",
        "interactive.type is 'buttons', which D7 does not know; did you mean 'button'?",
    ),
    "interactive_type_missing": (
        {**BUTTONS, "interactive.type": None},
        "interactive.type",
        "unknown_kind",
        "interactive.type is missing; use one of button, list, cta_url",
    ),
    "header_type": (
        {**BUTTONS, "interactive.header.type": "{name}"},
        "interactive.header.type",
        "unknown_word",
        "not one of text, image, video, document (D7)",
    ),
    "whole_and_parts": (
        {**BUTTONS, "interactive.header": "Order 17"},
        "interactive.header",
        "conflict",
        "both interactive.header and columns for parts of it, such as interactive.header.document.link, are filled",
    ),
    "parts_and_whole": (
        {"contacts.0.name.first_name": "Sara", "contacts.0.name": "Sara"},
        "contacts.0.name",
        "conflict",
        "both contacts.0.name and columns for parts of it, such as contacts.0.name.first_name, are filled",
    ),
    "two_types": (
        {"message_type": None, "text.body": "Hi", "location.latitude": 1, "location.longitude": 2},
        "message_type",
        "unknown_kind",
        "message_type is missing; use one of TEXT, REACTION",
    ),
    "empty_row": ({"message_type": None}, "message_type", "unknown_kind", "message_type is missing"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_paths_is_a_problem_of_the_rows_that_make_it(name: str) -> None:
    row, column, code, words = MISTAKES[name]
    plan = plan_of({"message_type": "LOCATION", "location.latitude": 1, "location.longitude": 2}, row)
    errors = plan.problems
    assert set(errors["row"]) == {1}
    assert list(contents_by_row(plan)) == [0]
    (problem,) = errors[errors["column"] == column].to_dict("records")
    assert (problem["code"], problem["field"]) == (code, column)
    assert words in problem["message"]


def test_a_table_that_holds_no_content_at_all_is_refused() -> None:
    with pytest.raises(
        PlanError, match=r"nothing to send: give a content such as Text\('Hi {name}'\), or name columns"
    ):
        plan_of({"name": "Ali", "customer.name": "Ali"})
    with speaking("shell"), pytest.raises(PlanError) as error:
        plan_of({"name": "Ali"})
    assert render(error.value.args[0], "shell").startswith("there is nothing to send: give --text 'Hi {name}', or name")


def test_a_path_that_is_there_twice_is_refused() -> None:
    frame = pd.DataFrame([[PHONES[0], "a", "b"]], columns=["recipient", "text.body", "text.body"])
    with pytest.raises(ColumnError, match=r"several columns are called 'text\.body'"):
        d7nb.plan(frame, originator=ORIGINATOR)


def test_ones_own_dotted_columns_are_left_alone() -> None:
    frame = table({"text.body": "Hi", "customer.id": 17, "attachment": "none", "notes.": "x"})
    plan = d7nb.plan(frame.assign(**{"1.5": "y"}).rename(columns={"1.5": 1.5}), originator=ORIGINATOR)
    assert problem_cells(plan) == []
    assert contents_by_row(plan)[0] == {"message_type": "TEXT", "text": {"body": "Hi"}}


def test_an_empty_table_is_an_empty_plan() -> None:
    frame = pd.DataFrame({"recipient": [], "message_type": [], "text.body": []}, dtype="object")
    plan = d7nb.plan(frame, originator=ORIGINATOR)
    assert len(plan) == 0
    assert list(plan.requests()) == []


def test_the_envelope_may_stand_in_the_table_too(sandbox: d7nb.Sandbox) -> None:
    """Originator, report URL, schedule and references, in columns named as D7 names them."""
    frame = table(
        {"originator": "+12025550100", "schedule_time": "2100-01-01T09:00+04:00", "report_url": f"{LINK}?a"},
        {"originator": "+12025550101", "schedule_time": FAR, "report_url": None},
    )
    frame["text.body"] = "Hi"
    frame["reference.cust_ref"] = ["order 17", None]
    frame["reference.message_tag1"] = [1, 2]
    plan = d7nb.plan(frame)
    assert problem_cells(plan) == []
    first, second = sorted(plan.requests(), key=lambda body: body["messages"][0]["originator"])
    assert first["messages"][0]["report_url"] == f"{LINK}?a"
    assert first["message_globals"] == {"schedule_time": "2100-01-01T09:00+04:00"}
    reference = first["messages"][0]["recipients"][0]["reference"]
    assert (reference["cust_ref"], reference["message_tag1"]) == ("order 17", "1")
    assert "report_url" not in second["messages"][0]
    assert second["message_globals"] == {"schedule_time": "2100-01-01T09:00+00:00"}
    assert "cust_ref" not in second["messages"][0]["recipients"][0]["reference"]
    assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 2
    assert sorted(sandbox.messages["originator"]) == ["+12025550100", "+12025550101"]


def test_faults_of_the_envelope_in_the_table_are_problems_of_their_rows() -> None:
    frame = table(
        {"originator": ORIGINATOR, "report_url": LINK, "schedule_time": FAR},
        {"originator": "our shop", "report_url": LINK, "schedule_time": FAR},
        {"originator": ORIGINATOR, "report_url": "ftp://example.com", "schedule_time": FAR},
        {"originator": ORIGINATOR, "report_url": LINK, "schedule_time": "2100-01-01T09:00"},
        {"originator": None, "report_url": LINK, "schedule_time": "2020-01-01T09:00+00:00"},
    )
    frame["text.body"] = "Hi"
    plan = d7nb.plan(frame)
    assert [problem[:2] for problem in problem_cells(plan)] == [
        (1, "originator"),
        (2, "report_url"),
        (3, "schedule_time"),
        (4, "originator"),
        (4, "schedule_time"),
    ]
    assert list(contents_by_row(plan)) == [0]


def test_a_reference_that_d7_does_not_have_is_told_at_once() -> None:
    with pytest.raises(PlanError, match="D7 has no 'cust_rf'; did you mean 'cust_ref'"):
        plan_of({"text.body": "Hi", "reference.cust_rf": "17"})
