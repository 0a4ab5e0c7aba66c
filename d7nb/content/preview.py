"""From a content's filled JSON to the bubble that shows it; a type that does not draw itself is drawn as declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line, Media, Section
from d7nb.content.rules import TEXT
from d7nb.content.schema.fields import Items, Leaf, Nested
from d7nb.content.schema.paths import copied, leaves, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.content.schema.part import Content, Part


def bubble_of(kind: type[Content], content: Mapping[str, Any]) -> Bubble:
    """The bubble of one message.

    Args:
        kind: Its content type. One whose own drawing fails is drawn by its declaration, and the bubble says so.
        content: D7's whole content object, filled in.

    Example:
        >>> from d7nb import Text
        >>> bubble_of(Text, {"message_type": "TEXT", "text": {"body": "Hi"}}).body
        'Hi'
    """
    rest = {key: node for key, node in content.items() if key != "message_type"}
    said = rest.get(kind.root, {}) if kind.root else rest
    try:
        drawn: object = kind.bubble(said)
        if isinstance(drawn, Bubble):
            return drawn
        why = f"bubble() answered a {type(drawn).__name__}, not a Bubble"
    except Exception as error:  # noqa: BLE001  (a plugin's drawing must not take the whole display with it)
        why = f"{type(error).__name__}: {error}"
    return replace(sketch(kind, said), note=f"{kind.__name__} could not be drawn in its own way: {why}")


def sketch(kind: type[Part], said: Any) -> Bubble:
    """Draw a part by its declaration alone: its first text is the body, lists are sections, all else are lines.

    Args:
        kind: What is drawn.
        said: Its JSON, filled in.
    """
    body = ""
    lines: list[Line] = []
    sections: list[Section] = []
    for name, spec, node in _fields(kind, said):
        if isinstance(spec, Items) and isinstance(node, list):
            sections.append(Section(name, tuple(_row(spec.part, item) for item in node)))
        elif not body and isinstance(spec, Leaf) and spec.kind is TEXT and isinstance(node, str):
            body = node
        else:
            part = spec.part if isinstance(spec, Nested) else None
            lines.extend(_lines(part, name, node))
    return Bubble(label=kind.__name__, body=body, lines=tuple(lines), sections=tuple(sections))


def framed(said: Mapping[str, Any], **parts: Any) -> Bubble:
    """An interactive message: the header, body and footer that all of them share, and what each has of its own."""
    header = said.get("header", {})
    kind = header.get("type", "")
    return Bubble(
        media=None if kind in {"", "text"} else file_of(kind, header.get(kind, {})),
        header=header.get("text", ""),
        body=said.get("body", {}).get("text", ""),
        footer=said.get("footer", {}).get("text", ""),
        **parts,
    )


def file_of(kind: str, node: Mapping[str, Any]) -> Media:
    """A file, from the JSON that D7 and Meta have for it."""
    return Media(kind, node.get("filename", ""), node.get("link") or node.get("url") or node.get("id") or "")


def place_of(node: Mapping[str, Any]) -> tuple[Media, tuple[Line, ...]]:
    """A pin on the map, and the address below it."""
    coordinates = f"{node.get('latitude', '')}, {node.get('longitude', '')}"
    address = node.get("address")
    return Media("location", node.get("name", ""), coordinates), (Line("address", address),) if address else ()


def lines_of(node: Mapping[str, Any]) -> tuple[Line, ...]:
    """A line for each leaf of JSON of the user's own."""
    return tuple(_lines(None, "", node))


def _fields(kind: type[Part], said: Any) -> Iterator[tuple[str, Any, Any]]:
    """What a part holds, by name and declaration, in order; then what is there beside that."""
    if not isinstance(said, Mapping):
        yield "", None, said
        return
    rest = copied(said)
    for path in kind.constants:
        take(rest, path)
    for name, spec in kind.specs().items():
        node = take(rest, spec.at)
        if node is not None:
            yield name.replace("_", " "), spec, node
    for path, node in leaves(rest):
        if node not in ({}, []):
            yield path, None, node


def _row(kind: type[Part], item: Any) -> Line:
    """A part in a list: its first value is the title, the others describe it."""
    told = [line.text for _, spec, node in _fields(kind, item) for line in _lines(_below(spec), "", node)]
    first, *others = told or [""]
    return Line(first, " · ".join(others))


def _below(spec: Any) -> type[Part] | None:
    part: type[Part] | None = spec.part if isinstance(spec, Nested) else None
    return part


def _lines(kind: type[Part] | None, name: str, node: Any) -> Iterator[Line]:
    """A line for each value in a piece of JSON."""
    if kind is not None and isinstance(node, Mapping):
        for inner, spec, below in _fields(kind, node):
            yield from _lines(_below(spec), f"{name} {inner}".strip(), below)
        return
    for path, value in leaves(node):
        label = f"{name} {path.replace('.', ' ').replace('_', ' ')}".strip()
        yield Line(label, {True: "yes", False: "no"}[value] if isinstance(value, bool) else value)
