"""TEMPLATE: an approved template with its parameters (d7-api.md section 1.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from d7nb.content.declare import Content, Part, free, items, leaf, nested
from d7nb.content.rules import (
    D7,
    DECIMAL,
    LATITUDE,
    LONGITUDE,
    MILLISECONDS,
    ONE_LINE,
    PLACE_FROM_0,
    TEXT,
    URL,
    WHOLE,
    RowRule,
    between,
    distinct,
    one_of,
)
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILES = ("image", "video", "document", "audio")


class Place(Part):
    """The place of a template's location header."""

    latitude: float | str = leaf("latitude", DECIMAL, LATITUDE)
    longitude: float | str = leaf("longitude", DECIMAL, LONGITUDE)
    name: str | None = leaf("name", default=None)
    address: str | None = leaf("address", default=None)


def _belongs(path: str, *kinds: str) -> tuple[RowRule, RowRule]:
    """A header of these types has what stands at `path`, and no other header has."""

    def lacking(value: Any, kind: Any) -> str | None:
        return f"a header of type {kind} needs {path} (D7)" if kind in kinds and value is None else None

    def unwanted(value: Any, kind: Any) -> str | None:
        return f"a header of type {kind} has no {path} (D7)" if kind not in kinds and value is not None else None

    paths = (path, "media_type")
    return RowRule("required", paths, lacking, "fill it in", D7), RowRule("no_field", paths, unwanted, "empty it", D7)


class Media(Part):
    """A template's header where it is not static, in D7's own words.

    Args:
        media_type: ``text``, ``image``, ``video``, ``document``, ``audio`` or ``location``.
        media_url: The file's address, where it is a file.
        text_header_title: The words, where it is a text.
        location: ``{"latitude", "longitude", "name", "address"}``, where it is a location.
    """

    media_type: str = leaf("media_type", TEXT, one_of("text", "location", *FILES, by=D7))
    media_url: str | None = leaf("media_url", TEXT, URL, default=None)
    text_header_title: str | None = leaf("text_header_title", TEXT, ONE_LINE, default=None)
    location: Place | Mapping[str, Any] | None = nested("location", Place, default=None)

    row_rules: ClassVar[tuple[RowRule, ...]] = (
        *_belongs("media_url", *FILES),
        *_belongs("text_header_title", "text"),
        *_belongs("location.latitude", "location"),
    )


class QuickReply(Part):
    """What a quick-reply button sends back; a bare text is the payload of the next button."""

    button_index: str = leaf("button_index", TEXT, PLACE_FROM_0)
    button_payload: str = leaf("button_payload")

    short: ClassVar[tuple[str, ...]] = ("button_payload",)

    @classmethod
    def from_scalar(cls, value: Any, place: int) -> Self:
        """Buttons count from 0."""
        return cls(str(place), value)


class Action(Part):
    """What a dynamic address or an authentication button gets; a bare text is the next button's address suffix."""

    action_index: str = leaf("action_index", TEXT, PLACE_FROM_0)
    action_payload: str = leaf("action_payload")
    action_type: str = leaf("action_type", TEXT, one_of("url", by=D7), default="url")

    short: ClassVar[tuple[str, ...]] = ("action_payload",)

    @classmethod
    def from_scalar(cls, value: Any, place: int) -> Self:
        """Buttons count from 0."""
        return cls(str(place), value)


class Coupon(Part):
    """The code of a copy-code button; a bare text is the code."""

    coupon_code: str = leaf("coupon_code")
    index: int = leaf("index", WHOLE, PLACE_FROM_0, default=0)
    type: str = leaf("type", TEXT, one_of("copy_code", by=D7), default="copy_code")

    short: ClassVar[tuple[str, ...]] = ("coupon_code",)


class FlowButton(Part):
    """The button of a template that opens a flow."""

    index: str = leaf("index", TEXT, PLACE_FROM_0, default="0")
    flow_token: str = leaf("flow_token", default="unused")
    action_type: str = leaf("action_type", TEXT, one_of("flow", by=D7), default="flow")
    flow_action_data: Mapping[str, Any] | None = free("flow_action_data", dict, default=None)


class Offer(Part):
    """When a limited-time offer ends: Unix time in milliseconds, or a datetime with a zone."""

    expiration_time_ms: Any = leaf(
        "expiration_time_ms", MILLISECONDS, between(10**12, 10**14, "give milliseconds since 1970, not seconds")
    )

    short: ClassVar[tuple[str, ...]] = ("expiration_time_ms",)


class Card(Part):
    """One card of a carousel."""

    card_index: str = leaf("card_index", TEXT, PLACE_FROM_0)
    components: Sequence[Any] = free("components", list, every=True)


class Carousel(Part):
    """Up to ten cards (D7): ``{"cards": [{"card_index", "components": [...]}]}``, components as Meta has them."""

    cards: Sequence[Card | Mapping[str, Any]] = items("cards", Card, 1, 10)

    row_rules: ClassVar[tuple[RowRule, ...]] = (distinct("cards.*.card_index", "card indexes", D7),)


class Template(Content, message_type="TEMPLATE", root="template"):
    """A template that Meta approved: the one content that may go outside the 24-hour window (d7-api.md section 1.7).

    Args:
        template_id: The template's name.
        language: Its language, such as ``en`` or ``en_GB``.
        body_parameters: The body's parameters in order, or D7's own mapping ``{"0": ...}``; each on one line (Meta).
        media: The header where it is not static: ``{"media_type", "media_url" | "text_header_title" | "location"}``.
        limited_time_offer: When the offer ends: milliseconds, a datetime with a zone, or ``{"expiration_time_ms"}``.
        quick_replies: Payloads in the buttons' order, or ``{"button_index", "button_payload"}``.
        actions: Suffixes of dynamic addresses, or ``{"action_type", "action_index", "action_payload"}``.
        coupon_code: The code to copy, or a list of ``{"index", "type", "coupon_code"}``.
        button_flow: A list of ``{"flow_token", "action_type", "index", "flow_action_data"}``.
        carousel: ``{"cards": [{"card_index", "components"}]}``.

    Raises:
        ContentError: A literal breaks a rule, or a template string is malformed.

    Example:
        >>> from d7nb import Template, col
        >>> Template("balance_due", "en", body_parameters=[col("name"), "{balance:,.2f}"])
        Template(template_id='balance_due', language='en', body_parameters={'0': col('name'), '1': '{balance:,.2f}'})
    """

    template_id: str = leaf("template_id")
    language: str = leaf("language")
    body_parameters: Any = free("body_parameter_values", dict, TEXT, ONE_LINE, default=None, every=True)
    media: Media | Mapping[str, Any] | None = nested("media", Media, default=None)
    limited_time_offer: Any = nested("limited_time_offer", Offer, default=None)
    quick_replies: Sequence[QuickReply | Mapping[str, Any] | str] | None = items(
        "buttons.quick_replies", QuickReply, default=None
    )
    actions: Sequence[Action | Mapping[str, Any] | str] | None = items("buttons.actions", Action, default=None)
    coupon_code: Any = items("buttons.coupon_code", Coupon, default=None)
    button_flow: Any = items("buttons.button_flow", FlowButton, default=None)
    carousel: Carousel | Mapping[str, Any] | None = nested("carousel", Carousel, default=None)

    def __post_init__(self) -> None:
        """Bring the short forms into D7's: a list of parameters, a single coupon or flow button."""
        given = self.body_parameters
        if isinstance(given, list | tuple):
            object.__setattr__(self, "body_parameters", {str(place): value for place, value in enumerate(given)})
        elif isinstance(given, Mapping):
            in_order = sorted(given.items(), key=lambda item: (len(str(item[0])), str(item[0])))
            object.__setattr__(self, "body_parameters", dict(in_order))
        for name in ("coupon_code", "button_flow"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, list | tuple):
                object.__setattr__(self, name, [given])
        super().__post_init__()

    def structure(self) -> Iterator[Problem]:
        """D7 reads the parameters in the order of their keys, so none may be left out (section 8, row 18)."""
        keys = self.body_parameters or {}
        for place in map(str, range(len(keys))):
            if place not in keys:
                message = f'there is no parameter {place}, but D7 counts all of them: "0", "1", "2"...'
                yield Problem("required", message, "fill it in, or give a list", field=f"body_parameter_values.{place}")
