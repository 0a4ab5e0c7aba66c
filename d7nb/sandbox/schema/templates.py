"""The content TEMPLATE (D7, "Custom Template Messages", "LTO Template Messages" and "Carousel Template Message")."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from d7nb.sandbox.schema.base import HttpUrl, NonEmptyStr, NonNegativeInt, StrictModel, discriminator, distinct, tag
from d7nb.sandbox.schema.contents import Content, Location


def _check_keys(values: dict[str, str]) -> dict[str, str]:
    """Check that the keys count from "0", as in D7's samples, or from "1", as in D7's Nagios plugin."""
    if not any(values.keys() == {str(n) for n in range(first, first + len(values))} for first in (0, 1)):
        raise ValueError('the keys should count from "0", or from "1", without a gap')
    return values


class TextMedia(StrictModel):
    """The variable of a text header."""

    media_type: Literal["text"]
    text_header_title: NonEmptyStr


class FileMedia(StrictModel):
    """The file of a media header."""

    media_type: Literal["image", "video", "document", "audio"]
    media_url: HttpUrl


class LocationMedia(StrictModel):
    """The location of a location header."""

    media_type: Literal["location"]
    location: Location


class UnknownMedia(StrictModel):
    """A header of any other type, which is refused at its `media_type`."""

    model_config = ConfigDict(extra="ignore")
    media_type: Literal["text", "image", "video", "document", "audio", "location"]


TemplateMedia = Annotated[
    Annotated[TextMedia, tag("text")]
    | Annotated[FileMedia, tag("image video document audio")]
    | Annotated[LocationMedia, tag("location")]
    | Annotated[UnknownMedia, tag()],
    discriminator("media_type", "text", "image video document audio", "location"),
]


class LimitedTimeOffer(StrictModel):
    """The time at which an offer ends: a number on D7's pages, a text in its SDKs."""

    expiration_time_ms: NonNegativeInt


class QuickReply(StrictModel):
    """The payload that a quick-reply button sends back."""

    button_index: NonNegativeInt
    button_payload: NonEmptyStr


class UrlAction(StrictModel):
    """The variable end of a button's URL, or the code of an authentication template."""

    action_type: Literal["url"]
    action_index: NonNegativeInt
    action_payload: NonEmptyStr


class CouponCode(StrictModel):
    """A code to copy."""

    index: NonNegativeInt
    type: Literal["copy_code"]
    coupon_code: NonEmptyStr


class FlowButton(StrictModel):
    """A button that opens a flow."""

    flow_token: NonEmptyStr
    action_type: Literal["flow"]
    index: NonNegativeInt
    flow_action_data: dict[str, Any] | None = None


class TemplateButtons(StrictModel):
    """The groups of buttons; a template may have several."""

    quick_replies: list[QuickReply] | None = None
    actions: list[UrlAction] | None = None
    coupon_code: list[CouponCode] | None = None
    button_flow: list[FlowButton] | None = None


class CardComponent(StrictModel):
    """A component of a card as Meta has it; its parameters are not checked."""

    type: Literal["header", "body", "button"]
    sub_type: str | None = None
    index: NonNegativeInt | None = None
    parameters: list[dict[str, Any]] | None = None


class Card(StrictModel):
    """A card of a carousel."""

    card_index: NonNegativeInt
    components: Annotated[list[CardComponent], Field(min_length=1)]


class Carousel(StrictModel):
    """Up to ten cards with different indexes."""

    cards: Annotated[list[Card], Field(min_length=1, max_length=10), AfterValidator(distinct("card_index"))]


class Template(StrictModel):
    """A template's name, language and parameters."""

    template_id: NonEmptyStr
    language: NonEmptyStr
    body_parameter_values: Annotated[dict[str, str], AfterValidator(_check_keys)] | None = None
    media: TemplateMedia | None = None
    limited_time_offer: LimitedTimeOffer | None = None
    buttons: TemplateButtons | None = None
    carousel: Carousel | None = None
    # Meta's field for parameters. D7 is reported to ignore it, and so to count no parameters.
    components: Any = None

    @property
    def parameter_count(self) -> int:
        """The number of parameters that D7 counts in the body."""
        return len(self.body_parameter_values or ())


class TemplateContent(Content):
    """`message_type` TEMPLATE."""

    message_type: Literal["TEMPLATE"]
    template: Template

    def warnings(self) -> list[str]:
        """Warn about parameters in `components`, which D7 does not read."""
        if self.template.components is None:
            return []
        return ["components are not read: parameters belong in body_parameter_values"]
