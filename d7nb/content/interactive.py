"""INTERACTIVE: messages with buttons, a list, an address form or a flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self
from unicodedata import category

from d7nb.content.bubble import Bubble, Button as DrawnButton, Line, Section as ListSection
from d7nb.content.preview import framed, lines_of
from d7nb.content.rules import (
    COUNTRY_CODE,
    D7,
    META,
    TEXT,
    URL,
    FileLink,
    RowRule,
    Rule,
    distinct,
    max_length,
    one_of,
)
from d7nb.content.schema.fields import is_bound
from d7nb.content.schema.part import Content, Part, free, items, leaf, nested
from d7nb.content.schema.paths import Tree, copy_tree, pop
from d7nb.problems import Problem

MEDIA = ("image", "video", "document")


class Header(Part):
    """A header of an interactive message. A plain text stands for a text header.

    Args:
        type: ``image``, ``video``, ``document`` or ``text``; it can't differ from row to row.
        link: The file's http(s) address. A row whose cell is empty gets a message without header.
        filename: What the recipient sees; with a document only.
        text: The text of a text header: at most 60 characters, with emoji but no markup (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Header
        >>> Header("image", "https://example.com/{picture}")
        Header(type='image', link='https://example.com/{picture}')
    """

    type: str = leaf("type", TEXT, one_of("text", *MEDIA, by=D7))
    link: str | None = leaf("link", TEXT, URL, default=None, carries=True)
    filename: str | None = leaf("filename", default=None)
    text: str | None = leaf("text", TEXT, max_length(60, D7), default=None)

    file_links: ClassVar[tuple[FileLink, ...]] = tuple(FileLink(f"{kind}.link", kind) for kind in MEDIA)
    shorthand: ClassVar[tuple[str, ...]] = ("text",)

    def structure(self) -> Iterator[Problem]:
        """Yield the problems with fields that the header's type needs or does not have."""
        if is_bound(self.type):
            yield Problem("bound_type", "a header's type can't be a column", "in Python, use by_column", field="type")
        elif self.type in {"text", *MEDIA}:
            required, excluded = ("text", "link") if self.type == "text" else ("link", "text")
            if getattr(self, required) is None:
                at = required if self.type == "text" else f"{self.type}.{required}"
                yield Problem("required", f"a header of type {self.type} needs its {required} (D7)", field=at)
            if getattr(self, excluded) is not None:
                yield Problem("no_field", f"a header of type {self.type} has no {excluded} (D7)", field=excluded)
            if self.filename is not None and self.type != "document":
                message = f"a header of type {self.type} takes no file name (D7)"
                yield Problem("no_filename", message, "leave the file name out", field="filename")

    def tree(self) -> dict[str, Tree]:
        """Return D7's JSON, in which a media header's fields are below the name of its type."""
        inner = super().tree()
        del inner["type"]
        return {"type": self.type, **(inner if self.type == "text" else {self.type: inner})}

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """Return the header whose tree this is."""
        kind = tree.get("type") if isinstance(tree, Mapping) else None
        if kind in MEDIA:
            tree = copy_tree(tree)
            media = {name: pop(tree, f"{kind}.{name}") for name in ("link", "filename")}
            tree |= {name: node for name, node in media.items() if node is not None}
        elif isinstance(kind, str) and kind != "text":
            tree = {"type": kind}  # only the unknown type is reported
        return super().from_tree(tree)

    @classmethod
    def from_scalar(cls, value: Any, position: int) -> Self:  # noqa: ARG003
        """Return a text header."""
        return cls("text", text=value)


_WHATSAPP = "WhatsApp's own button, in the customer's language"
_BODY = ("body.text", TEXT, max_length(1024, D7))
_FOOTER = ("footer.text", TEXT, max_length(60, D7))
_AnyHeader = Header | Mapping[str, Any] | str | None


class Button(Part):
    """A reply button; a bare text is its title and its id.

    Args:
        id: The id that comes back when it is pressed; at most 256 characters (Meta).
        title: The text on it; at most 20 characters (Meta).
    """

    id: str = leaf("reply.id", TEXT, max_length(256, META))
    title: str = leaf("reply.title", TEXT, max_length(20, META))

    constants: ClassVar[Mapping[str, Any]] = {"type": "reply"}
    shorthand: ClassVar[tuple[str, ...]] = ("id", "title")


class ReplyButtons(Content, message_type="INTERACTIVE", root="interactive", constants={"type": "button"}):
    """A text with one to three reply buttons below it (D7, WhatsApp API reference, "Send message").

    Args:
        body: At most 1,024 characters (D7).
        buttons: One to three (Meta) of ``{"id", "title"}``; ids and titles all different.
        header: A text, or `Header`.
        footer: At most 60 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import ReplyButtons
        >>> ReplyButtons("Coming on {day}?", [{"id": "yes-{id}", "title": "Yes"}, "No"]).buttons
        (Button(id='yes-{id}', title='Yes'), Button(id='No', title='No'))
    """

    body: str = leaf(*_BODY)
    buttons: Sequence[Button | Mapping[str, Any] | str] = items("action.buttons", Button, 1, 3, by=META)
    header: _AnyHeader = nested("header", Header, default=None)
    footer: str | None = leaf(*_FOOTER, default=None)

    row_rules: ClassVar[tuple[RowRule, ...]] = (
        distinct("action.buttons.*.reply.id", "button ids", META),
        distinct("action.buttons.*.reply.title", "button titles", META),
    )

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the buttons by their titles."""
        return framed(
            payload, buttons=tuple(DrawnButton(button["reply"]["title"]) for button in payload["action"]["buttons"])
        )


class Row(Part):
    """A row of a list; a bare text is its title and its id.

    Args:
        id: The id that comes back when it is chosen; at most 200 characters (Meta).
        title: The text on it; at most 24 characters (Meta).
        description: A line below the title; at most 72 characters (Meta).
    """

    id: str = leaf("id", TEXT, max_length(200, META))
    title: str = leaf("title", TEXT, max_length(24, META))
    description: str | None = leaf("description", TEXT, max_length(72, META), default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("id", "title")


class Section(Part):
    """A section of a list: ``{"title", "rows"}``; the title (24 characters, Meta) is optional in a list of one."""

    title: str | None = leaf("title", TEXT, max_length(24, META), default=None)
    rows: Sequence[Row | Mapping[str, Any] | str] = items("rows", Row, 1, 10, by=META, default=())


_TITLES_NEEDED = "with several sections each needs a title (Meta)"


def _title_fault(*titles: Any) -> str | None:
    return _TITLES_NEEDED if len(titles) > 1 and not all(titles) else None


class ListMessage(Content, message_type="INTERACTIVE", root="interactive", constants={"type": "list"}):
    """A text with a button that opens a list to choose from (D7, WhatsApp API reference, "Send message").

    Args:
        body: At most 1,024 characters (D7).
        button: The text on the button; at most 20 characters (Meta).
        sections: Up to ten of ``{"title", "rows": [{"id", "title", "description"}]}``, ten rows in all (Meta); row ids
            and row titles all different.
        header: A text (Meta takes no media here).
        footer: At most 60 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import ListMessage
        >>> ListMessage("Which branch?", "Choose", [{"rows": ["Deira", "Marina"]}]).sections[0].rows[1]
        Row(id='Marina', title='Marina')
    """

    body: str = leaf(*_BODY)
    button: str = leaf("action.button", TEXT, max_length(20, META))
    sections: Sequence[Section | Mapping[str, Any]] = items("action.sections", Section, 1, 10, by=META)
    header: _AnyHeader = nested("header", Header, default=None)
    footer: str | None = leaf(*_FOOTER, default=None)

    row_rules: ClassVar[tuple[RowRule, ...]] = (
        distinct("action.sections.*.rows.*.id", "row ids", META),
        distinct("action.sections.*.rows.*.title", "row titles", D7),
        RowRule("required", ("action.sections.*.title",), _title_fault, "fill the title in", META),
    )

    def structure(self) -> Iterator[Problem]:
        """Yield the problems with too many rows, missing section titles and a media header."""
        sections = [section for section in self.sections or () if isinstance(section, Section)]
        rows = sum(len(section.rows) for section in sections)
        if rows > 10:
            yield Problem("bad_count", f"{rows} rows in all, Meta takes at most 10", field="action.sections")
        if len(sections) > 1:
            for position, section in enumerate(sections):
                if section.title is None:
                    path = f"action.sections.{position}.title"
                    yield Problem("required", _TITLES_NEEDED, "fill it in", field=path)
        if isinstance(self.header, Header) and self.header.type != "text":
            yield Problem("media_header", "a list takes a text header only (Meta)", "give a text", field="header")

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the button, and the list that it opens."""
        action = payload["action"]
        sections = tuple(
            ListSection(section.get("title", ""), tuple(Line(row["title"], row.get("description", "")) for row in rows))
            for section in action["sections"]
            if (rows := section.get("rows", []))
        )
        return framed(payload, buttons=(DrawnButton(action["button"], "opens the list"),), sections=sections)


class CtaUrl(Content, message_type="INTERACTIVE", root="interactive", constants={"type": "cta_url"}):
    """A text with a button that opens an address (D7, WhatsApp API reference, "Send message").

    The action is sent without a ``name``, as D7's own SDKs send it.

    Args:
        body: At most 1,024 characters (D7).
        display_text: The text on the button; at most 20 characters (Meta).
        url: The http(s) address, sent as typed.
        header: A text, or `Header`.
        footer: At most 60 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import CtaUrl
        >>> CtaUrl("Your invoice is ready", "Open", "https://example.com/{invoice}")
        CtaUrl(body='Your invoice is ready', display_text='Open', url='https://example.com/{invoice}')
    """

    body: str = leaf(*_BODY)
    display_text: str = leaf("action.parameters.display_text", TEXT, max_length(20, META))
    url: str = leaf("action.parameters.url", TEXT, URL)
    header: _AnyHeader = nested("header", Header, default=None)
    footer: str | None = leaf(*_FOOTER, default=None)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the button, and the address that it opens."""
        parameters = payload["action"]["parameters"]
        return framed(payload, buttons=(DrawnButton(parameters["display_text"], f"opens {parameters['url']}"),))


class LocationRequest(
    Content,
    message_type="INTERACTIVE",
    root="interactive",
    constants={"type": "location_request_message", "action.name": "send_location"},
):
    """A text with a button by which the customer sends a location; it has no header and no footer.

    Args:
        body: At most 1,024 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import LocationRequest
        >>> LocationRequest("Where shall we deliver, {name}?")
        LocationRequest(body='Where shall we deliver, {name}?')
    """

    body: str = leaf(*_BODY)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the button, whose text is WhatsApp's."""
        return framed(payload, buttons=(DrawnButton("Send location", _WHATSAPP),))


class SavedAddress(Part):
    """An address that the customer can pick: ``{"id", "value": {...}}``."""

    id: str = leaf("id")
    value: Mapping[str, Any] = free("value", dict, TEXT)


class AddressMessage(Content, message_type="INTERACTIVE", root="interactive", constants={"type": "address_message"}):
    """A request for a postal address (D7, WhatsApp API reference, "Send message").

    The action is sent without a ``name``, as D7's own SDKs send it.

    Args:
        body: At most 1,024 characters (D7).
        country: Two letters; Meta offers it in India (IN) only.
        values: The values that the form begins with: ``name``, ``phone_number``, ``in_pin_code``, ``house_number``,
            ``floor_number``, ``tower_number``, ``building_name``, ``address``, ``landmark_area``, ``city``, ``state``.
        saved_addresses: A list of ``{"id", "value": {...}}`` to pick from.
        header: A text, or `Header`.
        footer: At most 60 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import AddressMessage
        >>> AddressMessage("Where do you live?", "IN", values={"name": "{name}"})
        AddressMessage(body='Where do you live?', country='IN', values={'name': '{name}'})
    """

    body: str = leaf(*_BODY)
    country: str = leaf("action.parameters.country", TEXT, COUNTRY_CODE, one_of("IN", by=META, severity="warning"))
    values: Mapping[str, Any] | None = free("action.parameters.values", dict, TEXT, default=None)
    saved_addresses: Sequence[SavedAddress | Mapping[str, Any]] | None = items(
        "action.parameters.saved_addresses", SavedAddress, default=None
    )
    header: _AnyHeader = nested("header", Header, default=None)
    footer: str | None = leaf(*_FOOTER, default=None)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the button, whose text is WhatsApp's, and the values that the form begins with."""
        parameters = payload["action"]["parameters"]
        values = lines_of(parameters.get("values", {}))
        saved = tuple(
            Line(name, ", ".join(rest))
            for address in parameters.get("saved_addresses", [])
            for name, *rest in [[line.text for line in lines_of(address["value"])]]
        )
        groups = {"filled in already": values, "saved addresses": saved}
        sections = tuple(ListSection(title, lines) for title, lines in groups.items() if lines)
        button = DrawnButton("Provide address", f"in {parameters['country']}; {_WHATSAPP}")
        return framed(payload, buttons=(button,), sections=sections)


_EMOJI_MARKS = "\ufe0f\u20e3"
"""Characters that make emoji of plain ones; all other emoji are symbols by their Unicode category."""


def _emoji_fault(text: str) -> str | None:
    has_emoji = any(category(character) == "So" or character in _EMOJI_MARKS for character in text)
    return "a flow's button can't show an emoji (Meta)" if has_emoji else None


class Flow(Content, message_type="INTERACTIVE", root="interactive", constants={"type": "flow", "action.name": "flow"}):
    """A text with a button that opens a WhatsApp flow (D7, WhatsApp API reference, "Send message").

    Args:
        body: At most 1,024 characters (D7).
        flow_id: The flow's id.
        flow_cta: The text on the button; at most 20 characters, no emoji (Meta).
        flow_token: A token that comes back with the answer.
        flow_message_version: The flow message's version.
        flow_action: ``navigate`` or ``data_exchange``.
        flow_action_payload: JSON for the first screen, such as ``{"screen": "WELCOME"}``.
        header: A text, or `Header`.
        footer: At most 60 characters (D7).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Flow
        >>> Flow("Book a visit", flow_id="1234", flow_cta="Book", flow_action_payload={"screen": "START"}).flow_cta
        'Book'
    """

    body: str = leaf(*_BODY)
    flow_id: str = leaf("action.parameters.flow_id")
    flow_cta: str = leaf(
        "action.parameters.flow_cta",
        TEXT,
        max_length(20, META),
        Rule("emoji", _emoji_fault, "leave the emoji out", META),
    )
    flow_token: str | None = leaf("action.parameters.flow_token", default=None)
    flow_message_version: str = leaf("action.parameters.flow_message_version", default="3")
    flow_action: str | None = leaf(
        "action.parameters.flow_action", TEXT, one_of("navigate", "data_exchange", by=META), default=None
    )
    flow_action_payload: Mapping[str, Any] | None = free("action.parameters.flow_action_payload", dict, default=None)
    header: _AnyHeader = nested("header", Header, default=None)
    footer: str | None = leaf(*_FOOTER, default=None)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the button, and the flow that it opens."""
        parameters = payload["action"]["parameters"]
        screen = parameters.get("flow_action_payload", {}).get("screen")
        does = f"opens flow {parameters['flow_id']}" + f" at {screen}" * bool(screen)
        return framed(payload, buttons=(DrawnButton(parameters["flow_cta"], does),))
