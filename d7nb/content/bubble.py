"""A message as the person who gets it would see it, as plain data: content types make it, displays draw it.

It holds words only, no markup and no addresses to load; whatever stands in it is shown as text.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


def _word(value: object) -> str:
    """A value as text: a plugin may hand in what its JSON holds.

    Raises:
        TypeError: It is no single value.
    """
    if isinstance(value, dict | list | tuple | set):
        message = f"a text is wanted, not a {type(value).__name__}"
        raise TypeError(message)
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Line:
    """A label with what belongs to it: a contact's phone, a template's parameter, a row of a list and its description.

    Args:
        label: What it is.
        text: What it says.
    """

    label: str
    text: str = ""

    def __post_init__(self) -> None:
        _read(self)


@dataclass(frozen=True)
class Section:
    """Rows under a title, as a list message has them."""

    title: str = ""
    rows: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        _read(self)


@dataclass(frozen=True)
class Button:
    """Something to press.

    Args:
        text: What it says.
        does: What happens then, in a few words, such as ``opens https://example.com``.
    """

    text: str
    does: str = ""

    def __post_init__(self) -> None:
        _read(self)


@dataclass(frozen=True)
class Media:
    """A file or a place. It is never fetched: a preview shows what it is, its name and its address.

    Args:
        kind: ``image``, ``video``, ``audio``, ``document``, ``sticker`` or ``location``; other words are
            shown as they are.
        name: The file's name, or the place's.
        text: Its address: a URL, or coordinates.
    """

    kind: str
    name: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        _read(self)


@dataclass(frozen=True)
class Bubble:
    """One message, part by part, from top to bottom.

    Args:
        label: What sort of message it is, where that does not show by itself.
        media: A file or a place, above the words.
        header: The line in bold above the body.
        body: What the message says; WhatsApp's ``*bold* _italic_ ~strike~`` and code are drawn as such.
        lines: More of it, each with a label.
        cards: Smaller bubbles inside this one: contact cards, the cards of a carousel.
        footer: The small line below.
        buttons: What can be pressed.
        sections: What can be chosen, once a button has opened the list.
        note: A word of our own to whoever looks at the preview.
        lang: The language of the words, where it is known, such as ``en-GB``.
        shape: ``reaction`` and ``sticker`` are drawn without a frame; everything else as a bubble.

    Raises:
        TypeError: A part is not what it should be.

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
        _read(self)


_PARTS: dict[str, type] = {"lines": Line, "cards": Bubble, "buttons": Button, "sections": Section, "rows": Line}


def _read(part: Line | Section | Button | Media | Bubble) -> None:
    """Bring what was given into shape, so that no display stumbles over it later."""
    for field in fields(part):
        value = getattr(part, field.name)
        wanted = _PARTS.get(field.name)
        if wanted is not None:
            given = tuple(value)
            if strangers := [each for each in given if not isinstance(each, wanted)]:
                message = f"{field.name} must be of {wanted.__name__}, not {type(strangers[0]).__name__}"
                raise TypeError(message)
            object.__setattr__(part, field.name, given)
        elif field.name == "media":
            if not isinstance(value, Media | None):
                message = f"media must be a Media, not a {type(value).__name__}"
                raise TypeError(message)
        else:
            object.__setattr__(part, field.name, _word(value))
