"""A plan: every row's verdict, all problems at once, and payloads that nothing changes afterwards."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import phonenumbers
import pytest

import d7nb
from d7nb import Attachment, Flow, ReplyButtons, Text, by_column, col
from d7nb.errors import ColumnError, ContentError, PlanError
from d7nb.hints import render

ORIGINATOR = "+12025550100"
PERSON, OTHER, THIRD = "+12025550123", "+12025550124", "+61491570006"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def number_only_whatsapp_knows() -> str:
    """A Mexican mobile number in the form with a 1 that Mexico gave up."""
    example = phonenumbers.example_number_for_type("MX", phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    return f"+521{example.national_number}"


def planned(frame: pd.DataFrame, content: Any = None, **options: Any) -> d7nb.Plan:
    """A plan to the column ``phone``, made at a fixed time."""
    content = Text("Hi {name}") if content is None else content
    return d7nb.plan(frame, content, **{"to": "phone", "originator": ORIGINATOR, "clock": lambda: NOW} | options)


def sent(plan: d7nb.Plan) -> list[tuple[str, str]]:
    """Recipient and text of each message, in the order of the requests."""
    return [
        (recipient["recipient"], message["content"]["text"]["body"])
        for request in plan.requests()
        for message in request["messages"]
        for recipient in message["recipients"]
    ]


def references(plan: d7nb.Plan) -> list[dict[str, str]]:
    """Each recipient's reference, in the order of the requests."""
    return [
        recipient.get("reference")
        for request in plan.requests()
        for message in request["messages"]
        for recipient in message["recipients"]
    ]


def one(**columns: Any) -> pd.DataFrame:
    """A frame of one row that is ready."""
    return pd.DataFrame({"phone": [PERSON], "name": ["Ali"], **{name: [value] for name, value in columns.items()}})


# Verdicts


def test_each_row_has_a_verdict_its_reason_and_who_decided() -> None:
    frame = pd.DataFrame(
        {
            "phone": [PERSON, "call me", number_only_whatsapp_knows(), OTHER, PERSON, None],
            "name": ["Ali", "Omar", "Lena", None, "Ali", "Sara"],
        }
    )
    rows = planned(frame).rows
    assert rows.columns.tolist() == ["verdict", "reason", "decided_by", "recipient"]
    assert rows["verdict"].tolist() == ["ready", "invalid", "held", "invalid", "skipped", "invalid"]
    assert rows["decided_by"].tolist()[1:] == ["numbers", "numbers", "content", "duplicates", "numbers"]
    assert pd.isna(rows.loc[0, "reason"])
    assert pd.isna(rows.loc[0, "decided_by"])
    assert rows.loc[rows["verdict"] != "ready", ["reason", "decided_by"]].notna().all(axis=None)
    assert rows.loc[3, "reason"] == "name: the cell is empty, but the text needs {name}"
    assert rows.loc[0, "recipient"] == PERSON


def test_a_number_that_is_ambiguous_holds_its_row() -> None:
    plan = planned(pd.DataFrame({"phone": [number_only_whatsapp_knows()], "name": ["Lena"]}))
    assert plan.summary == {"ready": 0, "invalid": 0, "held": 1, "skipped": 0}
    assert plan.rows.loc[0, "decided_by"] == "numbers"
    assert plan.problems["severity"].tolist() == ["held"]


def test_the_first_who_finds_a_fault_decides_but_all_faults_are_problems() -> None:
    plan = planned(pd.DataFrame({"phone": ["call me", number_only_whatsapp_knows()], "name": [None, None]}))
    assert plan.rows["verdict"].tolist() == ["invalid", "held"]
    assert plan.rows["decided_by"].tolist() == ["numbers", "numbers"]
    assert plan.problems[["row", "column", "severity"]].values.tolist() == [
        [0, "phone", "error"],
        [0, "name", "error"],
        [1, "phone", "held"],
        [1, "name", "error"],
    ]


def test_a_warning_does_not_keep_a_row_from_going() -> None:
    plan = planned(one().assign(name="null"))
    assert plan.summary["ready"] == 1
    assert plan.problems["severity"].tolist() == ["warning"]


def test_duplicates_are_skipped_and_the_row_that_is_kept_is_named() -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER, "1 202 555 0123"], "name": "Ali"}, index=["a", "b", "c"])
    rows = planned(frame).rows
    assert rows["verdict"].tolist() == ["ready", "ready", "skipped"]
    assert rows.loc["c", "reason"] == "the same as the row at position 0 (index 'a')"
    assert rows.loc["c", "decided_by"] == "duplicates"


def test_a_row_that_can_t_go_does_not_make_a_later_one_a_duplicate() -> None:
    frame = pd.DataFrame({"phone": [PERSON, PERSON], "name": "Ali", "url": ["nonsense", "https://example.com/a.jpg"]})
    plan = planned(frame, Attachment("image", col("url"), caption="{name}"), key="name")
    assert plan.rows["verdict"].tolist() == ["invalid", "ready"]


def test_another_text_to_the_same_recipient_is_no_duplicate() -> None:
    frame = pd.DataFrame({"phone": [PERSON, PERSON], "name": ["Ali", "Mr Ali"]})
    assert planned(frame).summary["ready"] == 2


def test_a_duplicate_s_reason_masks_an_index_of_phone_numbers() -> None:
    frame = pd.DataFrame({"phone": [PERSON, PERSON], "name": "Ali"}).set_index("phone", drop=False)
    assert PERSON not in planned(frame).rows["reason"].iloc[1]
    assert "position 0" in planned(frame).rows["reason"].iloc[1]


# Rows, order, index

INDEXES = {
    "repeated": pd.Index(["x", "x", "y", "x"]),
    "several levels": pd.MultiIndex.from_tuples([("b", 2), ("a", 1), ("b", 2), ("a", 0)], names=["shop", "till"]),
    "times": pd.DatetimeIndex(["2026-11-03", "2026-11-01", "2026-11-01", "2026-11-02"], tz="Asia/Dubai", name="day"),
    "unsorted": pd.Index([30, -1, 20, 10], name="customer"),
    "missing": pd.Index([1.5, np.nan, np.nan, 0.0]),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=list(INDEXES))
def test_the_same_rows_in_the_same_order_under_the_same_index(index: pd.Index) -> None:
    frame = pd.DataFrame({"phone": [OTHER, "none", PERSON, OTHER], "name": ["B", "C", "A", "B"]}, index=index)
    plan = planned(frame)
    pd.testing.assert_index_equal(plan.rows.index, index, exact=True)
    assert plan.rows["verdict"].tolist() == ["ready", "invalid", "ready", "skipped"]
    assert sent(plan) == [(OTHER, "Hi B"), (PERSON, "Hi A")]
    assert plan.problems["row"].tolist() == [1]
    assert [str(label) for label in plan.problems["index"]] == [str(frame.index.tolist()[1])]
    assert plan.preview().frame["row"].tolist() == [0, 2]
    assert len(plan) == 4


def test_columns_of_several_levels_are_named_by_tuples() -> None:
    frame = one().set_axis(pd.MultiIndex.from_tuples([("who", "phone"), ("who", "name")]), axis=1)
    plan = planned(frame, Text(col(("who", "name"))), to=("who", "phone"))
    assert sent(plan) == [(PERSON, "Ali")]
    with pytest.raises(ColumnError, match="no column 'who'"):
        planned(frame, Text("Hi"), to="who")


# Frozen


def test_no_later_change_of_the_frame_reaches_the_plan() -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER], "name": ["Ali", "Sara"], "n": [1, 2]})
    plan = planned(frame, Text("{name} {n}"))
    before = list(plan.requests())
    frame.loc[0, "name"] = "Mallory"
    frame.iloc[1, 2] = 99
    frame["phone"] = THIRD
    del frame["n"]
    frame.columns = ["a", "b"]
    assert list(plan.requests()) == before
    assert sent(plan) == [(PERSON, "Ali 1"), (OTHER, "Sara 2")]
    with d7nb.Sandbox() as sandbox, sandbox.client() as client:
        delivery = plan.send(client, progress=False)
        assert [content["text"]["body"] for content in sandbox.messages["content"]] == ["Ali 1", "Sara 2"]
    assert delivery.frame["name"].tolist() == ["Ali", "Sara"]


def test_no_later_change_of_a_list_in_a_cell_reaches_the_plan() -> None:
    frame = one(tags=["new"], more={"a": [1]})
    with d7nb.Sandbox() as sandbox, sandbox.client() as client:
        delivery = planned(frame).send(client, progress=False)
    frame.loc[0, "tags"].append("paid")
    frame.loc[0, "more"]["a"].append(2)
    assert delivery.frame.loc[0, "tags"] == ["new"]
    assert delivery.frame.loc[0, "more"] == {"a": [1]}


def test_no_later_change_of_an_argument_reaches_the_plan() -> None:
    buttons: list[Any] = [{"id": "y", "title": "Yes"}]
    payload: dict[str, Any] = {"screen": "WELCOME", "data": {"step": "one"}}
    reference = {"cust_ref": "order 1"}
    kinds = {
        "ask": ReplyButtons("Coming?", buttons),
        "flow": Flow("Sign up", "1", "Open", flow_token="t", flow_action_payload=payload),
    }
    frame = pd.DataFrame({"phone": [PERSON, OTHER], "kind": ["ask", "flow"]})
    plan = planned(frame, by_column("kind", kinds), reference=reference)
    before = list(plan.requests())
    buttons[0]["title"] = "No"
    buttons.append({"id": "m", "title": "Maybe"})
    payload["data"]["step"] = "two"
    kinds["flow"].flow_action_payload["data"] = "three"  # type: ignore[attr-defined]
    kinds["ask"] = kinds["flow"]
    reference["cust_ref"] = "order 2"
    assert list(plan.requests()) == before
    assert "No" not in str(before)
    assert "two" not in str(before)


def test_frames_that_a_plan_gave_out_are_the_user_s_own() -> None:
    plan = planned(pd.DataFrame({"phone": [PERSON, "none"], "name": "Ali"}))
    rows, problems = plan.rows, plan.problems
    rows["verdict"] = "ready"
    rows.loc[:, "recipient"] = OTHER
    problems["message"] = "fine"
    del problems["hint"]
    assert plan.summary["ready"] == 1
    assert plan.rows["recipient"].tolist()[0] == PERSON
    assert plan.problems.loc[0, ["message", "hint"]].tolist() == ["there is no number", "correct the number"]


def test_planning_leaves_the_caller_s_frame_as_it_was(people: pd.DataFrame) -> None:
    before = people.copy(deep=True)
    planned(people, key="name", reference={"cust_ref": "{name}"})
    pd.testing.assert_frame_equal(people, before)


# Nothing to plan, and what can't be planned


def test_an_empty_frame_makes_an_empty_plan_whose_every_method_works(
    people: pd.DataFrame, sandbox: d7nb.Sandbox
) -> None:
    full, plan = planned(people), planned(people.iloc[:0], key="name", schedule=col("balance"))
    assert len(plan) == 0
    assert plan.summary == {"ready": 0, "invalid": 0, "held": 0, "skipped": 0}
    assert list(plan.requests()) == []
    assert plan.rows.dtypes.equals(full.rows.dtypes)
    assert plan.problems.dtypes.equals(full.problems.dtypes)
    assert plan.preview().frame.dtypes.equals(full.preview().frame.dtypes)
    assert "no rows" in repr(plan)
    assert "0 of 0 rows would be sent" in plan._repr_html_()
    assert "0 of 0 messages" in repr(plan.preview())
    with sandbox.client() as client:
        delivery, whole = plan.send(client, confirm=0, progress=False), full.send(client, progress=False)
    assert delivery.frame.dtypes.equals(whole.frame.dtypes)
    assert delivery.requests.dtypes.equals(whole.requests.dtypes)
    assert len(delivery) == 0
    assert sum(delivery.summary.values()) == 0
    assert "0 rows" in repr(delivery)
    assert "0 rows" in delivery._repr_html_()


def test_a_frame_without_columns_is_told_so() -> None:
    with pytest.raises(ColumnError, match="no columns"):
        planned(pd.DataFrame(), Text("Hi"))


@pytest.mark.parametrize("table", [[{"phone": PERSON}], {"phone": [PERSON]}, pd.Series([PERSON]), None])
def test_only_a_frame_is_planned(table: Any) -> None:
    with pytest.raises(PlanError, match=r"needs a DataFrame, not (a |None;)"):
        planned(table)


@pytest.mark.parametrize(
    ("options", "asked_for", "nearest"),
    [
        ({"to": "fone"}, "fone", "phone"),
        ({"to": ["phone"]}, "phone", "phone"),
        ({"content": Text("Hi {nam}")}, "nam", "name"),
        ({"content": Text(col("Name"))}, "Name", "name"),
        ({"key": ["phone", "nmae"]}, "nmae", "name"),
        ({"country": col("contry")}, "contry", "country"),
        ({"originator": col("fone")}, "fone", "phone"),
        ({"reference": {"cust_ref": "{nmae}"}}, "nmae", "name"),
        ({"report_url": "https://example.com/{countri}"}, "countri", "country"),
        ({"schedule": col("nam")}, "nam", "name"),
        ({"content": by_column("cuntry", {"x": Text("Hi")})}, "cuntry", "country"),
        ({"content": by_column("country", {"x": Text("{fone}")})}, "fone", "phone"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest(
    options: dict[str, Any], asked_for: str, nearest: str
) -> None:
    with pytest.raises(ColumnError, match=f"no column .*{asked_for}.*; did you mean '{nearest}'"):
        planned(one(country="US"), **options)


def test_all_columns_that_are_not_there_are_named_at_once() -> None:
    with pytest.raises(ColumnError, match=r"'tel'.*'zzz'.*'balanc'; did you mean 'balance'.*there are 'phone', 'name'"):
        planned(one(balance=1), Text("{balanc}"), to="tel", key="zzz")


def test_a_column_that_is_there_twice_can_t_be_used() -> None:
    frame = pd.concat([one(), one()[["name"]]], axis=1)
    with pytest.raises(ColumnError, match="several columns are called 'name'"):
        planned(frame)
    assert sent(planned(frame, Text("Hello"))) == [(PERSON, "Hello")]


def test_the_option_for_the_numbers_is_named_where_it_was_left_out() -> None:
    frame = pd.DataFrame({"phone": [PERSON], "name": ["Ali"]})
    with pytest.raises(ColumnError) as error:
        d7nb.plan(frame, Text("Hi {name}"), originator=ORIGINATOR)
    fault = "there is no column 'recipient': say which column has the phone numbers, with"
    rest = "; there are 'phone', 'name'"
    assert str(error.value) == f"{fault} to={rest}"
    assert render(error.value.args[0], "shell") == f"{fault} --to{rest}"
    assert render(error.value.args[0], "form") == f"{fault} Recipient column{rest}"


def test_an_originator_is_needed_and_must_be_a_number() -> None:
    with pytest.raises(PlanError, match="no originator was given"):
        planned(one(), originator=None)
    with pytest.raises(ContentError, match="originator: it is not a number"):
        planned(one(), originator="my shop")


def test_an_originator_column_is_checked_row_by_row() -> None:
    senders = pd.Series([ORIGINATOR, "shop", None, 12025550100, 12025550100.0], dtype="object")
    frame = pd.DataFrame({"phone": [PERSON, OTHER, THIRD, PERSON, OTHER], "name": list("abcde"), "from": senders})
    plan = planned(frame, originator=col("from"))
    assert plan.rows["verdict"].tolist() == ["ready", "invalid", "invalid", "ready", "ready"]
    assert plan.problems.dropna(subset="row")[["row", "column", "field"]].values.tolist() == [
        [1, "from", "originator"],
        [2, "from", "originator"],
    ]
    assert {request["messages"][0]["originator"] for request in plan.requests()} == {ORIGINATOR, "12025550100"}


@pytest.mark.parametrize("campaign", [None, 7, "", "  ", "\ud800"])
def test_a_campaign_is_a_text(campaign: Any) -> None:
    with pytest.raises(PlanError, match="a campaign's name is a text"):
        planned(one(), campaign=campaign)


def test_a_content_must_be_one() -> None:
    with pytest.raises(PlanError, match="the content must be one such as Text"):
        planned(one(), "Hi {name}")


def test_a_batch_size_counts_from_one() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        planned(one()).requests(0)


# Problems


def test_problems_are_a_frame_of_fixed_columns_and_types() -> None:
    frame = pd.DataFrame({"phone": ["+1 202 555 0123 and more", PERSON], "name": ["Ali", None]}, index=["a", "b"])
    expected = {
        "row": "Int64",
        "index": "object",
        "column": "object",
        "value": "object",
        "code": "str",
        "message": "str",
        "hint": "str",
        "severity": "str",
        "field": "str",
    }
    for problems in (planned(frame).problems, planned(one()).problems, planned(one(), schedule="soon").problems):
        assert problems.dtypes.astype("str").to_dict() == expected
    problems = planned(frame).problems
    assert problems[["row", "index", "column", "severity"]].values.tolist() == [
        [0, "a", "phone", "error"],
        [1, "b", "name", "error"],
    ]
    assert problems.loc[0, "value"] == "+• ••• ••• ••23 and more"
    assert problems.loc[1, "value"] is None
    assert (problems["message"].str.len() > 0).all()
    assert (problems["hint"].str.len() > 0).all()


def test_problems_come_sorted_by_row_and_those_of_every_row_first() -> None:
    frame = pd.DataFrame({"phone": ["none", "none", PERSON], "name": [None, "B", None]})
    problems = planned(frame, schedule="2020-01-01T00:00+00:00").problems
    assert problems["row"].astype("object").fillna("all").tolist() == ["all", 0, 0, 1, 2]


# References and keys

KEY = r"[A-Z2-7]{26}"
PICTURE = Attachment("image", "https://example.com/{id}.png", caption=col("shop"))
GOLDEN: dict[str, tuple[dict[str, Any], str]] = {
    "content": ({}, "6UEJ7QQFM2GMQNU4VAZQVN7AR4"),
    "campaign": ({"campaign": "balance-2026-11"}, "AS76FL7SSE2NYXCWKBL66VC3TY"),
    "larger content": ({"content": PICTURE}, "CXOON6SKNQ46PF3DIJ5UUFRLZI"),
    "one column": ({"key": "id"}, "IRFOD3AOLCKRIOYGZ4HZFZHLJ4"),
    "two columns": ({"key": ["id", "shop"]}, "5L47UUIOYX2RGPZH7BW5V44Q5I"),
}


@pytest.mark.parametrize(("options", "key"), GOLDEN.values(), ids=list(GOLDEN))
def test_keys_are_pinned(options: dict[str, Any], key: str) -> None:
    """A release that changes one of these would send everything again."""
    assert references(planned(one(id=1243, shop="Žofie's"), **options)) == [{"message_tag5": key}]


def test_a_key_is_26_characters_of_base32_that_show_nothing_of_the_user_s_own() -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER], "name": ["Ali", "Sara"], "id": ["C-1", "C-2"]})
    for options in ({}, {"key": "id"}):
        keys = [reference["message_tag5"] for reference in references(planned(frame, **options))]
        assert len(set(keys)) == 2
        assert all(re.fullmatch(KEY, key) for key in keys)


@pytest.mark.parametrize(
    "options",
    [
        {"originator": "+12025550101"},
        {"reference": {"cust_ref": "x"}},
        {"report_url": "https://example.com"},
        {"schedule": "2026-12-01T09:00+04:00"},
        {"key_in": "cust_ref"},
        {"to": "other"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_is_no_part_of_a_row_s_identity_does_not_change_its_key(options: dict[str, Any]) -> None:
    frame = one(other="1 (202) 555-0123")
    [reference] = references(planned(frame, **options))
    assert reference[options.get("key_in", "message_tag5")] == references(planned(frame))[0]["message_tag5"]


def test_what_is_part_of_a_row_s_identity_changes_its_key() -> None:
    keys = [
        references(plan)[0]["message_tag5"]
        for plan in (
            planned(one()),
            planned(one(), campaign="another"),
            planned(one(), Text("Hello {name}")),
            planned(one().assign(name="Sara")),
            planned(one().assign(phone=OTHER)),
            planned(one(), key="name"),
            planned(one(), key="phone"),
            planned(one(), key=["phone", "name"]),
            planned(one(), key=["name", "phone"]),
        )
    ]
    assert len(set(keys)) == len(keys)


def test_with_a_key_the_text_is_no_part_of_it() -> None:
    first, second = planned(one(), key="phone"), planned(one(), Text("Quite another"), key="phone")
    assert references(first) == references(second)


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([7, 8]),
        pd.Series([7.0, 8.0]),
        pd.Series(["7", "8 "]),
        pd.Series([7, 8], dtype="Int64"),
        pd.Series([7.0, "8"], dtype="object"),
        pd.Series(["7", "8"], dtype="category"),
    ],
    ids=lambda cells: str(cells.dtype),
)
def test_a_key_stays_the_same_when_pandas_changes_the_column_s_type(cells: pd.Series) -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER], "name": "Ali"})
    assert references(planned(frame.assign(id=cells), key="id")) == references(
        planned(frame.assign(id=["7", "8"]), key="id")
    )


def test_rows_with_the_same_key_go_once() -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER, THIRD], "name": list("abc"), "id": [1, 1, 2], "part": [1, 2, 1]})
    rows = planned(frame, key="id").rows
    assert rows["verdict"].tolist() == ["ready", "skipped", "ready"]
    assert rows.loc[1, "reason"] == "the same as the row at position 0 (index 0)"
    assert planned(frame, key=["id", "part"]).summary["ready"] == 3


def test_a_row_without_a_usable_key_can_t_go() -> None:
    cells = pd.Series(["a", None, " ", ["b"], "\ud800"], dtype="object")
    frame = pd.DataFrame({"phone": [f"+1202555012{n}" for n in range(5)], "name": "Ali", "id": cells})
    plan = planned(frame, key="id")
    assert plan.rows["verdict"].tolist() == ["ready", *["invalid"] * 4]
    assert set(plan.rows["decided_by"].dropna()) == {"key"}
    messages = plan.problems["message"].tolist()
    assert messages[:2] == ["the cell is empty, but this column tells rows apart"] * 2
    assert [message.partition(", but this column tells rows apart")[1:] for message in messages[2:]] == [
        (", but this column tells rows apart", "")
    ] * 2
    assert "not one value" in messages[2]
    assert "broken character" in messages[3]


def test_references_take_literals_templates_and_columns() -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER], "name": ["Ali", "Sara"], "order": [17, None]})
    given = {"cust_ref": "mail {name}", "message_tag1": "spring", "conversation_id": col("order")}
    first, second = references(planned(frame, reference=given))
    assert {name: first[name] for name in given} == {
        "cust_ref": "mail Ali",
        "message_tag1": "spring",
        "conversation_id": "17.0",
    }
    assert second.keys() == {"cust_ref", "message_tag1", "message_tag5"}


def test_a_reference_that_needs_an_empty_cell_is_a_problem() -> None:
    plan = planned(one(order=None), reference={"cust_ref": "order {order}"})
    assert plan.rows.loc[0, "decided_by"] == "envelope"
    assert plan.problems.loc[0, ["column", "field"]].tolist() == ["order", "cust_ref"]


def test_a_reference_that_d7_does_not_have_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="no 'custref'; did you mean 'cust_ref'"):
        planned(one(), reference={"custref": "1"})
    with pytest.raises(PlanError, match="no 'zzz'; it has cust_ref, message_tag1"):
        planned(one(), reference={"zzz": "1"})
    with pytest.raises(PlanError, match="no 'message_tag6'; did you mean 'message_tag"):
        planned(one(), key_in="message_tag6")


def test_the_key_s_place_must_be_free() -> None:
    with pytest.raises(PlanError, match="message_tag5 is used by d7nb itself: take another of D7's fields"):
        planned(one(), reference={"message_tag5": "mine"})


def test_the_key_travels_in_another_tag_or_nowhere() -> None:
    mine = {"message_tag5": "mine"}
    [reference] = references(planned(one(), reference=mine, key_in="cust_ref"))
    assert reference["message_tag5"] == "mine"
    assert re.fullmatch(KEY, reference["cust_ref"])
    assert references(planned(one(), reference=mine, key_in=None)) == [mine]
    assert references(planned(one(), key_in=None)) == [None]


# Schedule

TIMES = {
    "text": ("2026-12-01T09:00+04:00", "2026-12-01T09:00+04:00"),
    "text with seconds": ("2026-12-01T09:00:01+04:00", "2026-12-01T09:01+04:00"),
    "UTC": ("2026-12-01 09:00Z", "2026-12-01T09:00+00:00"),
    "datetime": (datetime(2026, 12, 1, 9, tzinfo=UTC), "2026-12-01T09:00+00:00"),
    "microseconds": (datetime(2026, 12, 31, 23, 59, 0, 1, tzinfo=UTC), "2027-01-01T00:00+00:00"),
    "zone": (datetime(2026, 12, 1, 9, tzinfo=ZoneInfo("Asia/Kolkata")), "2026-12-01T09:00+05:30"),
    "Timestamp": (pd.Timestamp("2026-12-01 09:00:30", tz="Asia/Dubai"), "2026-12-01T09:01+04:00"),
    "clocks go back": (datetime(2027, 10, 31, 2, 59, 30, tzinfo=ZoneInfo("Europe/Prague")), "2027-10-31T03:00+02:00"),
}


@pytest.mark.parametrize(("given", "wanted"), TIMES.values(), ids=list(TIMES))
def test_a_schedule_goes_in_d7_s_form_and_never_earlier_than_asked_for(given: Any, wanted: str) -> None:
    [request] = planned(one(), schedule=given).requests()
    assert request["message_globals"] == {"schedule_time": wanted}
    [request] = planned(one(when=given), schedule=col("when")).requests()
    assert request["message_globals"] == {"schedule_time": wanted}


def test_a_schedule_reaches_d7(sandbox: d7nb.Sandbox, people: pd.DataFrame) -> None:
    plan = planned(people, schedule="2099-12-01T09:00:30+04:00")
    with sandbox.client() as client:
        assert plan.send(client, progress=False).summary["accepted"] == 3
    assert set(sandbox.messages["schedule_time"]) == {"2099-12-01T09:01+04:00"}


def test_without_a_schedule_there_are_no_globals() -> None:
    [request] = planned(one()).requests()
    assert request.keys() == {"messages"}


BAD_TIMES = {
    "no zone": ("2026-12-01T09:00", "no zone"),
    "naive": (datetime(2026, 12, 1, 9), "no zone"),  # noqa: DTZ001
    "past": ("2026-11-23T13:59+04:00", "2026-11-23T13:59+04:00 is past"),
    "now": (NOW, "is past"),
    "words": ("tomorrow", "not a time in ISO form"),
    "number": (1796115600, "not a time"),
    "beyond": ("9999-12-31T23:59:59+00:00", "the year is too large"),
}


@pytest.mark.parametrize(("given", "fault"), BAD_TIMES.values(), ids=list(BAD_TIMES))
def test_a_schedule_that_is_none_lets_nothing_go(given: Any, fault: str, people: pd.DataFrame) -> None:
    plan = planned(people, schedule=given)
    assert plan.summary == {"ready": 0, "invalid": 3, "held": 0, "skipped": 0}
    assert set(plan.rows["decided_by"]) == {"schedule"}
    assert plan.problems["code"].tolist() == ["bad_schedule"]
    assert fault in plan.problems.loc[0, "message"]
    assert list(plan.requests()) == []
    assert "every row: error: " in repr(plan)


@pytest.mark.parametrize(("given", "fault"), BAD_TIMES.values(), ids=list(BAD_TIMES))
def test_a_schedule_in_a_column_is_judged_row_by_row(given: Any, fault: str, people: pd.DataFrame) -> None:
    times = pd.Series(["2026-12-01T09:00+04:00", given, None], dtype="object")
    plan = planned(people.assign(when=times), schedule=col("when"))
    assert plan.rows["verdict"].tolist() == ["ready", "invalid", "ready"]
    assert fault in plan.rows.loc[1, "reason"]
    assert plan.problems[["row", "column", "field"]].values.tolist() == [[1, "when", "schedule_time"]]
    assert [request.get("message_globals") for request in plan.requests()] == [
        {"schedule_time": "2026-12-01T09:00+04:00"},
        None,
    ]


def test_a_missing_time_is_no_schedule() -> None:
    assert planned(one(), schedule=pd.NaT).summary["invalid"] == 1


def test_without_a_clock_of_one_s_own_the_schedule_is_held_against_now() -> None:
    now = datetime.now(timezone(timedelta(hours=4)))
    options = {"to": "phone", "originator": ORIGINATOR}
    before, after = (
        d7nb.plan(one(), Text("Hi"), schedule=now + timedelta(minutes=minutes), **options) for minutes in (-2, 2)
    )
    assert (before.summary["ready"], after.summary["ready"]) == (0, 1)


# The rest of the envelope


def test_a_report_url_stands_at_each_message(people: pd.DataFrame) -> None:
    [request] = planned(people, report_url="https://example.com/{name}").requests()
    assert [message["report_url"] for message in request["messages"]] == [
        "https://example.com/Ali",
        "https://example.com/Sara",
        "https://example.com/Žofie",
    ]
    with pytest.raises(ContentError, match="report_url: it is not an http or https address"):
        planned(people, report_url="ftp://example.com")


def test_a_country_reads_national_numbers() -> None:
    frame = pd.DataFrame({"phone": ["0491 570 006", "(202) 555-0123"], "name": "Ali", "where": ["AU", "US"]})
    assert planned(frame).summary["ready"] == 0
    assert sent(planned(frame, country="AU")) == [(THIRD, "Hi Ali")]
    assert sent(planned(frame, country=col("where"))) == [(THIRD, "Hi Ali"), (PERSON, "Hi Ali")]


def test_a_table_alone_can_be_a_mailing() -> None:
    frame = pd.DataFrame(
        {
            "recipient": [PERSON],
            "text.body": ["Hi Ali"],
            "originator": [ORIGINATOR],
            "report_url": ["https://example.com"],
            "schedule_time": ["2026-12-01T09:00+04:00"],
            "reference.cust_ref": ["17"],
        }
    )
    [request] = d7nb.plan(frame, clock=lambda: NOW).requests()
    [message] = request["messages"]
    assert request["message_globals"] == {"schedule_time": "2026-12-01T09:00+04:00"}
    assert message["originator"] == ORIGINATOR
    assert message["content"] == {"message_type": "TEXT", "text": {"body": "Hi Ali"}}
    assert message["report_url"] == "https://example.com"
    assert message["recipients"][0]["reference"]["cust_ref"] == "17"
    [request] = d7nb.plan(frame, originator="+12025550101", reference={}, schedule="2026-12-02T09:00Z").requests()
    assert request["message_globals"] == {"schedule_time": "2026-12-02T09:00+00:00"}
    assert request["messages"][0]["originator"] == "+12025550101"
    assert request["messages"][0]["recipients"][0]["reference"].keys() == {"message_tag5"}


def test_a_recipient_is_an_individual() -> None:
    [request] = planned(one(), key_in=None).requests()
    assert request == {
        "messages": [
            {
                "originator": ORIGINATOR,
                "content": {"message_type": "TEXT", "text": {"body": "Hi Ali"}},
                "recipients": [{"recipient_type": "individual", "recipient": PERSON}],
            }
        ]
    }


# What is shown

EVIL = "<script>alert(1)</script>"
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_a_plan_s_display_escapes_what_the_user_wrote() -> None:
    frame = pd.DataFrame({"phone": [EVIL, PERSON], EVIL: ["x", None]})
    plan = planned(frame, Text("{" + EVIL + "}"), campaign=EVIL)
    html = plan._repr_html_()
    assert "<script" not in html
    assert html.count(SAFE) >= 4  # campaign, content, a cell, a column's name
    assert f"campaign {EVIL}" in repr(plan)


def test_a_preview_escapes_what_the_messages_say() -> None:
    preview = planned(one().assign(name=EVIL)).preview()
    assert "<script" not in preview._repr_html_()
    assert SAFE in preview._repr_html_()
    assert preview.frame.loc[0, "text"] == f"Hi {EVIL}"


def test_no_display_of_a_plan_shows_a_whole_number() -> None:
    frame = pd.DataFrame({"phone": [PERSON, f"{OTHER} or so", THIRD], "name": ["Ali", "Sara", None], PERSON: "x"})
    kinds = by_column("name", {"Ali": Text(f"Call {PERSON}"), "Sara": Text("{" + PERSON + "}")})
    plan = planned(frame, kinds, campaign=f"to {PERSON}", country="US")
    for text in (repr(plan), plan._repr_html_(), repr(plan.preview()), plan.preview()._repr_html_()):
        for number in (PERSON, OTHER, THIRD):
            assert number.removeprefix("+") not in text
        assert "+120••••••23" in text
    assert plan.rows["recipient"].tolist()[0] == PERSON


def test_previews_show_numbers_when_the_user_asks_to_see_them() -> None:
    preview = planned(one(), Text(f"Call {OTHER}")).preview()
    assert preview.frame.loc[0, ["recipient", "text"]].tolist() == ["+120••••••23", "Call +120••••••24"]
    assert "numbers masked" in repr(preview)
    with d7nb.options.revealed():
        assert preview.frame.loc[0, ["recipient", "text"]].tolist() == [PERSON, f"Call {OTHER}"]
        assert "numbers masked" not in repr(preview)
    assert OTHER not in repr(preview)


def test_a_plan_shows_its_counts_and_the_first_problems() -> None:
    frame = pd.DataFrame({"phone": [PERSON, *["none"] * 7], "name": "Ali"})
    plan = planned(frame, campaign="balance-2026-11")
    lines = repr(plan).splitlines()
    assert lines[:2] == ["Plan of campaign balance-2026-11: 1 ready, 7 invalid", "  Text(body='Hi {name}')"]
    assert "  7 problems, the first 5 (for all: plan.problems):" in lines
    assert repr(plan).count("    row ") == 5
    assert "1 of 8 rows would be sent" in plan._repr_html_()


def test_the_preview_picks_the_strangest_rows() -> None:
    names = ["middling", "a", "ünïcode " * 9, "مرحبا", "party 🎉", "1.0", "same", "same"]
    phones = [f"+1202555{number:04}" for number in range(100, 108)]
    preview = planned(pd.DataFrame({"phone": phones, "name": names})).preview(n=7)
    why = dict(zip(preview.frame["row"], preview.frame["why"], strict=True))
    assert why[2] == "longest"
    assert why[1] == "shortest"
    assert why[3] == "right to left"
    assert why[4] == "emoji"
    assert why[5] == "a number that looks like 1.0"
    assert why[6] == "the same for 2 rows"
    assert why[0] == "one of the first"
    assert len(why) == 7
    assert planned(pd.DataFrame({"phone": phones, "name": names})).preview(n=2).frame.shape[0] == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"filters": 5}, "filters= takes filters"),
        ({"reference": "x"}, "reference= takes a dict"),
        ({"filters": None}, "filters= takes filters"),
    ],
)
def test_options_that_make_no_sense_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        planned(one(), **options)


def test_a_send_without_a_client_is_told() -> None:
    with pytest.raises(PlanError, match=r"send\(\) needs a client"):
        planned(one()).send(None)


def test_an_object_is_no_text() -> None:
    with pytest.raises(PlanError, match="not a text, a number or a date"):
        Text(planned)
