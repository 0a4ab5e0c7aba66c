"""From a content's filled JSON to the bubble that shows it; a type that does not draw itself is drawn as declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line, Media
from d7nb.content.schema.sketch import sketch, value_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d7nb.content.schema.part import Content


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
    return tuple(value_lines(None, "", node))
