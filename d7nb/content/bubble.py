"""A message as its recipient would see it, as plain data: content types make it, displays draw it.

It holds texts only, no markup and no addresses to load; whatever is in it is shown as text.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from d7nb.errors import type_in_words


def _as_text(value: object) -> str:
    """Return a value as text, since a plugin may pass what its JSON holds.

    Raises:
        TypeError: The value is a list or a dict.
    """
    if isinstance(value, dict | list | tuple | set):
        message = f"give a text, not {type_in_words(value)}"
        raise TypeError(message)
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Line:
    """A label with a text: a contact's phone, a template's parameter, a row of a list with its description.

    Args:
        label: The name of the text, such as "phone".
        text: The text.
    """

    label: str
    text: str = ""

    def __post_init__(self) -> None:
        _validate(self)


@dataclass(frozen=True)
class Section:
    """Rows under a title, as a list message has them."""

    title: str = ""
    rows: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        _validate(self)


@dataclass(frozen=True)
class Button:
    """A button.

    Args:
        text: The text on it.
        does: What pressing it does, in a few words, such as ``opens https://example.com``.
    """

    text: str
    does: str = ""

    def __post_init__(self) -> None:
        _validate(self)


@dataclass(frozen=True)
class Media:
    """A file or a place on the map. It is never fetched: a preview shows its kind, its name and its address.

    Args:
        kind: ``image``, ``video``, ``audio``, ``document``, ``sticker`` or ``location``; other kinds are
            shown as they are.
        name: The file's name, or the place's.
        text: Its address: a URL, or coordinates.
    """

    kind: str
    name: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        _validate(self)


@dataclass(frozen=True)
class Bubble:
    """One message, part by part, from top to bottom.

    Args:
        label: The kind of message, where that is not obvious from the rest.
        media: A file or a place, above the text.
        header: The line in bold above the body.
        body: The text of the message; WhatsApp's ``*bold* _italic_ ~strike~`` and code are drawn as such.
        lines: More texts, each with a label.
        cards: Smaller bubbles inside this one: contact cards, the cards of a carousel.
        footer: The small line below.
        buttons: The buttons below the message.
        sections: The list that a button opens.
        note: A remark to whoever looks at the preview; it is not part of the message.
        lang: The language of the texts, where it is known, such as ``en-GB``.
        shape: ``reaction`` and ``sticker`` are drawn without a frame; everything else as a bubble.

    Raises:
        TypeError: An argument has the wrong type.

    Example:
        >>> Bubble(body="Are you coming?", buttons=(Button("Yes"), Button("No"))).buttons[0].text
        'Yes'
    """

    label: str = ""
    media: Media | None = None
    header: str = ""
    body: str = ""
    lines: tuple[Line, ...] = ()
    cards: tuple[Bubble, ...] = ()
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    sections: tuple[Section, ...] = ()
    note: str = ""
    lang: str = ""
    shape: str = ""

    def __post_init__(self) -> None:
        _validate(self)


_PARTS: dict[str, type] = {"lines": Line, "cards": Bubble, "buttons": Button, "sections": Section, "rows": Line}


def _validate(part: Line | Section | Button | Media | Bubble) -> None:
    """Turn lists into tuples and values into texts, so that a wrong type fails here and not in a display."""
    for field in fields(part):
        value = getattr(part, field.name)
        part_type = _PARTS.get(field.name)
        if part_type is not None:
            parts = tuple(value)
            if wrong := [inner for inner in parts if not isinstance(inner, part_type)]:
                message = f"{field.name} takes {part_type.__name__} objects, not {type_in_words(wrong[0])}"
                raise TypeError(message)
            object.__setattr__(part, field.name, parts)
        elif field.name == "media":
            if not isinstance(value, Media | None):
                message = f"media must be a Media, not {type_in_words(value)}"
                raise TypeError(message)
        else:
            object.__setattr__(part, field.name, _as_text(value))
