"""Every content type and every part of it, with its JSON written by hand from D7's WhatsApp API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb import (
    AddressMessage,
    Attachment,
    Contact,
    Contacts,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    Location,
    LocationRequest,
    Reaction,
    ReplyButtons,
    Template,
    Text,
)
from tests.support.plans import LINK

if TYPE_CHECKING:
    from d7nb.content import Content


Leaf = Callable[[Any], Any]


class Case(NamedTuple):
    """A content whose leaves may be literals or columns, and D7's JSON for it."""

    name: str
    build: Callable[[Leaf], Content]
    expected: dict[str, Any]


def interactive(kind: str, action: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "message_type": "INTERACTIVE",
        "interactive": {"type": kind, "body": {"text": "Which?"}, "action": action, **parts},
    }


def template(**parts: Any) -> dict[str, Any]:
    return {"message_type": "TEMPLATE", "template": {"template_id": "balance_due", "language": "en_GB", **parts}}


def attachment(**parts: Any) -> dict[str, Any]:
    return {"message_type": "ATTACHMENT", "attachment": {"url": LINK, **parts}}


def contact(**parts: Any) -> dict[str, Any]:
    return {
        "message_type": "CONTACTS",
        "contacts": [{"name": {"formatted_name": "Sara Haddad", "first_name": "Sara Haddad"}, **parts}],
    }


YES_NO = {
    "buttons": [
        {"type": "reply", "reply": {"id": "y-17", "title": "Yes"}},
        {"type": "reply", "reply": {"id": "n-17", "title": "No"}},
    ]
}
SECTIONS = [
    {"title": "Hot", "rows": [{"id": "1", "title": "Tea", "description": "Black"}, {"id": "2", "title": "Milk"}]},
    {"title": "Cold", "rows": [{"id": "3", "title": "Water"}]},
]
CARD: dict[str, Any] = {
    "name": {
        "formatted_name": "Dr Sara B. Haddad Jr",
        "first_name": "Sara",
        "last_name": "Haddad",
        "middle_name": "B.",
        "suffix": "Jr",
        "prefix": "Dr",
    },
    "phones": [{"phone": "+12025550142", "type": "CELL", "wa_id": "12025550142"}, {"phone": "+12025550143"}],
    "emails": [{"email": "sara@example.com", "type": "WORK"}],
    "urls": [{"url": "https://example.com", "type": "HOME"}],
    "addresses": [
        {
            "street": "1 High St",
            "city": "Leeds",
            "state": "Yorkshire",
            "zip": "LS1 1AA",
            "country": "England",
            "country_code": "GB",
            "type": "WORK",
        }
    ],
    "org": {"company": "Engines", "department": "R&D", "title": "Head"},
    "birthday": "1990-02-28",
}
ADDRESS = {"name": "Sara", "in_pin_code": "400051", "city": "Mumbai"}
PAYLOAD = {"screen": "START", "data": {"tags": ["a", "b"], "seats": 2, "vip": True, "price": 1.5}}
PLACE = {"latitude": "25.5", "longitude": "55.25", "name": "Office", "address": "1 High St"}
BUTTONS: dict[str, Any] = {
    "quick_replies": [{"button_index": "0", "button_payload": "yes"}],
    "actions": [{"action_type": "url", "action_index": "1", "action_payload": "sale/17"}],
    "coupon_code": [{"index": 2, "type": "copy_code", "coupon_code": "SAVE17"}],
    "button_flow": [
        {"flow_token": "t-17", "action_type": "flow", "index": "3", "flow_action_data": {"screen": "START"}}
    ],
}
CAROUSEL = {
    "cards": [
        {
            "card_index": position,
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {"link": LINK}}]},
                {"type": "body", "parameters": [{"type": "text", "text": f"Card {position}"}]},
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": "0",
                    "parameters": [{"type": "payload", "payload": f"more-{position}"}],
                },
            ],
        }
        for position in ("0", "1")
    ]
}


def each(v: Leaf, node: Any) -> Any:
    """D7's own JSON with a leaf at each end: parts may be given so."""
    if isinstance(node, dict):
        return {key: each(v, child) for key, child in node.items()}
    return [each(v, child) for child in node] if isinstance(node, list) else v(node)


def yes_no(v: Leaf, **parts: Any) -> ReplyButtons:
    return ReplyButtons(
        v("Which?"),
        [{"id": v("y-17"), "title": v("Yes")}, {"id": v("n-17"), "title": v("No")}],
        **parts,
    )


def due(v: Leaf, **parts: Any) -> Template:
    return Template(v("balance_due"), v("en_GB"), **parts)


CASES = [
    Case("text", lambda v: Text(v("Hi *Ali* 👍")), {"message_type": "TEXT", "text": {"body": "Hi *Ali* 👍"}}),
    Case(
        "text_with_preview",
        lambda v: Text(v("See https://example.com"), preview_url=v(True)),
        {"message_type": "TEXT", "text": {"body": "See https://example.com", "preview_url": True}},
    ),
    Case(
        "text_without_preview",
        lambda v: Text(v("See https://example.com"), preview_url=v(False)),
        {"message_type": "TEXT", "text": {"body": "See https://example.com", "preview_url": False}},
    ),
    Case(
        "reaction",
        lambda v: Reaction(v("5a4b1c2e-8d6f-11ee-9a3b-0242ac130002"), v("👍")),
        {
            "message_type": "REACTION",
            "reaction": {"message_id": "5a4b1c2e-8d6f-11ee-9a3b-0242ac130002", "emoji": "👍"},
        },
    ),
    Case(
        "image",
        lambda v: Attachment(v("image"), v(LINK), caption=v("Our shop")),
        attachment(type="image", caption="Our shop"),
    ),
    Case(
        "document",
        lambda v: Attachment(v("document"), v(LINK), caption=v("May"), filename=v("Invoice 17.pdf")),
        attachment(type="document", caption="May", filename="Invoice 17.pdf"),
    ),
    Case(
        "video", lambda v: Attachment(v("video"), v(LINK), caption=v("Tour")), attachment(type="video", caption="Tour")
    ),
    Case("audio", lambda v: Attachment(v("audio"), v(LINK)), attachment(type="audio")),
    Case("sticker", lambda v: Attachment(v("sticker"), v(LINK)), attachment(type="sticker")),
    Case(
        "location",
        lambda v: Location(v(25.2048), v(-55.5), name=v("Office"), address=v("1 High St")),
        {
            "message_type": "LOCATION",
            "location": {"latitude": "25.2048", "longitude": "-55.5", "name": "Office", "address": "1 High St"},
        },
    ),
    Case(
        "bare_location",
        lambda v: Location(v("25.20480"), v("55")),
        {"message_type": "LOCATION", "location": {"latitude": "25.20480", "longitude": "55"}},
    ),
    Case(
        "contact",
        lambda v: Contacts([Contact(name=v("Sara Haddad"), phones=[v("+12025550142")])]),
        contact(phones=[{"phone": "+12025550142"}]),
    ),
    Case(
        "contacts_in_full",
        lambda v: Contacts(
            [each(v, CARD), Contact(name=v("Front desk"), org=v("Engines"), emails=[v("a@example.com")])]
        ),
        {
            "message_type": "CONTACTS",
            "contacts": [
                CARD,
                {
                    "name": {"formatted_name": "Front desk", "first_name": "Front desk"},
                    "emails": [{"email": "a@example.com"}],
                    "org": {"company": "Engines"},
                },
            ],
        },
    ),
    Case("reply_buttons", yes_no, interactive("button", YES_NO)),
    Case(
        "reply_buttons_in_short",
        lambda v: ReplyButtons(v("Which?"), [v("Yes"), v("No")]),
        interactive(
            "button",
            {
                "buttons": [
                    {"type": "reply", "reply": {"id": "Yes", "title": "Yes"}},
                    {"type": "reply", "reply": {"id": "No", "title": "No"}},
                ]
            },
        ),
    ),
    Case(
        "text_header_and_footer",
        lambda v: yes_no(v, header=v("Order 17"), footer=v("The shop")),
        interactive("button", YES_NO, header={"type": "text", "text": "Order 17"}, footer={"text": "The shop"}),
    ),
    Case(
        "text_header_in_full",
        lambda v: yes_no(v, header={"type": "text", "text": v("Order 17")}),
        interactive("button", YES_NO, header={"type": "text", "text": "Order 17"}),
    ),
    Case(
        "image_header",
        lambda v: yes_no(v, header=Header("image", v(LINK))),
        interactive("button", YES_NO, header={"type": "image", "image": {"link": LINK}}),
    ),
    Case(
        "video_header",
        lambda v: yes_no(v, header={"type": "video", "link": v(LINK)}),
        interactive("button", YES_NO, header={"type": "video", "video": {"link": LINK}}),
    ),
    Case(
        "document_header",
        lambda v: yes_no(v, header=Header("document", v(LINK), filename=v("a.pdf"))),
        interactive("button", YES_NO, header={"type": "document", "document": {"link": LINK, "filename": "a.pdf"}}),
    ),
    Case(
        "list",
        lambda v: ListMessage(v("Which?"), v("Open"), each(v, SECTIONS), header=v("Menu"), footer=v("Today")),
        interactive(
            "list",
            {"button": "Open", "sections": SECTIONS},
            header={"type": "text", "text": "Menu"},
            footer={"text": "Today"},
        ),
    ),
    Case(
        "list_in_short",
        lambda v: ListMessage(v("Which?"), v("Open"), [{"rows": [v("Tea"), v("Water")]}]),
        interactive(
            "list",
            {
                "button": "Open",
                "sections": [{"rows": [{"id": "Tea", "title": "Tea"}, {"id": "Water", "title": "Water"}]}],
            },
        ),
    ),
    Case(
        "cta_url",
        lambda v: CtaUrl(v("Which?"), v("Open"), v(LINK), header=Header("image", v(LINK)), footer=v("The shop")),
        interactive(
            "cta_url",
            {"parameters": {"display_text": "Open", "url": LINK}},
            header={"type": "image", "image": {"link": LINK}},
            footer={"text": "The shop"},
        ),
    ),
    Case(
        "location_request",
        lambda v: LocationRequest(v("Which?")),
        interactive("location_request_message", {"name": "send_location"}),
    ),
    Case(
        "address_message",
        lambda v: AddressMessage(
            v("Which?"),
            v("IN"),
            values=each(v, ADDRESS),
            saved_addresses=[{"id": v("home"), "value": each(v, ADDRESS)}],
            header=v("Delivery"),
            footer=v("The shop"),
        ),
        interactive(
            "address_message",
            {
                "parameters": {
                    "country": "IN",
                    "values": ADDRESS,
                    "saved_addresses": [{"id": "home", "value": ADDRESS}],
                }
            },
            header={"type": "text", "text": "Delivery"},
            footer={"text": "The shop"},
        ),
    ),
    Case(
        "flow",
        lambda v: Flow(
            v("Which?"),
            flow_id=v("1234"),
            flow_cta=v("Book"),
            flow_token=v("t-17"),
            flow_action=v("navigate"),
            flow_action_payload=PAYLOAD,
            header=v("Visit"),
            footer=v("The shop"),
        ),
        interactive(
            "flow",
            {
                "name": "flow",
                "parameters": {
                    "flow_message_version": "3",
                    "flow_id": "1234",
                    "flow_cta": "Book",
                    "flow_token": "t-17",
                    "flow_action": "navigate",
                    "flow_action_payload": PAYLOAD,
                },
            },
            header={"type": "text", "text": "Visit"},
            footer={"text": "The shop"},
        ),
    ),
    Case("bare_template", due, template()),
    Case(
        "template_parameters_in_order",
        lambda v: due(v, body_parameters=[v("Ali"), v("1,234.50")]),
        template(body_parameter_values={"0": "Ali", "1": "1,234.50"}),
    ),
    Case(
        "template_parameters_as_d7_has_them",
        lambda v: due(v, body_parameters={"1": v("1,234.50"), "0": v("Ali")}),
        template(body_parameter_values={"0": "Ali", "1": "1,234.50"}),
    ),
    *(
        Case(
            f"template_{kind}",
            lambda v, kind=kind: due(v, media={"media_type": v(kind), "media_url": v(LINK)}),  # type: ignore[misc]
            template(media={"media_type": kind, "media_url": LINK}),
        )
        for kind in ("image", "video", "document", "audio")
    ),
    Case(
        "template_text_header",
        lambda v: due(v, media={"media_type": v("text"), "text_header_title": v("Order 17")}),
        template(media={"media_type": "text", "text_header_title": "Order 17"}),
    ),
    Case(
        "template_location_header",
        lambda v: due(v, media={"media_type": v("location"), "location": each(v, PLACE)}),
        template(media={"media_type": "location", "location": PLACE}),
    ),
    Case(
        "template_offer_with_every_button_group",
        lambda v: due(
            v,
            limited_time_offer={"expiration_time_ms": v(1_796_029_200_000)},
            **each(v, BUTTONS),
        ),
        template(limited_time_offer={"expiration_time_ms": 1_796_029_200_000}, buttons=BUTTONS),
    ),
    Case(
        "template_buttons_in_short",
        lambda v: due(
            v,
            quick_replies=[v("yes"), v("no")],
            actions=[v("sale/17")],
            coupon_code=v("SAVE17"),
            button_flow={"flow_action_data": {}},
        ),
        template(
            buttons={
                "quick_replies": [
                    {"button_index": "0", "button_payload": "yes"},
                    {"button_index": "1", "button_payload": "no"},
                ],
                "actions": [{"action_type": "url", "action_index": "0", "action_payload": "sale/17"}],
                "coupon_code": [{"index": 0, "type": "copy_code", "coupon_code": "SAVE17"}],
                "button_flow": [
                    {"flow_token": "unused", "action_type": "flow", "index": "0", "flow_action_data": {}},
                ],
            }
        ),
    ),
    Case("template_carousel", lambda v: due(v, carousel=each(v, CAROUSEL)), template(carousel=CAROUSEL)),
]


def in_columns(build: Callable[[Leaf], Content], bind: Callable[[str], Any]) -> tuple[Content, dict[str, Any]]:
    """The content with each leaf's value in a column of its own, and a row with those columns."""
    columns: dict[str, Any] = {}

    def bound(value: Any) -> Any:
        name = f"column {len(columns)}"
        columns[name] = value
        return bind(name)

    return build(bound), columns
