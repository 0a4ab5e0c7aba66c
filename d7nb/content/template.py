"""TEMPLATE: an approved template with its parameters (d7-api.md section 1.7)."""

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

    file_links: ClassVar[tuple[FileLink, ...]] = (FileLink("media_url", kind_at="media_type"),)
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

    file_links: ClassVar[tuple[FileLink, ...]] = tuple(
        FileLink(f"components.*.parameters.*.{kind}.link", kind) for kind in FILES
    )


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

    @classmethod
    def bubble(cls, said: Mapping[str, Any]) -> Bubble:
        """What is filled in: D7 has no way to ask for the template's own words."""
        header = said.get("media", {})
        kind = header.get("media_type", "")
        media, lines = None, tuple(_parameters(said.get("body_parameter_values", {})))
        if kind == "location":
            media, address = place_of(header.get("location", {}))
            lines = (*address, *lines)
        elif kind in FILES:
            media = file_of(kind, {"url": header.get("media_url")})
        if ends := said.get("limited_time_offer", {}).get("expiration_time_ms"):
            lines = (*lines, Line("offer ends", _when(ends)))
        return Bubble(
            label=f"Template {said.get('template_id', '')}, {said.get('language', '')}",
            media=media,
            header=header.get("text_header_title", ""),
            lines=lines,
            cards=tuple(_card(card) for card in said.get("carousel", {}).get("cards", [])),
            buttons=tuple(button for _, button in sorted(_buttons(said.get("buttons", {})), key=lambda pair: pair[0])),
            note="The template's own words are kept at Meta; here is only what goes into them.",
            lang=str(said.get("language", "")).replace("_", "-"),
        )


def _parameters(values: Mapping[str, Any]) -> Iterator[Line]:
    for place in sorted(values, key=lambda key: (len(key), key)):
        yield Line(f"{{{{{int(place) + 1}}}}}", values[place])  # D7 counts from 0, the template itself from 1


def _when(milliseconds: Any) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(milliseconds)):%Y-%m-%d %H:%M UTC}"


_BUTTON_GROUPS = {
    "quick_replies": ("button_index", "button_payload", "answers"),
    "actions": ("action_index", "action_payload", "its address ends in"),
    "coupon_code": ("index", "coupon_code", "copies"),
    "button_flow": ("index", "", "opens a flow"),
}
"""Of each group of buttons: where a button's place stands, where its value, and what pressing it does."""


def _buttons(groups: Mapping[str, Any]) -> Iterator[tuple[int, Button]]:
    """The buttons that something is filled into, by place; what they say is the template's own."""
    for group, (index, value, does) in _BUTTON_GROUPS.items():
        for button in groups.get(group, []):
            place, words = int(button[index]), f"{does} {button[value]}" if value else does
            yield place, Button(f"Button {place + 1}", words)


def _card(card: Mapping[str, Any]) -> Bubble:
    """A card of a carousel; its components are Meta's, and the user's own to fill."""
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
            does = first.get("payload") or first.get("text") or first.get("coupon_code") or ""
            words = f"{component.get('sub_type', '')} {does}".replace("_", " ", 1).strip()
            buttons.append(Button(f"Button {int(component.get('index', 0)) + 1}", words))
        elif kind == "body":
            lines += [Line(f"{{{{{place}}}}}", each.get("text", "")) for place, each in enumerate(parameters, 1)]
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
