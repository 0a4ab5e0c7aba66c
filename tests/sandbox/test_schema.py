"""The send requests that the sandbox accepts and refuses: fields, limits, and variants on which D7's pages disagree."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import requests
from direct7.whatsapp import WHATSAPP  # type: ignore[import-untyped]
from hypothesis import given, settings, strategies as st

from d7nb.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDER = "+12025550100"
PERSON = "+12025550123"
IMAGE = "https://example.com/a.png"

# One complete content of each kind, with every documented field.
GOOD: dict[str, dict[str, Any]] = {
    "text": {"message_type": "TEXT", "text": {"body": "Hello *there*", "preview_url": True}},
    "reaction": {
        "message_type": "REACTION",
        "reaction": {"message_id": "5a4b1c2e-8d6f-11ee-9a3b-0242ac130002", "emoji": "👍"},
    },
    "attachment": {
        "message_type": "ATTACHMENT",
        "attachment": {"type": "document", "url": "http://example.com/a.pdf", "caption": "Bill", "filename": "a.pdf"},
    },
    "location": {
        "message_type": "LOCATION",
        "location": {"latitude": "25.2", "longitude": "-55.27", "name": "Office", "address": "Dubai"},
    },
    "contacts": {
        "message_type": "CONTACTS",
        "contacts": [
            {
                "name": {"formatted_name": "Ada L.", "first_name": "Ada", "last_name": "L."},
                "addresses": [{"street": "1 High St", "city": "Leeds", "country_code": "GB", "type": "HOME"}],
                "birthday": "1990-02-28",
                "emails": [{"email": "ada@example.com", "type": "WORK"}],
                "org": {"company": "Engines", "department": "R&D", "title": "Dr"},
                "phones": [{"phone": "+12025550142", "type": "CELL", "wa_id": "12025550142"}],
                "urls": [{"url": "https://example.com", "type": "WORK"}],
            }
        ],
    },
    "button": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "button",
            "header": {"type": "text", "text": "Order"},
            "body": {"text": "Keep it?"},
            "footer": {"text": "Shop"},
            "action": {
                "buttons": [
                    {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
                    {"type": "reply", "reply": {"id": "n", "title": "No"}},
                ]
            },
        },
    },
    "list": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "list",
            "header": {"type": "text", "text": "Menu"},
            "body": {"text": "Choose"},
            "footer": {"text": "Today"},
            "action": {
                "button": "Open",
                "sections": [
                    {"title": "Hot", "rows": [{"id": "1", "title": "Tea", "description": "Black"}]},
                    {"title": "Cold", "rows": [{"id": "2", "title": "Water"}]},
                ],
            },
        },
    },
    "cta_url": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "cta_url",
            "header": {"type": "image", "image": {"link": IMAGE}},
            "body": {"text": "Look"},
            "footer": {"text": "Shop"},
            "action": {"parameters": {"display_text": "Open", "url": "https://example.com/x?y=1"}},
        },
    },
    "location_request": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "location_request_message",
            "body": {"text": "Where are you?"},
            "action": {"name": "send_location"},
        },
    },
    "address": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "address_message",
            "body": {"text": "Where to?"},
            "action": {
                "parameters": {
                    "country": "IN",
                    "values": {"name": "Ada", "in_pin_code": "400063"},
                    "saved_addresses": [{"id": "home", "value": {"name": "Ada", "city": "Mumbai"}}],
                }
            },
        },
    },
    "flow": {
        "message_type": "INTERACTIVE",
        "interactive": {
            "type": "flow",
            "body": {"text": "Book"},
            "action": {
                "name": "flow",
                "parameters": {
                    "flow_message_version": "3",
                    "flow_token": "t",
                    "flow_id": "1",
                    "flow_cta": "Book now",
                    "flow_action": "navigate",
                    "flow_action_payload": {"screen": "FIRST", "data": {"seen": None}},
                },
            },
        },
    },
    "template": {
        "message_type": "TEMPLATE",
        "preview_url": True,
        "template": {
            "template_id": "offer",
            "language": "en_GB",
            "body_parameter_values": {"0": "Ada", "1": "10"},
            "media": {"media_type": "image", "media_url": IMAGE},
            "limited_time_offer": {"expiration_time_ms": 1764000000000},
            "buttons": {
                "quick_replies": [{"button_index": "0", "button_payload": "yes"}],
                "actions": [{"action_type": "url", "action_index": "1", "action_payload": "x"}],
                "coupon_code": [{"index": 2, "type": "copy_code", "coupon_code": "SAVE"}],
                "button_flow": [{"flow_token": "unused", "action_type": "flow", "index": "3", "flow_action_data": {}}],
            },
        },
    },
    "carousel": {
        "message_type": "TEMPLATE",
        "template": {
            "template_id": "cards",
            "language": "en",
            "carousel": {
                "cards": [
                    {
                        "card_index": "0",
                        "components": [
                            {"type": "header", "parameters": [{"type": "image", "image": {"link": IMAGE}}]},
                            {
                                "type": "button",
                                "sub_type": "quick_reply",
                                "index": "0",
                                "parameters": [{"type": "payload", "payload": "p"}],
                            },
                        ],
                    }
                ]
            },
        },
    },
}


@pytest.fixture(scope="module")
def strict() -> Iterator[Sandbox]:
    with Sandbox(extra_types=["POLL"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def lenient() -> Iterator[Sandbox]:
    with Sandbox(lenient=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer sandbox"
        yield session


def body_of(content: Any, **message: Any) -> dict[str, Any]:
    return {"messages": [{"originator": SENDER, "content": content, "recipients": [{"recipient": PERSON}], **message}]}


def changed(content: Any, path: str, value: Any = ...) -> Any:
    """A copy with another value at a dotted path, or (`...`) with none."""
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]
    root = copy.deepcopy(content)
    part = root
    for step in steps[:-1]:
        part = part[step]
    if value is ...:
        del part[steps[-1]]
    else:
        part[steps[-1]] = value
    return root


def loc_of(path: str) -> list[int | str]:
    return ["body", *(int(step) if step.isdigit() else step for step in path.split("."))]


class Post:
    """A send of one body to an empty sandbox: its status, its answer and the accepted messages."""

    def __init__(self, sandbox: Sandbox, session: requests.Session, body: Any) -> None:
        sandbox.reset()
        reply = session.post(f"{sandbox.url}/whatsapp/v2/send", json=body, timeout=10)
        self.status, self.answer = reply.status_code, reply.json()
        self.accepted = sandbox.messages

    @property
    def locs(self) -> list[list[int | str]]:
        assert self.status == 422
        assert all(item.keys() == {"loc", "msg", "type"} for item in self.answer["detail"])
        assert self.accepted.empty
        return [item["loc"] for item in self.answer["detail"]]

    @property
    def row(self) -> Any:
        assert self.status == 200, self.answer
        assert len(self.accepted) == 1
        return self.accepted.iloc[0]


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_is_taken_in_as_it_was_sent(kind: str, strict: Sandbox, session: requests.Session) -> None:
    row = Post(strict, session, body_of(GOOD[kind])).row
    assert row.content == GOOD[kind]
    assert row.message_type == GOOD[kind]["message_type"]
    assert row.warnings == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("text", "message_type"),
        ("text", "text"),
        ("text", "text.body"),
        ("reaction", "reaction.message_id"),
        ("reaction", "reaction.emoji"),
        ("attachment", "attachment.type"),
        ("attachment", "attachment.url"),
        ("location", "location.latitude"),
        ("location", "location.longitude"),
        ("contacts", "contacts.0.name"),
        ("contacts", "contacts.0.name.formatted_name"),
        ("button", "interactive.type"),
        ("button", "interactive.header.type"),
        ("button", "interactive.header.text"),
        ("button", "interactive.body"),
        ("button", "interactive.body.text"),
        ("button", "interactive.action"),
        ("button", "interactive.action.buttons"),
        ("button", "interactive.action.buttons.1.type"),
        ("button", "interactive.action.buttons.1.reply.id"),
        ("button", "interactive.action.buttons.1.reply.title"),
        ("list", "interactive.action.button"),
        ("list", "interactive.action.sections.1.rows"),
        ("list", "interactive.action.sections.1.rows.0.id"),
        ("list", "interactive.action.sections.1.rows.0.title"),
        ("cta_url", "interactive.header.image.link"),
        ("cta_url", "interactive.action.parameters.display_text"),
        ("cta_url", "interactive.action.parameters.url"),
        ("location_request", "interactive.action.name"),
        ("address", "interactive.action.parameters.country"),
        ("flow", "interactive.action.name"),
        ("flow", "interactive.action.parameters.flow_id"),
        ("flow", "interactive.action.parameters.flow_cta"),
        ("flow", "interactive.action.parameters.flow_message_version"),
        ("template", "template.template_id"),
        ("template", "template.language"),
        ("template", "template.media.media_type"),
        ("template", "template.media.media_url"),
        ("template", "template.limited_time_offer.expiration_time_ms"),
        ("template", "template.buttons.coupon_code.0.coupon_code"),
        ("carousel", "template.carousel.cards.0.components"),
    ],
)
def test_a_required_part_is_missed_at_its_place(
    kind: str, path: str, strict: Sandbox, session: requests.Session
) -> None:
    post = Post(strict, session, body_of(changed(GOOD[kind], path)))
    assert post.locs == [loc_of(f"messages.0.content.{path}")]
    assert post.answer["detail"][0]["type"] == "missing"


@pytest.mark.parametrize(
    ("kind", "path", "most"),
    [
        ("text", "text.body", 4096),
        ("attachment", "attachment.caption", 1024),
        ("button", "interactive.header.text", 60),
        ("button", "interactive.body.text", 1024),
        ("button", "interactive.footer.text", 60),
        ("button", "interactive.action.buttons.0.reply.id", 256),
        ("button", "interactive.action.buttons.0.reply.title", 20),
        ("list", "interactive.header.text", 60),
        ("list", "interactive.body.text", 1024),
        ("list", "interactive.action.button", 20),
        ("list", "interactive.action.sections.0.title", 24),
        ("list", "interactive.action.sections.0.rows.0.id", 200),
        ("list", "interactive.action.sections.0.rows.0.title", 24),
        ("list", "interactive.action.sections.0.rows.0.description", 72),
        ("cta_url", "interactive.action.parameters.display_text", 20),
        ("location_request", "interactive.body.text", 1024),
        ("address", "interactive.body.text", 1024),
        ("flow", "interactive.action.parameters.flow_cta", 20),
    ],
)
def test_a_text_may_be_so_long_and_no_longer(
    kind: str, path: str, most: int, strict: Sandbox, session: requests.Session
) -> None:
    assert Post(strict, session, body_of(changed(GOOD[kind], path, "é" * most))).status == 200
    too_long = Post(strict, session, body_of(changed(GOOD[kind], path, "é" * (most + 1))))
    assert too_long.locs == [loc_of(f"messages.0.content.{path}")]


def button(number: int) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": str(number), "title": f"Choice {number}"}}


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "title": f"Choice {number}"} for number in numbers]


CARD = GOOD["carousel"]["template"]["carousel"]["cards"][0]


@pytest.mark.parametrize(
    ("kind", "path", "value", "where"),
    [
        ("text", "message_type", "SMS", "message_type"),
        ("text", "message_type", 3, "message_type"),
        ("text", "text", "Hello", "text"),
        ("text", "text.body", "", "text.body"),
        ("text", "text.body", 3, "text.body"),
        ("text", "text.preview_url", "true", "text.preview_url"),
        ("reaction", "reaction.message_id", "", "reaction.message_id"),
        ("attachment", "attachment.type", "Image", "attachment.type"),
        ("attachment", "attachment.url", "ftp://example.com/a", "attachment.url"),
        ("attachment", "attachment.url", "example.com/a", "attachment.url"),
        ("attachment", "attachment.url", "https:///a", "attachment.url"),
        ("attachment", "attachment.url", "https://example.com/a b", "attachment.url"),
        ("location", "location.latitude", "90.1", "location.latitude"),
        ("location", "location.latitude", -90.1, "location.latitude"),
        ("location", "location.longitude", 180.1, "location.longitude"),
        ("location", "location.latitude", "1e1", "location.latitude"),
        ("location", "location.latitude", "25,2", "location.latitude"),
        ("location", "location.latitude", "nan", "location.latitude"),
        ("location", "location.latitude", "", "location.latitude"),
        ("location", "location.latitude", True, "location.latitude"),
        ("contacts", "contacts", [], "contacts"),
        ("contacts", "contacts", [{"name": {"formatted_name": "A", "first_name": "A"}}] * 258, "contacts"),
        ("contacts", "contacts.0.name", {"formatted_name": "Ada"}, "contacts.0.name"),
        ("contacts", "contacts.0.birthday", "28.02.1990", "contacts.0.birthday"),
        ("contacts", "contacts.0.birthday", "1990-02-30", "contacts.0.birthday"),
        ("contacts", "contacts.0.addresses.0.country_code", "GBR", "contacts.0.addresses.0.country_code"),
        ("contacts", "contacts.0.addresses.0.type", "home", "contacts.0.addresses.0.type"),
        ("contacts", "contacts.0.emails.0.type", "CELL", "contacts.0.emails.0.type"),
        ("contacts", "contacts.0.phones.0.type", "PAGER", "contacts.0.phones.0.type"),
        ("button", "interactive.type", "buttons", "interactive.type"),
        ("button", "interactive.type", None, "interactive.type"),
        ("button", "interactive.header", {"type": "audio"}, "interactive.header.type"),
        ("button", "interactive.header", {"type": "video", "video": {"link": "x"}}, "interactive.header.video.link"),
        ("button", "interactive.action.buttons", [], "interactive.action.buttons"),
        ("button", "interactive.action.buttons", [button(n) for n in range(4)], "interactive.action.buttons"),
        ("button", "interactive.action.buttons.0.type", "url", "interactive.action.buttons.0.type"),
        ("button", "interactive.action.buttons.0.reply.id", "n", "interactive.action.buttons"),
        ("button", "interactive.action.buttons.0.reply.title", "No", "interactive.action.buttons"),
        ("list", "interactive.action.sections", [], "interactive.action.sections"),
        ("list", "interactive.action.sections.0.rows", [], "interactive.action.sections.0.rows"),
        ("list", "interactive.action.sections.0.rows", rows(*range(10, 20)), "interactive.action.sections"),
        ("list", "interactive.action.sections.0.rows.0.id", "2", "interactive.action.sections"),
        ("list", "interactive.action.sections.0.rows.0.title", "Water", "interactive.action.sections"),
        ("list", "interactive.action.sections.0.title", "", "interactive.action.sections"),
        (
            "list",
            "interactive.action.sections",
            [{"title": str(n), "rows": rows(n)} for n in range(11)],
            "interactive.action.sections",
        ),
        ("cta_url", "interactive.action.parameters.url", "mailto:a@example.com", "interactive.action.parameters.url"),
        ("location_request", "interactive.action.name", "send", "interactive.action.name"),
        ("location_request", "interactive.footer", {"text": "x"}, "interactive.footer"),
        ("location_request", "interactive.header", {"type": "text", "text": "x"}, "interactive.header"),
        ("address", "interactive.action.parameters.country", "India", "interactive.action.parameters.country"),
        ("flow", "interactive.action.parameters.flow_cta", "Book 🎉", "interactive.action.parameters.flow_cta"),
        ("template", "template.language", {"code": "en"}, "template.language"),
        ("template", "template.body_parameter_values", ["Ada"], "template.body_parameter_values"),
        ("template", "template.body_parameter_values", {"0": "a", "2": "b"}, "template.body_parameter_values"),
        ("template", "template.body_parameter_values", {"name": "a"}, "template.body_parameter_values"),
        ("template", "template.body_parameter_values", {"0": 3}, "template.body_parameter_values.0"),
        ("template", "template.media.media_type", "sticker", "template.media.media_type"),
        ("template", "template.buttons", {"quickReplies": []}, "template.buttons.quickReplies"),
        ("template", "template.buttons.coupon_code.0.index", "first", "template.buttons.coupon_code.0.index"),
        ("carousel", "template.carousel.cards", [], "template.carousel.cards"),
        ("carousel", "template.carousel.cards", [CARD, CARD], "template.carousel.cards"),
        (
            "carousel",
            "template.carousel.cards",
            [{**CARD, "card_index": str(n)} for n in range(11)],
            "template.carousel.cards",
        ),
    ],
)
def test_a_content_that_breaks_a_rule_is_refused_at_its_place(
    kind: str, path: str, value: Any, where: str, strict: Sandbox, session: requests.Session
) -> None:
    # `0` in a path is a position, but in body_parameter_values it is a key.
    loc = ["0" if where.startswith("template.body") and step == 0 else step for step in loc_of(where)]
    post = Post(strict, session, body_of(changed(GOOD[kind], path, value)))
    assert post.locs == [["body", "messages", 0, "content", *loc[1:]]]


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("reaction", "reaction.emoji", ""),
        ("location", "location", {"latitude": "-90", "longitude": "180.0"}),
        ("contacts", "contacts.0", {"name": {"formatted_name": "Ada", "prefix": "Dr"}}),
        ("contacts", "contacts.0.birthday", "2024-02-29"),
        ("button", "interactive.header", {"type": "video", "video": {"link": IMAGE}}),
        ("button", "interactive.header", {"type": "document", "document": {"link": IMAGE, "filename": "a.pdf"}}),
        ("button", "interactive.action.buttons", [button(n) for n in range(3)]),
        ("list", "interactive.action.sections", [{"rows": rows(*range(10))}]),
        ("template", "template", {"template_id": "plain", "language": "en"}),
        ("template", "template.media", {"media_type": "text", "text_header_title": "Hi"}),
        ("template", "template.media", {"media_type": "audio", "media_url": IMAGE}),
        ("template", "template.media", {"media_type": "location", "location": {"latitude": "1", "longitude": 2}}),
        ("template", "template.limited_time_offer.expiration_time_ms", "1764000000000"),
    ],
)
def test_the_documented_forms_and_edges_are_taken_in(
    kind: str, path: str, value: Any, strict: Sandbox, session: requests.Session
) -> None:
    content = changed(GOOD[kind], path, value)
    assert Post(strict, session, body_of(content)).row.content == content


# The envelope


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], ""),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["Hello"]}, "messages.0"),
        ({**body_of(GOOD["text"]), "schedule_time": "2030-01-01T00:00Z"}, "schedule_time"),
        ({**body_of(GOOD["text"]), "message_globals": {"tag": "x"}}, "message_globals.tag"),
        (body_of(GOOD["text"], originator=""), "messages.0.originator"),
        (body_of(GOOD["text"], originator=12025550100), "messages.0.originator"),
        (body_of(GOOD["text"], recipients=[]), "messages.0.recipients"),
        (body_of(GOOD["text"], recipients=PERSON), "messages.0.recipients"),
        (body_of(GOOD["text"], recipients=[{}]), "messages.0.recipients.0.recipient"),
        (body_of(GOOD["text"], recipients=[{"recipient": PERSON, "tag": "x"}]), "messages.0.recipients.0.tag"),
        (
            body_of(GOOD["text"], recipients=[{"recipient": PERSON, "reference": {"messageTag6": "x"}}]),
            "messages.0.recipients.0.reference.messageTag6",
        ),
        (
            body_of(GOOD["text"], recipients=[{"recipient": PERSON, "reference": {"cust_ref": 3}}]),
            "messages.0.recipients.0.reference.cust_ref",
        ),
        (body_of(GOOD["text"], report_url="example.com"), "messages.0.report_url"),
        (body_of(GOOD["text"], context={}), "messages.0.context"),
        (body_of("Hello"), "messages.0.content"),
    ],
)
def test_an_envelope_that_breaks_a_rule_is_refused_at_its_place(
    body: Any, where: str, strict: Sandbox, session: requests.Session
) -> None:
    assert Post(strict, session, body).locs == [loc_of(where) if where else ["body"]]


@pytest.mark.parametrize(
    "number",
    [
        "0123456789",
        "00971561234567",
        "+1 202 555 0123",
        "+1202555012٣",
        "+1234567890123456",
        "+12025550123\n",
        "",
        "me",
    ],
)
def test_a_recipient_is_a_plus_and_digits_with_a_country_code(
    number: str, strict: Sandbox, session: requests.Session
) -> None:
    post = Post(strict, session, body_of(GOOD["text"], recipients=[{"recipient": PERSON}, {"recipient": number}]))
    assert post.locs == [["body", "messages", 0, "recipients", 1, "recipient"]]


def test_all_faults_are_named_and_nothing_is_taken_in(strict: Sandbox, session: requests.Session) -> None:
    good, bad = body_of(GOOD["text"])["messages"][0], body_of(changed(GOOD["text"], "text.body", ""))["messages"][0]
    post = Post(strict, session, {"messages": [good, {**bad, "recipients": [{"recipient": "x"}]}]})
    assert post.locs == [
        ["body", "messages", 1, "content", "text", "body"],
        ["body", "messages", 1, "recipients", 0, "recipient"],
    ]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({**body_of(GOOD["text"]), "tag": "x"}, "tag"),
        (body_of(GOOD["text"], tag="x"), "messages.0.tag"),
        (body_of(GOOD["text"], recipients=[{"recipient": PERSON, "tag": "x"}]), "messages.0.recipients.0.tag"),
        (body_of(changed(GOOD["text"], "tag", "x")), "messages.0.content.tag"),
        (body_of(changed(GOOD["list"], "interactive.body.tag", "x")), "messages.0.content.interactive.body.tag"),
    ],
)
def test_unknown_keys_are_refused_unless_lenient(
    body: Any, where: str, strict: Sandbox, lenient: Sandbox, session: requests.Session
) -> None:
    post = Post(strict, session, body)
    assert post.locs == [loc_of(where)]
    assert post.answer["detail"][0]["type"] == "extra_forbidden"
    assert Post(lenient, session, body).row.content == body["messages"][0]["content"]


def test_a_type_of_a_plugin_is_taken_in_whole(strict: Sandbox, lenient: Sandbox, session: requests.Session) -> None:
    poll = {"message_type": "POLL", "poll": {"question": "Tea?", "options": [1, None]}, "else": 3}
    assert Post(strict, session, body_of(poll)).row.content == poll
    assert Post(lenient, session, body_of(poll)).locs == [["body", "messages", 0, "content", "message_type"]]


def test_a_part_that_is_no_object_is_refused_in_fastapis_words(strict: Sandbox, session: requests.Session) -> None:
    [item] = Post(strict, session, body_of("Hello")).answer["detail"]
    assert item["type"] == "model_attributes_type"
    assert "Content" not in item["msg"]  # no class of ours


# Variants on which D7's pages, samples and SDKs disagree


def test_tags_in_camel_or_snake_case_are_kept_in_snake(strict: Sandbox, session: requests.Session) -> None:
    camel = {"cust_ref": "c", "messageTag1": "1", "messageTag5": "5", "conversationId": "v", "message_tag2": None}
    snake = {"cust_ref": "c", "message_tag1": "1", "message_tag5": "5", "conversation_id": "v"}
    for reference in (camel, snake):
        row = Post(
            strict, session, body_of(GOOD["text"], recipients=[{"recipient": PERSON, "reference": reference}])
        ).row
        assert row.reference == snake
        assert row.warnings == []


def test_a_flat_reference_is_taken_in_with_a_warning(strict: Sandbox, session: requests.Session) -> None:
    recipient = {"recipient": PERSON, "cust_ref": "flat", "messageTag1": "1", "reference": {"cust_ref": "nested"}}
    row = Post(strict, session, body_of(GOOD["text"], recipients=[recipient])).row
    assert row.reference == {"cust_ref": "nested", "message_tag1": "1"}
    assert len(row.warnings) == 1
    assert "flat" in row.warnings[0]


def test_an_array_of_numbers_is_refused_unless_lenient(
    strict: Sandbox, lenient: Sandbox, session: requests.Session
) -> None:
    recipients = [{"recipient": [PERSON, "+12025550124"], "reference": {"cust_ref": "c"}}]
    body = body_of(GOOD["text"], recipients=recipients)
    assert Post(strict, session, body).locs == [["body", "messages", 0, "recipients", 0, "recipient"]]
    accepted = Post(lenient, session, body).accepted
    assert list(accepted.recipient) == [PERSON, "+12025550124"]
    assert list(accepted.reference) == [{"cust_ref": "c"}] * 2


def test_bare_numbers_are_refused_unless_lenient(strict: Sandbox, lenient: Sandbox, session: requests.Session) -> None:
    body = body_of(GOOD["text"], recipients=[PERSON])
    assert Post(strict, session, body).locs == [["body", "messages", 0, "recipients", 0]]
    assert Post(lenient, session, body).row.recipient == PERSON


@pytest.mark.parametrize(("kind", "status"), [("individual", 200), (None, 200), ("group", 422), ("", 422)])
def test_a_recipient_is_individual(kind: str | None, status: int, strict: Sandbox, session: requests.Session) -> None:
    recipients = [{"recipient": PERSON, "recipient_type": kind}]
    post = Post(strict, session, body_of(GOOD["text"], recipients=recipients))
    assert post.status == status
    if status == 422:
        assert post.locs == [["body", "messages", 0, "recipients", 0, "recipient_type"]]


@pytest.mark.parametrize("originator", [SENDER, SENDER[1:]])
@pytest.mark.parametrize("recipient", [PERSON, PERSON[1:]])
def test_numbers_go_with_a_plus_or_without(
    originator: str, recipient: str, strict: Sandbox, session: requests.Session
) -> None:
    post = Post(strict, session, body_of(GOOD["text"], originator=originator, recipients=[{"recipient": recipient}]))
    assert post.row.recipient == PERSON
    assert post.row.originator == originator
    report = session.get(f"{strict.url}/whatsapp/v2/report/{post.row.request_id}", timeout=10).json()["messages"][0]
    assert (report["originator"], report["recipient"]) == (SENDER[1:], PERSON)


def test_one_contact_for_an_array_is_refused_unless_lenient(
    strict: Sandbox, lenient: Sandbox, session: requests.Session
) -> None:
    body = body_of(changed(GOOD["contacts"], "contacts", GOOD["contacts"]["contacts"][0]))
    assert Post(strict, session, body).locs == [["body", "messages", 0, "content", "contacts"]]
    assert Post(lenient, session, body).row.content == GOOD["contacts"]


@pytest.mark.parametrize(("latitude", "longitude"), [("25.2", "55.3"), (25.2, 55), (-90, 180), ("-90.0", "-180.000")])
def test_coordinates_are_text_or_numbers(
    latitude: Any, longitude: Any, strict: Sandbox, session: requests.Session
) -> None:
    content = {"message_type": "LOCATION", "location": {"latitude": latitude, "longitude": longitude}}
    assert Post(strict, session, body_of(content)).row.content == content


@pytest.mark.parametrize(("kind", "name"), [("cta_url", "cta_url"), ("address", "address_message")])
def test_an_action_may_have_its_name(kind: str, name: str, strict: Sandbox, session: requests.Session) -> None:
    assert Post(strict, session, body_of(changed(GOOD[kind], "interactive.action.name", name))).status == 200
    other = Post(strict, session, body_of(changed(GOOD[kind], "interactive.action.name", "flow")))
    assert other.locs == [["body", "messages", 0, "content", "interactive", "action", "name"]]


@pytest.mark.parametrize("kind", ["button", "list", "cta_url", "location_request", "address", "flow"])
def test_null_is_absent(kind: str, strict: Sandbox, session: requests.Session) -> None:
    for header, footer in (({"type": None}, {"text": None}), (None, None)):
        content = changed(changed(GOOD[kind], "interactive.header", header), "interactive.footer", footer)
        assert Post(strict, session, body_of(content)).row.content == content


def test_null_is_absent_in_envelope_and_contacts(strict: Sandbox, session: requests.Session) -> None:
    contact = {"name": {"formatted_name": "A", "first_name": "A", "suffix": None}, "birthday": None, "emails": None}
    body = body_of({"message_type": "CONTACTS", "contacts": [contact]}, report_url=None)
    body["messages"][0]["recipients"][0] |= {"recipient_type": None, "reference": None}
    row = Post(strict, session, {**body, "message_globals": {"schedule_time": None}}).row
    assert row.reference == {}


@pytest.mark.parametrize(
    ("kind", "caption", "warned"),
    [
        ("audio", None, False),
        ("sticker", None, False),
        ("audio", "x", True),
        ("sticker", "x", True),
        ("image", "x", False),
    ],
)
def test_a_caption_that_is_not_shown_is_warned_of(
    kind: str, caption: str | None, warned: bool, strict: Sandbox, session: requests.Session
) -> None:
    attachment = {"type": kind, "url": "https://example.com/a", "caption": caption}
    row = Post(strict, session, body_of({"message_type": "ATTACHMENT", "attachment": attachment})).row
    assert row.warnings == ([f"caption is not shown with {kind}"] if warned else [])


def test_a_preview_wish_under_content_is_ignored(strict: Sandbox, session: requests.Session) -> None:
    row = Post(strict, session, body_of(changed(GOOD["text"], "preview_url", "yes"))).row
    assert ["ignored" in warning for warning in row.warnings] == [True]
    assert Post(strict, session, body_of(changed(GOOD["template"], "preview_url", False))).row.warnings == []


@pytest.mark.parametrize("kind", ["product", "product_list", "catalog_message", "carousel", "voice_call"])
def test_other_interactive_types_are_refused(kind: str, strict: Sandbox, session: requests.Session) -> None:
    post = Post(strict, session, body_of(changed(GOOD["button"], "interactive.type", kind)))
    assert post.locs == [["body", "messages", 0, "content", "interactive", "type"]]


@pytest.mark.parametrize("kind", ["image", "video", "document"])
def test_a_list_has_no_media_header(kind: str, strict: Sandbox, session: requests.Session) -> None:
    header = {"type": kind, kind: {"link": IMAGE}}
    post = Post(strict, session, body_of(changed(GOOD["list"], "interactive.header", header)))
    assert ["body", "messages", 0, "content", "interactive", "header", "type"] in post.locs


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("2030-08-05T12:52+05:30", 200),
        ("2030-08-05T12:52:01+05:30", 200),
        ("2030-06-19T08:14:42+0000", 200),
        ("2030-06-19T08:14Z", 200),
        ("2001-01-01T00:00-08:00", 200),
        ("0001-01-01T00:00+14:00", 200),
        ("9999-12-31T23:59-12:00", 200),
        ("2030-08-05T12:52", 422),
        ("2030-08-05T12:52:01", 422),
        ("2030-08-05 12:52+05:30", 422),
        ("2030-13-05T12:52+05:30", 422),
        ("2030-08-05T12:52+99:00", 422),
        ("2030-08-05", 422),
        ("tomorrow", 422),
        (1900000000, 422),
    ],
)
def test_a_schedule_has_an_offset(text: Any, status: int, strict: Sandbox, session: requests.Session) -> None:
    body = {**body_of(GOOD["text"]), "message_globals": {"schedule_time": text}}
    post = Post(strict, session, body)
    assert post.status == status
    if status == 200:
        assert post.row.schedule_time == text
    else:
        assert post.locs == [["body", "message_globals", "schedule_time"]]


@pytest.mark.parametrize("first", [0, 1])
def test_template_keys_count_from_0_or_1(first: int, session: requests.Session) -> None:
    with Sandbox(templates={"offer": 2}) as sandbox:
        for count, status in ((1, 400), (2, 200), (3, 400)):
            values = {str(key): "x" for key in range(first, first + count)}
            content = changed(GOOD["template"], "template.body_parameter_values", values)
            post = Post(sandbox, session, body_of(content))
            assert post.status == status
            if status == 400:
                assert post.answer["detail"]["code"] == "TEMPLATE_PARAMETER_COUNT_MISMATCH"
                assert post.accepted.empty


def test_meta_style_components_are_not_read(strict: Sandbox, session: requests.Session) -> None:
    components = [{"type": "body", "parameters": [{"type": "text", "text": "x"}]}]
    content = {
        "message_type": "TEMPLATE",
        "template": {"template_id": "offer", "language": "en", "components": components},
    }
    assert ["not read" in warning for warning in Post(strict, session, body_of(content)).row.warnings] == [True]
    with Sandbox(templates={"offer": 1}) as sandbox:
        assert Post(sandbox, session, body_of(content)).status == 400


@pytest.mark.parametrize("message_id", ["wamid.HBgL", "5a4b1c2e-8d6f-11ee-9a3b-0242ac130002", "x"])
def test_any_id_can_be_reacted_to(message_id: str, strict: Sandbox, session: requests.Session) -> None:
    assert Post(strict, session, body_of(changed(GOOD["reaction"], "reaction.message_id", message_id))).status == 200


def test_webp_is_an_image(strict: Sandbox, session: requests.Session) -> None:
    attachment = {"type": "image", "url": "https://example.com/a.webp"}
    row = Post(strict, session, body_of({"message_type": "ATTACHMENT", "attachment": attachment})).row
    assert row.warnings == []


# The official SDK's own payloads: what it can send today must pass


class Captured:
    """Stands where the SDK has its HTTP client."""

    def host(self) -> str:
        return ""

    def post(self, host: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        return params


SDK = WHATSAPP(Captured())
FREE, SHAPED, FILLED = (
    SDK.send_whatsapp_freeform_message,
    SDK.send_whatsapp_interactive_message,
    SDK.send_whatsapp_templated_message,
)


@pytest.mark.parametrize(
    "body",
    [
        FREE(SENDER, PERSON, "TEXT", body="Hi"),
        FREE(SENDER, PERSON, "REACTION", message_id="5a4b1c2e", emoji="👍"),
        FREE(SENDER, PERSON, "ATTACHMENT", type="sticker", url="https://example.com/a.webp"),
        FREE(SENDER, PERSON, "ATTACHMENT", type="document", url="https://example.com/a.pdf", filename="a.pdf"),
        FREE(SENDER, PERSON, "LOCATION", latitude="12.9", longitude="77.6"),
        FREE(SENDER, PERSON, "CONTACTS", first_name="Ada", formatted_name="Ada", phones=[{"phone": "+12025550142"}]),
        SHAPED(SENDER, PERSON, "button", body_text="Hi", buttons=[button(1)]),
        SHAPED(SENDER, PERSON, "list", body_text="Hi", list_button_text="Open", sections=[{"rows": rows(1, 2)}]),
        SHAPED(
            SENDER,
            PERSON,
            "cta_url",
            header_type="image",
            header_link=IMAGE,
            body_text="Hi",
            parameters={"display_text": "Open", "url": "https://example.com"},
        ),
        SHAPED(SENDER, PERSON, "location_request_message", body_text="Hi"),
        SHAPED(SENDER, PERSON, "flow", body_text="Hi", parameters=GOOD["flow"]["interactive"]["action"]),
        FILLED(SENDER, PERSON, "offer", "en", {"0": "x"}, coupon_code="SAVE", lto_expiration_time_ms="1764000000000"),
        FILLED(SENDER, PERSON, "place", "en", media_type="location", latitude="12.9", longitude="77.6"),
    ],
)
def test_what_the_official_sdk_sends_is_taken_in(
    body: dict[str, Any], strict: Sandbox, session: requests.Session
) -> None:
    assert Post(strict, session, body).row.recipient == PERSON


# Whatever comes


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths_in(part, (*path, key))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(GOOD)), value=JSON)
def test_a_body_with_one_part_exchanged_is_taken_in_or_refused_at_a_place_it_has(
    data: st.DataObject, kind: str, value: Any, strict: Sandbox, session: requests.Session
) -> None:
    body: Any = {"root": body_of(copy.deepcopy(GOOD[kind]))}
    *above, last = data.draw(st.sampled_from([("root", *path) for path in paths_in(body["root"])]))
    part = body
    for step in above:
        part = part[step]
    part[last] = value
    root = body["root"]
    reply = session.post(f"{strict.url}/whatsapp/v2/send", json=root, timeout=10)
    assert reply.status_code in {200, 404, 422}
    if reply.status_code == 422:
        for item in reply.json()["detail"]:
            place: Any = root
            for step in item["loc"][1:-1]:  # the last step may be what is missing
                place = place[step]
