"""d7nb and the sandbox each read D7's documentation by themselves: what d7nb lets go, the sandbox takes in."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings, strategies as st

from d7nb import (
    AddressMessage,
    Attachment,
    Contacts,
    CtaUrl,
    Flow,
    ListMessage,
    Location,
    LocationRequest,
    Reaction,
    ReplyButtons,
    Template,
    Text,
    col,
)
from d7nb.errors import ContentError
from d7nb.sandbox.schema.request import RequestReader
from tests.support.plans import LINK, plan_of

WORDS = st.sampled_from([*"abcdefgh", "Yes", "No", "é", "x" * 20])
LONG = st.sampled_from(["x" * 21, "x" * 24, "x" * 60, "x" * 61, "x" * 1024, "x" * 4097])
ODD = st.sampled_from(["", " ", "\n", "👍", "{{}}", "nan", None, 0, 1.5, True, "a  b", "\u200b", "1️⃣", "©"])
TEXTS = st.one_of(*[WORDS] * 8, LONG, ODD)
GOOD_URLS = [
    LINK,
    "HTTP://EXAMPLE.COM",
    "https://例え.jp/?q=é#x",
    "https://user@a.com:8443/a",
    "https://[::1]/",
    "http://a?b",
]
BAD_URLS = [
    "https:///a",
    "https://a:99999",
    "https://a\u00a0b",
    "https://a/\u2028",
    "ftp://a",
    "a.png",
    "https://",
    "//a",
    None,
]
URLS = st.one_of(*[st.sampled_from(GOOD_URLS)] * 4, st.sampled_from(BAD_URLS))
NUMBERS = st.sampled_from(
    [0, 9, -90, 90.0000001, 180, 181, 1e-9, "25.5", "+1", "1e1", "1,5", " 1 ", "", True, None, 2**60]
)
PLACES = st.sampled_from(["0", "1", "2", 0, 1, "first", "-1", 1.5, None, "٣"])


def parts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def few(part: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    """A list, nearly always of one or more."""
    return st.one_of(*[st.lists(part, min_size=1, max_size=most)] * 9, st.just([]))


def full(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """All of these fields."""
    return st.fixed_dictionaries(fields)


KINDS = st.sampled_from(["text", "image", "video", "document", "document", "audio", "location", "sticker", "gif", None])
HEADER = st.one_of(st.none(), st.none(), TEXTS, full(type=KINDS, link=URLS, filename=TEXTS, text=TEXTS))
FRAME = {"header": HEADER, "footer": TEXTS}
PHONE = st.one_of(TEXTS, parts(phone=TEXTS, type=st.sampled_from(["CELL", "cell", None]), wa_id=TEXTS))
NAME = st.one_of(TEXTS, full(formatted_name=TEXTS, first_name=TEXTS, prefix=TEXTS))
CARD = full(
    name=NAME,
    phones=few(PHONE, 2),
    urls=few(URLS, 2),
    addresses=few(parts(city=TEXTS, country_code=st.sampled_from(["GB", "gb", "GBR", "", None]), type=TEXTS), 2),
    org=st.one_of(TEXTS, parts(company=TEXTS, title=TEXTS)),
    birthday=st.sampled_from(["1990-02-28", "1990-02-30", "19900228", "1990-W01-1", None]),
)
ROW = st.one_of(TEXTS, full(id=TEXTS, title=TEXTS, description=TEXTS))
FREE = st.recursive(
    st.one_of(TEXTS, NUMBERS), lambda inner: st.one_of(few(inner, 2), st.dictionaries(WORDS, inner, max_size=2))
)
MEDIA = parts(
    media_type=KINDS,
    media_url=URLS,
    text_header_title=TEXTS,
    location=parts(latitude=NUMBERS, longitude=NUMBERS, name=TEXTS),
)
COMPONENT = st.sampled_from([{"type": "body", "parameters": [{"type": "text", "text": "a"}]}])
TYPES: list[tuple[type[Any], dict[str, st.SearchStrategy[Any]], dict[str, st.SearchStrategy[Any]]]] = [
    (Text, {"body": TEXTS}, {"preview_url": ODD}),
    (Reaction, {"message_id": TEXTS, "emoji": TEXTS}, {}),
    (Attachment, {"type": KINDS, "url": URLS}, {"caption": TEXTS, "filename": TEXTS}),
    (Location, {"latitude": NUMBERS, "longitude": NUMBERS}, {"name": TEXTS, "address": TEXTS}),
    (Contacts, {"contacts": few(CARD, 2)}, {}),
    (ReplyButtons, {"body": TEXTS, "buttons": few(st.one_of(TEXTS, full(id=TEXTS, title=TEXTS)))}, FRAME),
    (
        ListMessage,
        {"body": TEXTS, "button": TEXTS, "sections": few(full(title=TEXTS, rows=few(ROW, 2)), 2)},
        FRAME,
    ),
    (CtaUrl, {"body": TEXTS, "display_text": TEXTS, "url": URLS}, FRAME),
    (LocationRequest, {"body": TEXTS}, {}),
    (
        AddressMessage,
        {"body": TEXTS, "country": st.sampled_from(["IN", "in", "AE", "India", "", None])},
        {
            "values": st.dictionaries(WORDS, TEXTS, max_size=2),
            "saved_addresses": few(parts(id=TEXTS, value=st.dictionaries(WORDS, TEXTS, max_size=2)), 2),
            **FRAME,
        },
    ),
    (
        Flow,
        {"body": TEXTS, "flow_id": TEXTS, "flow_cta": TEXTS},
        {
            "flow_token": TEXTS,
            "flow_message_version": TEXTS,
            "flow_action": st.sampled_from(["navigate", "other", None]),
            "flow_action_payload": st.dictionaries(WORDS, FREE, max_size=2),
            **FRAME,
        },
    ),
    (
        Template,
        {"template_id": TEXTS, "language": TEXTS},
        {
            "body_parameters": st.one_of(few(TEXTS), st.dictionaries(PLACES, TEXTS, max_size=2)),
            "media": MEDIA,
            "limited_time_offer": st.sampled_from([1_796_029_200_000, "1796029200000", 17, None]),
            "quick_replies": few(st.one_of(TEXTS, parts(button_index=PLACES, button_payload=TEXTS)), 2),
            "actions": few(st.one_of(TEXTS, parts(action_index=PLACES, action_payload=TEXTS, action_type=TEXTS)), 2),
            "coupon_code": st.one_of(TEXTS, few(parts(index=PLACES, coupon_code=TEXTS, type=TEXTS), 2)),
            "button_flow": few(parts(index=PLACES, flow_token=TEXTS, flow_action_data=st.just({})), 2),
            "carousel": parts(cards=few(parts(card_index=PLACES, components=few(COMPONENT, 1)), 2)),
        },
    ),
]


@st.composite
def contents(draw: st.DrawFn, *, bound: bool) -> tuple[Any, dict[str, Any]]:
    """A content, or the fault of making one, with its leaves literal or in columns."""
    kind, required, optional = draw(st.sampled_from(TYPES))
    given = draw(st.fixed_dictionaries(required, optional=optional))
    row: dict[str, Any] = {}

    def in_column(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: in_column(child) for key, child in node.items()}
        if isinstance(node, list):
            return [in_column(child) for child in node]
        row[f"c{len(row)}"] = node
        return col(f"c{len(row) - 1}")

    try:
        return kind(**(in_column(given) if bound else given)), row
    except ContentError as error:
        return error, row


def refusals(content: Any, row: dict[str, Any]) -> list[Any]:
    """What the sandbox has against the requests of a plan."""
    answers = [RequestReader().parse(orjson.dumps(body)) for body in plan_of(row, content=content).requests()]
    return [answer for answer in answers if isinstance(answer, list)]


@settings(deadline=None, max_examples=100)
@given(contents(bound=False))
def test_a_literal_content_that_can_be_made_is_taken_in(drawn: tuple[Any, dict[str, Any]]) -> None:
    content, row = drawn
    if not isinstance(content, ContentError):
        assert refusals(content, row) == []


@settings(deadline=None, max_examples=100)
@given(contents(bound=True))
def test_a_row_that_is_ready_is_taken_in(drawn: tuple[Any, dict[str, Any]]) -> None:
    content, row = drawn
    if not isinstance(content, ContentError):
        assert refusals(content, row) == []
