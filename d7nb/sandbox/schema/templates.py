"""Template messages (d7-api.md section 1.7)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from d7nb.sandbox.schema.base import Count, Filled, HttpUrl, Part, chosen_by, distinct, tag
from d7nb.sandbox.schema.contents import Content, Location


def _counted(values: dict[str, str]) -> dict[str, str]:
    """Keys in order from "0", as D7's samples have them, or from "1", as NAGIOS has (section 8, row 18)."""
    if not any(values.keys() == {str(n) for n in range(first, first + len(values))} for first in (0, 1)):
        raise ValueError('the keys should count from "0", or from "1", without a gap')
    return values


class TextMedia(Part):
    """The variable of a text header."""

    media_type: Literal["text"]
    text_header_title: Filled


class FileMedia(Part):
    """The file of a media header."""

    media_type: Literal["image", "video", "document", "audio"]
    media_url: HttpUrl


class LocationMedia(Part):
    """The place of a location header."""

    media_type: Literal["location"]
    location: Location


class UnknownMedia(Part):
    """Any other header: refused at its type."""

    model_config = ConfigDict(extra="ignore")
    media_type: Literal["text", "image", "video", "document", "audio", "location"]


TemplateMedia = Annotated[
    Annotated[TextMedia, tag("text")]
    | Annotated[FileMedia, tag("image video document audio")]
    | Annotated[LocationMedia, tag("location")]
    | Annotated[UnknownMedia, tag()],
    chosen_by("media_type", "text", "image video document audio", "location"),
]


class LimitedTimeOffer(Part):
    """When an offer ends; a number by the documents, text in the SDKs."""

    expiration_time_ms: Count


class QuickReply(Part):
    """What a quick reply sends back."""

    button_index: Count
    button_payload: Filled


class UrlAction(Part):
    """The end of a button's URL, or the code of an authentication template."""

    action_type: Literal["url"]
    action_index: Count
    action_payload: Filled


class CouponCode(Part):
    """A code to copy."""

    index: Count
    type: Literal["copy_code"]
    coupon_code: Filled


class FlowButton(Part):
    """A button that opens a flow."""

    flow_token: Filled
    action_type: Literal["flow"]
    index: Count
    flow_action_data: dict[str, Any] | None = None


class TemplateButtons(Part):
    """The groups of buttons; several may stand together."""

    quick_replies: list[QuickReply] | None = None
    actions: list[UrlAction] | None = None
    coupon_code: list[CouponCode] | None = None
    button_flow: list[FlowButton] | None = None


class CardComponent(Part):
    """A part of a card in Meta's style; what its parameters hold is passed through."""

    type: Literal["header", "body", "button"]
    sub_type: str | None = None
    index: Count | None = None
    parameters: list[dict[str, Any]] | None = None


class Card(Part):
    """One card of a carousel."""

    card_index: Count
    components: Annotated[list[CardComponent], Field(min_length=1)]


class Carousel(Part):
    """At most ten cards."""

    cards: Annotated[list[Card], Field(min_length=1, max_length=10), AfterValidator(distinct("card_index"))]


class Template(Part):
    """A template by its name, with what fills it."""

    template_id: Filled
    language: Filled
    body_parameter_values: Annotated[dict[str, str], AfterValidator(_counted)] | None = None
    media: TemplateMedia | None = None
    limited_time_offer: LimitedTimeOffer | None = None
    buttons: TemplateButtons | None = None
    carousel: Carousel | None = None
    # Meta's way to fill a template. D7 does not read it: it counts no parameters (seen in the field, EL).
    components: Any = None

    @property
    def parameter_count(self) -> int:
        """How many parameters D7 counts in the body."""
        return len(self.body_parameter_values or ())


class TemplateContent(Content):
    """`message_type` TEMPLATE."""

    message_type: Literal["TEMPLATE"]
    template: Template

    def warnings(self) -> list[str]:
        """Parameters given where D7 does not look."""
        odd = self.template.components is not None
        return ["components are not read: parameters belong in body_parameter_values"] if odd else []
