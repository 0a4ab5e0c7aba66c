"""What becomes of a leaf: what is not set is not in the JSON, and every kind of scalar is read for what it means."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import d7nb
from d7nb import (
    AddressMessage,
    Attachment,
    Contact,
    Contacts,
    Flow,
    Header,
    ListMessage,
    Location,
    Reaction,
    ReplyButtons,
    Template,
    Text,
    col,
)
from tests.support import plans
from tests.support.plans import LINK, NOTHING, ORIGINATOR, PHONES

if TYPE_CHECKING:
    from d7nb.content import Content


def rendered(content: Content, **columns: Any) -> list[dict[str, Any]]:
    """Each row's own object, in the order of the rows; there must be no problem."""
    count = max((len(column) for column in columns.values()), default=1)
    frame = pd.DataFrame({"phone": PHONES[:count], **columns})
    plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
    assert plan.problems.empty, plan.problems[["column", "code", "message"]].to_string()
    return [without_type(content) for content in plans.contents_by_row(plan).values()]


def without_type(content: dict[str, Any]) -> dict[str, Any]:
    (own,) = (part for key, part in content.items() if key != "message_type")
    return own if isinstance(own, dict) else own[0]


def buttons(**parts: Any) -> ReplyButtons:
    return ReplyButtons("Which?", ["Yes"], **parts)


PLAIN_BUTTONS = {
    "type": "button",
    "body": {"text": "Which?"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "Yes", "title": "Yes"}}]},
}
NAME = {"formatted_name": "Sara", "first_name": "Sara"}
ROW = {"id": "Tea", "title": "Tea"}


def listed(section: dict[str, Any]) -> dict[str, Any]:
    return {"type": "list", "body": {"text": "Which?"}, "action": {"button": "Open", "sections": [section]}}


def flowing(**parameters: Any) -> dict[str, Any]:
    known = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Go"}
    return {
        "type": "flow",
        "body": {"text": "Which?"},
        "action": {"name": "flow", "parameters": {**known, **parameters}},
    }


class Optional(NamedTuple):
    """A content with a leaf that may lack, a value for it, and D7's JSON without it."""

    name: str
    build: Callable[[Any], Content]
    value: Any
    without: dict[str, Any]


OPTIONAL = [
    Optional("preview_url", lambda x: Text("Hi", preview_url=x), "true", {"body": "Hi"}),
    Optional("caption", lambda x: Attachment("image", LINK, caption=x), "Hi", {"type": "image", "url": LINK}),
    Optional("filename", lambda x: Attachment("document", LINK, filename=x), "a", {"type": "document", "url": LINK}),
    Optional("place", lambda x: Location(1, 2, name=x, address=x), "Office", {"latitude": "1", "longitude": "2"}),
    Optional("birthday", lambda x: Contacts([Contact(name="Sara", birthday=x)]), "1990-02-28", {"name": NAME}),
    Optional("last_name", lambda x: Contacts([{"name": {**NAME, "last_name": x}}]), "Haddad", {"name": NAME}),
    Optional(
        "phone_type",
        lambda x: Contacts([Contact(name="Sara", phones=[{"phone": "+12025550142", "type": x}])]),
        "CELL",
        {"name": NAME, "phones": [{"phone": "+12025550142"}]},
    ),
    Optional(
        "part_of_org",
        lambda x: Contacts([Contact(name="Sara", org={"company": "Engines", "title": x})]),
        "Head",
        {"name": NAME, "org": {"company": "Engines"}},
    ),
    Optional("footer", lambda x: buttons(footer=x), "The shop", PLAIN_BUTTONS),
    Optional(
        "description",
        lambda x: ListMessage("Which?", "Open", [{"rows": [{**ROW, "description": x}]}]),
        "Black",
        listed({"rows": [ROW]}),
    ),
    Optional(
        "section_title",
        lambda x: ListMessage("Which?", "Open", [{"title": x, "rows": ["Tea"]}]),
        "Hot",
        listed({"rows": [ROW]}),
    ),
    Optional("flow_token", lambda x: Flow("Which?", "1", "Go", flow_token=x), "t-17", flowing()),
    Optional("flow_action", lambda x: Flow("Which?", "1", "Go", flow_action=x), "navigate", flowing()),
    Optional(
        "flow_payload",
        lambda x: Flow("Which?", "1", "Go", flow_action_payload={"screen": "A", "data": {"x": x, "y": 1}}),
        "17",
        flowing(flow_action_payload={"screen": "A", "data": {"y": 1}}),
    ),
    Optional(
        "object_in_a_free_list",
        lambda x: Flow("Which?", "1", "Go", flow_action_payload={"seats": [{"row": x}, {"row": "2"}]}),
        "1",
        flowing(flow_action_payload={"seats": [{}, {"row": "2"}]}),
    ),
    Optional(
        "address_values",
        lambda x: AddressMessage("Which?", "IN", values={"name": "Sara", "city": x}),
        "Mumbai",
        {
            "type": "address_message",
            "body": {"text": "Which?"},
            "action": {"parameters": {"country": "IN", "values": {"name": "Sara"}}},
        },
    ),
]
CARRIED = [
    Optional(
        "whole_flow_payload",
        lambda x: Flow("Which?", "1", "Go", flow_action_payload={"screen": x}),
        "START",
        flowing(),
    ),
    Optional("org", lambda x: Contacts([Contact(name="Sara", org={"company": x})]), "Engines", {"name": NAME}),
    Optional("address", lambda x: Contacts([Contact(name="Sara", addresses=[{"city": x}])]), "Leeds", {"name": NAME}),
    Optional(
        "one_phone_of_two",
        lambda x: Contacts([Contact(name="Sara", phones=[{"phone": x, "type": "WORK"}, "+12025550143"])]),
        "+12025550142",
        {"name": NAME, "phones": [{"phone": "+12025550143"}]},
    ),
    Optional(
        "all_of_a_contact_but_the_name",
        lambda x: Contacts([Contact(name="Sara", phones=[x], emails=[{"email": x, "type": "HOME"}])]),
        "x@example.com",
        {"name": NAME},
    ),
    Optional("link", lambda x: Contacts([Contact(name="Sara", urls=[x])]), LINK, {"name": NAME}),
    Optional("text_header", lambda x: buttons(header=x), "Order 17", PLAIN_BUTTONS),
    Optional("image_header", lambda x: buttons(header=Header("image", x)), LINK, PLAIN_BUTTONS),
    Optional("document_header", lambda x: buttons(header=Header("document", x, filename="a.pdf")), LINK, PLAIN_BUTTONS),
]


@pytest.mark.parametrize("case", OPTIONAL, ids=lambda case: case.name)
def test_a_literal_that_is_nothing_is_not_in_the_json(case: Optional) -> None:
    for nothing in (None, "  ", float("nan"), pd.NA, pd.NaT):
        assert rendered(case.build(nothing)) == [case.without]


def test_an_empty_text_is_a_value_only_where_it_says_something() -> None:
    assert rendered(Attachment("image", LINK, caption="")) == [{"type": "image", "url": LINK}]
    assert rendered(Reaction("17", "")) == [{"message_id": "17", "emoji": ""}]  # takes a reaction back
    payload = {"screen": "A", "data": {"x": ""}}
    assert rendered(Flow("Which?", "1", "Go", flow_action_payload=payload)) == [flowing(flow_action_payload=payload)]


@pytest.mark.parametrize("case", OPTIONAL + CARRIED, ids=lambda case: case.name)
def test_where_an_optional_cell_is_empty_nothing_of_it_is_in_the_json(case: Optional) -> None:
    """Least of all a null, or the rest of a header or a phone that lost what it was about."""
    filled, empty = rendered(case.build(col("x")), x=[case.value, None])
    assert empty == case.without
    assert filled != case.without


def test_every_kind_of_nothing_is_nothing() -> None:
    nothing = pd.Series(NOTHING, dtype="object")
    content = Attachment("image", LINK, caption=col("caption"))
    assert rendered(content, caption=nothing) == [{"type": "image", "url": LINK}] * len(nothing)


def test_a_customer_may_be_called_na_or_null() -> None:
    frame = pd.DataFrame({"phone": PHONES[:2], "name": ["NA", "Null"]})
    plan = d7nb.plan(frame, Text("Hi {name}"), to="phone", originator=ORIGINATOR)
    assert plan.summary["ready"] == 2


def test_lists_that_are_empty_are_not_in_the_json() -> None:
    card = Contact(name="Sara", phones=[], emails=(), urls=[], addresses=[])
    assert rendered(Contacts([card])) == [{"name": NAME}]
    assert rendered(Template("a", "en", quick_replies=[], actions=[])) == [{"template_id": "a", "language": "en"}]


DATE, TIME = dt.date(2026, 11, 30), dt.datetime(2026, 11, 30, 9, 30)  # noqa: DTZ001  (naive, as cells are)
SHOWN: list[tuple[str, Any, str]] = [
    *((dtype, 17, "17") for dtype in ("int64", "int8", "uint64", "Int64", "int64[pyarrow]", "category")),
    *((dtype, 0.1, "0.1") for dtype in ("float64", "float32", "Float64", "Float32", "Sparse[float]")),
    *((dtype, 0.1, "0.1") for dtype in ("float[pyarrow]", "double[pyarrow]")),
    *((dtype, True, "True") for dtype in ("bool", "boolean", "bool[pyarrow]")),
    *((dtype, "Žofie", "Žofie") for dtype in ("str", "object", "string", "category", "large_string[pyarrow]")),
    ("date32[pyarrow]", DATE, "2026-11-30"),
    ("datetime64[ns]", DATE, "2026-11-30"),
    ("datetime64[ns]", TIME, "2026-11-30 09:30:00"),
    ("timestamp[ns][pyarrow]", TIME, "2026-11-30 09:30:00"),
    ("datetime64[ns, UTC]", DATE, "2026-11-30 00:00:00+00:00"),
    ("period[M]", "2026-11", "2026-11"),
    ("object", np.int64(17), "17"),
    ("object", np.float32(0.1), "0.1"),
    ("object", np.bool_(True), "True"),
    ("object", np.str_("Sara"), "Sara"),
    ("object", np.datetime64("2026-11-30", "ns"), "2026-11-30"),
    ("object", np.datetime64("2026-11-30T09:30", "m"), "2026-11-30 09:30:00"),
    ("object", Decimal("1.50"), "1.50"),
    ("object", 10**30, "1" + "0" * 30),
    ("object", dt.time(9, 30), "09:30:00"),
    ("object", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
]


@pytest.mark.parametrize(("dtype", "cell", "shown"), SHOWN)
def test_cells_of_every_dtype_are_shown_as_a_person_writes_them(dtype: str, cell: Any, shown: str) -> None:
    can_lack = dtype not in {"bool", "int8", "int64", "uint64"}
    column = pd.Series([cell, None] if can_lack else [cell], dtype=dtype)
    frame = pd.DataFrame({"phone": PHONES[: len(column)], "x": column})
    plan = d7nb.plan(frame, Attachment("document", LINK, col("x"), "{x}.pdf"), to="phone", originator=ORIGINATOR)
    (message,) = (message for body in plan.requests() for message in body["messages"])
    attachment = {"type": "document", "url": LINK, "caption": shown, "filename": f"{shown}.pdf"}
    assert message["content"] == {"message_type": "ATTACHMENT", "attachment": attachment}
    assert plan.problems["code"].tolist() == ["missing"] * (len(column) - 1)


READ: list[tuple[Callable[[Any], Content], list[Any], dict[str, Any]]] = [
    (
        lambda x: Text("Hi", preview_url=x),
        [True, np.bool_(True), 1, 1.0, "true", "YES ", "1"],
        {"body": "Hi", "preview_url": True},
    ),
    (
        lambda x: Text("Hi", preview_url=x),
        [False, np.bool_(False), 0, 0.0, " False", "no"],
        {"body": "Hi", "preview_url": False},
    ),
    (
        lambda x: Location(x, x),
        [25.5, np.float64(25.5), np.float32(25.5), Decimal("25.5"), "25.5", " 25.5 ", "2.55e1"],
        {"latitude": "25.5", "longitude": "25.5"},
    ),
    (lambda x: Location(x, x), [25, 25.0, np.int64(25), "25"], {"latitude": "25", "longitude": "25"}),
    (lambda x: Location(x, x), [1e-7, "0.0000001"], {"latitude": "0.0000001", "longitude": "0.0000001"}),
    (
        lambda x: Contacts([Contact(name="Sara", birthday=x)]),
        ["2026-11-30", DATE, TIME, pd.Timestamp(TIME), np.datetime64("2026-11-30"), np.datetime64("2026-11-30", "ns")],
        {"name": NAME, "birthday": "2026-11-30"},
    ),
    (
        lambda x: Contacts([Contact(name="Sara", phones=[x])]),
        [12025550142, 12025550142.0, np.int64(12025550142), "12025550142"],
        {"name": NAME, "phones": [{"phone": "12025550142"}]},
    ),
    (
        lambda x: Template("a", "en", limited_time_offer=x),
        [
            TIME.replace(tzinfo=dt.UTC),
            pd.Timestamp(TIME, tz="Asia/Dubai") + pd.Timedelta(hours=4),
            1_796_031_000_000,
            1_796_031_000_000.0,
            np.int64(1_796_031_000_000),
            "1796031000000",
        ],
        {"template_id": "a", "language": "en", "limited_time_offer": {"expiration_time_ms": 1_796_031_000_000}},
    ),
    (
        lambda x: Flow("Which?", "1", "Go", flow_action_payload={"n": x}),
        [2, np.int64(2), np.uint8(2)],
        flowing(flow_action_payload={"n": 2}),
    ),
    (
        lambda x: Flow("Which?", "1", "Go", flow_action_payload={"n": x}),
        [DATE, "2026-11-30", np.str_("2026-11-30")],
        flowing(flow_action_payload={"n": "2026-11-30"}),
    ),
]


@pytest.mark.parametrize(("build", "values", "expected"), READ)
def test_scalars_of_every_kind_mean_the_same_literally_and_in_a_cell(
    build: Callable[[Any], Content], values: list[Any], expected: dict[str, Any]
) -> None:
    assert rendered(build(col("x")), x=pd.Series(values, dtype="object")) == [expected] * len(values)
    assert [rendered(build(value)) for value in values] == [[expected]] * len(values)


def test_rows_of_one_content_may_have_different_shapes() -> None:
    content = Attachment(col("type"), col("url"), caption=col("caption"), filename=col("filename"))
    rows = [
        {"type": "image", "url": LINK, "caption": "Shop"},
        {"type": "document", "url": LINK, "filename": "a.pdf"},
    ]
    table = pd.DataFrame(rows)
    assert rendered(content, **{str(name): table[name] for name in table}) == rows
