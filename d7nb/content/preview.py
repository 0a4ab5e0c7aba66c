"""From a message's JSON to the bubble that a preview shows; a type that can't draw itself is drawn as declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line, Media
from d7nb.content.schema.sketch import sketch, value_lines
from d7nb.errors import type_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d7nb.content.schema.part import Content


def bubble_of(kind: type[Content], content: Mapping[str, Any]) -> Bubble:
    """Draw one message.

    Args:
        kind: Its content type; where its own ``bubble`` fails, it is drawn by its declaration, with a note.
        content: D7's whole content object, filled in.

    Example:
        >>> from d7nb import Text
        >>> bubble_of(Text, {"message_type": "TEXT", "text": {"body": "Hi"}}).body
        'Hi'
    """
    rest = {key: node for key, node in content.items() if key != "message_type"}
    payload = rest.get(kind.root, {}) if kind.root else rest
    try:
        bubble: object = kind.bubble(payload)
        if isinstance(bubble, Bubble):
            return bubble
        reason = f"bubble() returned {type_in_words(bubble)}, not a Bubble"
    except Exception as error:  # noqa: BLE001  (a plugin's drawing must not take the whole display with it)
        reason = f"{type(error).__name__}: {error}"
    return replace(
        sketch(kind, payload), note=f"{kind.__name__} could not draw itself, so this shows its fields: {reason}"
    )


def framed(payload: Mapping[str, Any], **parts: Any) -> Bubble:
    """Draw an interactive message: the header, body and footer that all of them have, and the given parts."""
    header = payload.get("header", {})
    kind = header.get("type", "")
    return Bubble(
        media=None if kind in {"", "text"} else file_of(kind, header.get(kind, {})),
        header=header.get("text", ""),
        body=payload.get("body", {}).get("text", ""),
        footer=payload.get("footer", {}).get("text", ""),
        **parts,
    )


def file_of(kind: str, node: Mapping[str, Any]) -> Media:
    """Draw a file from D7's or Meta's JSON."""
    return Media(kind, node.get("filename", ""), node.get("link") or node.get("url") or node.get("id") or "")


def place_of(node: Mapping[str, Any]) -> tuple[Media, tuple[Line, ...]]:
    """Draw a pin on the map, and the address below it."""
    coordinates = f"{node.get('latitude', '')}, {node.get('longitude', '')}"
    address = node.get("address")
    return Media("location", node.get("name", ""), coordinates), (Line("address", address),) if address else ()


def lines_of(node: Mapping[str, Any]) -> tuple[Line, ...]:
    """Return a line for each leaf of JSON that has no declaration."""
    return tuple(value_lines(None, "", node))
