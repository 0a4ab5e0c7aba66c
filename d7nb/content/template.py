"""TEMPLATE: an approved template with its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from d7nb.content.bubble import Bubble, Button, Line
from d7nb.content.preview import file_of, lines_of, place_of
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
    FileLink,
    RowRule,
    between,
    distinct,
    one_of,
)
from d7nb.content.schema.part import Content, Part, free, items, leaf, nested
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
    """Return the rules that headers of these types have a value at `path`, and no other header has one."""

    def lacks(value: Any, kind: Any) -> str | None:
        return f"a header of type {kind} needs {path} (D7)" if kind in kinds and value is None else None

    def must_lack(value: Any, kind: Any) -> str | None:
        return f"a header of type {kind} has no {path} (D7)" if kind not in kinds and value is not None else None

    paths = (path, "media_type")
    return RowRule("required", paths, lacks, "fill it in", D7), RowRule("no_field", paths, must_lack, "empty it", D7)


class Media(Part):
    """A template's header where it is not static, with D7's field names.

    Args:
        media_type: ``text``, ``image``, ``video``, ``document``, ``audio`` or ``location``.
        media_url: The file's address, where it is a file.
        text_header_title: The text, where it is a text.
        location: ``{"latitude", "longitude", "name", "address"}``, where it is a location.
    """

    media_type: str = leaf("media_type", TEXT, one_of("text", "location", *FILES, by=D7))
    media_url: str | None = leaf("media_url", TEXT, URL, default=None)
    text_header_title: str | None = leaf("text_header_title", TEXT, ONE_LINE, default=None)
    location: Place | Mapping[str, Any] | None = nested("location", Place, default=None)

    file_links: ClassVar[tuple[FileLink, ...]] = (FileLink("media_url", kind_at="media_type"),)
    row_rules: ClassVar[tuple[RowRule, ...]] = (
        *_belongs("media_url", *FILES),
        *_belongs("text_header_title", "text"),
        *_belongs("location.latitude", "location"),
    )


class QuickReply(Part):
    """The payload that a quick-reply button sends back; a bare text is the payload of the next button."""

    button_index: str = leaf("button_index", TEXT, PLACE_FROM_0)
    button_payload: str = leaf("button_payload")

    shorthand: ClassVar[tuple[str, ...]] = ("button_payload",)

    @classmethod
    def from_scalar(cls, value: Any, position: int) -> Self:
        """Return the entry of the button at this position."""
        return cls(str(position), value)


class Action(Part):
    """The suffix of a button's dynamic address, or an authentication code; a bare text is the next button's."""

    action_index: str = leaf("action_index", TEXT, PLACE_FROM_0)
    action_payload: str = leaf("action_payload")
    action_type: str = leaf("action_type", TEXT, one_of("url", by=D7), default="url")

    shorthand: ClassVar[tuple[str, ...]] = ("action_payload",)

    @classmethod
    def from_scalar(cls, value: Any, position: int) -> Self:
        """Return the entry of the button at this position."""
        return cls(str(position), value)


class Coupon(Part):
    """The code of a copy-code button; a bare text is the code."""

    coupon_code: str = leaf("coupon_code")
    index: int = leaf("index", WHOLE, PLACE_FROM_0, default=0)
    type: str = leaf("type", TEXT, one_of("copy_code", by=D7), default="copy_code")

    shorthand: ClassVar[tuple[str, ...]] = ("coupon_code",)


class FlowButton(Part):
    """The button of a template that opens a flow."""

    index: str = leaf("index", TEXT, PLACE_FROM_0, default="0")
    flow_token: str = leaf("flow_token", default="unused")
    action_type: str = leaf("action_type", TEXT, one_of("flow", by=D7), default="flow")
    flow_action_data: Mapping[str, Any] | None = free("flow_action_data", dict, default=None)


class Offer(Part):
    """The end of a limited-time offer: Unix time in milliseconds, or a datetime with a time zone."""

    expiration_time_ms: Any = leaf(
        "expiration_time_ms", MILLISECONDS, between(10**12, 10**14, "give milliseconds since 1970, not seconds")
    )

    shorthand: ClassVar[tuple[str, ...]] = ("expiration_time_ms",)


class Card(Part):
    """One card of a carousel."""

    card_index: str = leaf("card_index", TEXT, PLACE_FROM_0)
    components: Sequence[Any] = free("components", list, every=True)

    file_links: ClassVar[tuple[FileLink, ...]] = tuple(
        FileLink(f"components.*.parameters.*.{kind}.link", kind) for kind in FILES
    )


class Carousel(Part):
    """Up to ten cards (D7): ``{"cards": [{"card_index", "components": [...]}]}``, components as in Meta's API."""

    cards: Sequence[Card | Mapping[str, Any]] = items("cards", Card, 1, 10)

    row_rules: ClassVar[tuple[RowRule, ...]] = (distinct("cards.*.card_index", "card indexes", D7),)


class Template(Content, message_type="TEMPLATE", root="template"):
    """A template that Meta approved: the only content that may go outside the 24-hour window.

    Documented in D7, WhatsApp API reference, "Send message".

    Args:
        template_id: The template's name.
        language: Its language, such as ``en`` or ``en_GB``.
        body_parameters: The body's parameters in order, or D7's own mapping ``{"0": ...}``; each on one line (Meta).
        media: The header where it is not static: ``{"media_type", "media_url" | "text_header_title" | "location"}``.
        limited_time_offer: The end of the offer in milliseconds, a datetime with a zone, or ``{"expiration_time_ms"}``.
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
        """Bring shorthands into D7's form: a list of parameters, a single coupon or flow button."""
        parameters = self.body_parameters
        if isinstance(parameters, list | tuple):
            by_position = {str(position): value for position, value in enumerate(parameters)}
            object.__setattr__(self, "body_parameters", by_position)
        elif isinstance(parameters, Mapping):
            in_order = sorted(parameters.items(), key=lambda item: (len(str(item[0])), str(item[0])))
            object.__setattr__(self, "body_parameters", dict(in_order))
        for name in ("coupon_code", "button_flow"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, list | tuple):
                object.__setattr__(self, name, [value])
        super().__post_init__()

    def structure(self) -> Iterator[Problem]:
        """Yield a problem for each parameter that is left out.

        D7 numbers them from 0; Meta takes a list, which can have no gap. What D7 makes of one is not documented.
        """
        parameters = self.body_parameters or {}
        for key in map(str, range(len(parameters))):
            if key not in parameters:
                message = f'parameter {key} is missing: D7 numbers all of them from "0" without a gap'
                yield Problem("required", message, "fill it in, or give a list", field=f"body_parameter_values.{key}")

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the values that are filled in; D7 has no endpoint for the template's own text."""
        header = payload.get("media", {})
        kind = header.get("media_type", "")
        media, lines = None, tuple(_parameters(payload.get("body_parameter_values", {})))
        if kind == "location":
            media, address = place_of(header.get("location", {}))
            lines = (*address, *lines)
        elif kind in FILES:
            media = file_of(kind, {"url": header.get("media_url")})
        if ends := payload.get("limited_time_offer", {}).get("expiration_time_ms"):
            lines = (*lines, Line("offer ends", _utc(ends)))
        return Bubble(
            label=f"Template {payload.get('template_id', '')}, {payload.get('language', '')}",
            media=media,
            header=header.get("text_header_title", ""),
            lines=lines,
            cards=tuple(_card(card) for card in payload.get("carousel", {}).get("cards", [])),
            buttons=tuple(
                button for _, button in sorted(_buttons(payload.get("buttons", {})), key=lambda pair: pair[0])
            ),
            note="The template's own words are kept at Meta; here is only what goes into them.",
            lang=str(payload.get("language", "")).replace("_", "-"),
        )


def _parameters(values: Mapping[str, Any]) -> Iterator[Line]:
    for key in sorted(values, key=lambda key: (len(key), key)):
        yield Line(f"{{{{{int(key) + 1}}}}}", values[key])  # D7 counts from 0, the template itself from 1


def _utc(milliseconds: Any) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds)):%Y-%m-%d %H:%M UTC}"


_BUTTON_GROUPS = {
    "quick_replies": ("button_index", "button_payload", "answers"),
    "actions": ("action_index", "action_payload", "its address ends in"),
    "coupon_code": ("index", "coupon_code", "copies"),
    "button_flow": ("index", "", "opens a flow"),
}
"""For each group of buttons, the keys of a button's position and of its value, and what pressing it does."""


def _buttons(groups: Mapping[str, Any]) -> Iterator[tuple[int, Button]]:
    """Yield the buttons that have values filled in, with their positions; their titles are the template's."""
    for group, (position_key, value_key, effect) in _BUTTON_GROUPS.items():
        for button in groups.get(group, []):
            position = int(button[position_key])
            yield position, Button(f"Button {position + 1}", f"{effect} {button[value_key]}" if value_key else effect)


def _card(card: Mapping[str, Any]) -> Bubble:
    """Draw a card of a carousel; its components are as in Meta's API."""
    media, header, buttons = None, "", []
    lines: list[Line] = []
    for component in card.get("components", []):
        kind, parameters = component.get("type"), component.get("parameters", [])
        first = parameters[0] if parameters else {}
        if kind == "header" and first.get("type") in FILES:
            media = file_of(first["type"], first.get(first["type"], {}))
        elif kind == "header" and first.get("type") == "text":
            header = first.get("text", "")
        elif kind == "button":
            value = first.get("payload") or first.get("text") or first.get("coupon_code") or ""
            effect = f"{component.get('sub_type', '')} {value}".replace("_", " ", 1).strip()
            buttons.append(Button(f"Button {int(component.get('index', 0)) + 1}", effect))
        elif kind == "body":
            lines += [
                Line(f"{{{{{number}}}}}", parameter.get("text", "")) for number, parameter in enumerate(parameters, 1)
            ]
        else:
            lines += lines_of(component)
    return Bubble(
        label=f"Card {int(card['card_index']) + 1}",
        media=media,
        header=header,
        lines=tuple(lines),
        buttons=tuple(buttons),
        shape="card",
    )
