"""The content INTERACTIVE and its six types, after D7's page "Interactive Message".

The limits of header, body and footer are D7's, those of the actions are from Meta's pages on each type.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from d7nb.sandbox.schema.base import (
    CountryCode,
    HttpUrl,
    NonEmptyStr,
    StrictModel,
    discriminator,
    distinct,
    length,
    none_if_all_null,
    tag,
)
from d7nb.sandbox.schema.contents import Content

# The Unicode blocks of nearly all emoji, and the two marks that turn plain characters into emoji.
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2300-\u23ff\ufe0f\u20e3]")


def _check_no_emoji(text: str) -> str:
    if _EMOJI.search(text):
        raise ValueError("a flow's button should hold no emoji")
    return text


class TextHeader(StrictModel):
    """A line of text above the body."""

    type: Literal["text"]
    text: Annotated[str, length(60)]


class HeaderFile(StrictModel):
    """The image or video of a header; D7's SDKs send a null filename with it."""

    link: HttpUrl
    filename: None = None


class HeaderDocument(StrictModel):
    """The document of a header."""

    link: HttpUrl
    filename: str | None = None


class ImageHeader(StrictModel):
    """An image above the body."""

    type: Literal["image"]
    image: HeaderFile


class VideoHeader(StrictModel):
    """A video above the body."""

    type: Literal["video"]
    video: HeaderFile


class DocumentHeader(StrictModel):
    """A document above the body."""

    type: Literal["document"]
    document: HeaderDocument


class UnknownHeader(StrictModel):
    """A header of any other type, which is refused at its `type`."""

    model_config = ConfigDict(extra="ignore")
    type: Literal["text", "image", "video", "document"]


AnyHeader = Annotated[
    Annotated[TextHeader, tag("text")]
    | Annotated[ImageHeader, tag("image")]
    | Annotated[VideoHeader, tag("video")]
    | Annotated[DocumentHeader, tag("document")]
    | Annotated[UnknownHeader, tag()],
    discriminator("type", "text", "image", "video", "document"),
]


class Body(StrictModel):
    """The text of the message."""

    text: Annotated[str, length(1024)]


class Footer(StrictModel):
    """A small line below the body."""

    text: Annotated[str, length(60)]


class FramedMessage(StrictModel):
    """The header, body and footer that most types share."""

    header: Annotated[AnyHeader | None, BeforeValidator(none_if_all_null)] = None
    body: Body
    footer: Annotated[Footer | None, BeforeValidator(none_if_all_null)] = None


class ButtonReply(StrictModel):
    """The id and title of a reply button."""

    id: Annotated[str, length(256)]
    title: Annotated[str, length(20)]


class Button(StrictModel):
    """A reply button."""

    type: Literal["reply"]
    reply: ButtonReply


class ButtonAction(StrictModel):
    """One to three buttons with different ids and titles."""

    buttons: Annotated[
        list[Button], Field(min_length=1, max_length=3), AfterValidator(distinct("reply.id", "reply.title"))
    ]


class ReplyButtons(FramedMessage):
    """Interactive type `button`."""

    type: Literal["button"]
    action: ButtonAction


class Row(StrictModel):
    """An option of a list."""

    id: Annotated[str, length(200)]
    title: Annotated[str, length(24)]
    description: Annotated[str, length(72, minimum=0)] | None = None


class Section(StrictModel):
    """Rows of a list under a title."""

    title: Annotated[str, length(24, minimum=0)] | None = None
    rows: Annotated[list[Row], Field(min_length=1)]


def _check_sections(sections: list[Section]) -> list[Section]:
    """Check the rules over a whole list: ten rows in all, distinct ids and titles, titles for several sections."""
    rows = [row for section in sections for row in section.rows]
    if len(rows) > 10:
        raise ValueError("a list should have at most 10 rows in all its sections")
    if len(sections) > 1 and not all(section.title for section in sections):
        raise ValueError("every section should have a title when there is more than one")
    distinct("id", "title")(rows)
    return sections


class ListAction(StrictModel):
    """The button that opens a list, and the sections of the list."""

    button: Annotated[str, length(20)]
    sections: Annotated[list[Section], Field(min_length=1, max_length=10), AfterValidator(_check_sections)]


class ListMessage(FramedMessage):
    """Interactive type `list`, whose header can only be a text (Meta, "Interactive list messages")."""

    type: Literal["list"]
    header: Annotated[TextHeader | None, BeforeValidator(none_if_all_null)] = None
    action: ListAction


class LinkParameters(StrictModel):
    """The label and URL of a link button."""

    display_text: Annotated[str, length(20)]
    url: HttpUrl


class LinkAction(StrictModel):
    """The action of `cta_url`, with a `name` as Meta has it or without as D7's SDKs send it."""

    name: Literal["cta_url"] | None = None
    parameters: LinkParameters


class CtaUrl(FramedMessage):
    """Interactive type `cta_url`."""

    type: Literal["cta_url"]
    action: LinkAction


class LocationRequestAction(StrictModel):
    """The action of `location_request_message`."""

    name: Literal["send_location"]


class LocationRequest(StrictModel):
    """Interactive type `location_request_message`, which has neither header nor footer."""

    type: Literal["location_request_message"]
    header: Annotated[None, BeforeValidator(none_if_all_null)] = None
    body: Body
    footer: Annotated[None, BeforeValidator(none_if_all_null)] = None
    action: LocationRequestAction


class SavedAddress(StrictModel):
    """An address to choose from; its keys are not documented."""

    id: NonEmptyStr
    value: dict[str, str | None]


class AddressParameters(StrictModel):
    """The country and first values of an address form."""

    country: CountryCode
    values: dict[str, str | None] | None = None
    saved_addresses: list[SavedAddress] | None = None


class AddressAction(StrictModel):
    """The action of `address_message`, with a `name` as Meta has it or without as D7's SDKs send it."""

    name: Literal["address_message"] | None = None
    parameters: AddressParameters


class AddressMessage(FramedMessage):
    """Interactive type `address_message`."""

    type: Literal["address_message"]
    action: AddressAction


class FlowParameters(StrictModel):
    """The id and options of a flow. D7's SDKs pass them through, so unknown keys are accepted."""

    model_config = ConfigDict(extra="ignore")
    flow_message_version: NonEmptyStr
    flow_id: NonEmptyStr
    flow_cta: Annotated[str, length(20), AfterValidator(_check_no_emoji)]
    flow_token: str | None = None
    flow_action: str | None = None
    flow_action_payload: dict[str, Any] | None = None


class FlowAction(StrictModel):
    """The action of `flow`."""

    name: Literal["flow"]
    parameters: FlowParameters


class Flow(FramedMessage):
    """Interactive type `flow`."""

    type: Literal["flow"]
    action: FlowAction


class UnknownInteractive(StrictModel):
    """Any other interactive type, which is refused at its `type`."""

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
    discriminator("type", "button", "list", "cta_url", "location_request_message", "address_message", "flow"),
]


class InteractiveContent(Content):
    """`message_type` INTERACTIVE."""

    message_type: Literal["INTERACTIVE"]
    interactive: Interactive
