"""The six kinds of interactive messages (d7-api.md section 1.6). The limits of their actions are Meta's."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from d7nb.sandbox.schema.base import (
    CountryCode,
    Filled,
    HttpUrl,
    Part,
    absent_if_hollow,
    chars,
    chosen_by,
    distinct,
    tag,
)
from d7nb.sandbox.schema.contents import Content

# The blocks that hold nearly all emoji, with the two marks that turn plain characters into them.
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0f\u20e3]")


def _without_emoji(words: str) -> str:
    if _EMOJI.search(words):
        raise ValueError("a flow's button should hold no emoji")
    return words


class TextHeader(Part):
    """A line of text above the body."""

    type: Literal["text"]
    text: Annotated[str, chars(60)]


class Media(Part):
    """A header's file. The SDKs send a null filename with images and videos."""

    link: HttpUrl
    filename: None = None


class Document(Part):
    """A header's document."""

    link: HttpUrl
    filename: str | None = None


class ImageHeader(Part):
    """An image above the body."""

    type: Literal["image"]
    image: Media


class VideoHeader(Part):
    """A video above the body."""

    type: Literal["video"]
    video: Media


class DocumentHeader(Part):
    """A document above the body."""

    type: Literal["document"]
    document: Document


class UnknownHeader(Part):
    """Any other header: refused at its type."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["text", "image", "video", "document"]


AnyHeader = Annotated[
    Annotated[TextHeader, tag("text")]
    | Annotated[ImageHeader, tag("image")]
    | Annotated[VideoHeader, tag("video")]
    | Annotated[DocumentHeader, tag("document")]
    | Annotated[UnknownHeader, tag()],
    chosen_by("type", "text", "image", "video", "document"),
]


class Body(Part):
    """The message itself; 1024 characters by D7's page."""

    text: Annotated[str, chars(1024)]


class Footer(Part):
    """A small line below the body; 60 characters by D7's page."""

    text: Annotated[str, chars(60)]


class Framed(Part):
    """A body that may have any header and a footer."""

    header: Annotated[AnyHeader | None, BeforeValidator(absent_if_hollow)] = None
    body: Body
    footer: Annotated[Footer | None, BeforeValidator(absent_if_hollow)] = None


class Reply(Part):
    """What a reply button says, and sends back."""

    id: Annotated[str, chars(256)]
    title: Annotated[str, chars(20)]


class Button(Part):
    """One reply button."""

    type: Literal["reply"]
    reply: Reply


class ButtonAction(Part):
    """One to three buttons, all different."""

    buttons: Annotated[
        list[Button], Field(min_length=1, max_length=3), AfterValidator(distinct("reply.id", "reply.title"))
    ]


class ReplyButtons(Framed):
    """Interactive type `button`."""

    type: Literal["button"]
    action: ButtonAction


class Row(Part):
    """One choice of a list."""

    id: Annotated[str, chars(200)]
    title: Annotated[str, chars(24)]
    description: Annotated[str, chars(72, least=0)] | None = None


class Section(Part):
    """Some rows of a list under a title."""

    title: Annotated[str, chars(24, least=0)] | None = None
    rows: Annotated[list[Row], Field(min_length=1)]


def _one_list(sections: list[Section]) -> list[Section]:
    """The rules over a whole list: ten rows in all, ids and titles differ (N8N checks both), sections are named."""
    rows = [row for section in sections for row in section.rows]
    if len(rows) > 10:
        raise ValueError("a list should have at most 10 rows in all its sections")
    if len(sections) > 1 and not all(section.title for section in sections):
        raise ValueError("every section should have a title when there is more than one")
    distinct("id", "title")(rows)
    return sections


class ListAction(Part):
    """The button that opens the list, and the list."""

    button: Annotated[str, chars(20)]
    sections: Annotated[list[Section], Field(min_length=1, max_length=10), AfterValidator(_one_list)]


class ListMessage(Framed):
    """Interactive type `list`: its header can be nothing but text (section 8, row 14)."""

    type: Literal["list"]
    header: Annotated[TextHeader | None, BeforeValidator(absent_if_hollow)] = None
    action: ListAction


class Link(Part):
    """Where a button leads."""

    display_text: Annotated[str, chars(20)]
    url: HttpUrl


class LinkAction(Part):
    """With Meta's `name`, or without as D7's code sends it (section 8, row 9)."""

    name: Literal["cta_url"] | None = None
    parameters: Link


class CtaUrl(Framed):
    """Interactive type `cta_url`."""

    type: Literal["cta_url"]
    action: LinkAction


class LocationRequestAction(Part):
    """Nothing but its name."""

    name: Literal["send_location"]


class LocationRequest(Part):
    """Interactive type `location_request_message`: a body alone."""

    type: Literal["location_request_message"]
    header: Annotated[None, BeforeValidator(absent_if_hollow)] = None
    body: Body
    footer: Annotated[None, BeforeValidator(absent_if_hollow)] = None
    action: LocationRequestAction


class SavedAddress(Part):
    """An address to choose; D7 documents no list of its keys."""

    id: Filled
    value: dict[str, str | None]


class AddressQuestion(Part):
    """What the address form starts with."""

    country: CountryCode
    values: dict[str, str | None] | None = None
    saved_addresses: list[SavedAddress] | None = None


class AddressAction(Part):
    """With Meta's `name`, or without as D7's code sends it (section 8, row 9)."""

    name: Literal["address_message"] | None = None
    parameters: AddressQuestion


class AddressMessage(Framed):
    """Interactive type `address_message`."""

    type: Literal["address_message"]
    action: AddressAction


class FlowParameters(Part):
    """Which flow, and how it opens. D7 passes the action through, so keys that we do not know are let by."""

    model_config = ConfigDict(extra="ignore")
    flow_message_version: Filled
    flow_id: Filled
    flow_cta: Annotated[str, chars(20), AfterValidator(_without_emoji)]
    flow_token: str | None = None
    flow_action: str | None = None
    flow_action_payload: dict[str, Any] | None = None


class FlowAction(Part):
    """A named action, as Meta has it."""

    name: Literal["flow"]
    parameters: FlowParameters


class Flow(Framed):
    """Interactive type `flow`."""

    type: Literal["flow"]
    action: FlowAction


class UnknownInteractive(Part):
    """Any other interactive type: refused at its type (section 8, row 13)."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["button", "list", "cta_url", "location_request_message", "address_message", "flow"]


Interactive = Annotated[
    Annotated[ReplyButtons, tag("button")]
    | Annotated[ListMessage, tag("list")]
    | Annotated[CtaUrl, tag("cta_url")]
    | Annotated[LocationRequest, tag("location_request_message")]
    | Annotated[AddressMessage, tag("address_message")]
    | Annotated[Flow, tag("flow")]
    | Annotated[UnknownInteractive, tag()],
    chosen_by("type", "button", "list", "cta_url", "location_request_message", "address_message", "flow"),
]


class InteractiveContent(Content):
    """`message_type` INTERACTIVE."""

    message_type: Literal["INTERACTIVE"]
    interactive: Interactive
