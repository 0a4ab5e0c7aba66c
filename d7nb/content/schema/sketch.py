"""The preview of a content that draws none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line, Section
from d7nb.content.rules import TEXT
from d7nb.content.schema.fields import Items, Leaf, Nested
from d7nb.content.schema.paths import copied, leaves, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.content.schema.fields import PartLike


def sketch(kind: type[PartLike], said: Any) -> Bubble:
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
            lines.extend(value_lines(part, name, node))
    return Bubble(label=kind.__name__, body=body, lines=tuple(lines), sections=tuple(sections))


def _fields(kind: type[PartLike], said: Any) -> Iterator[tuple[str, Any, Any]]:
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


def _row(kind: type[PartLike], item: Any) -> Line:
    """A part in a list: its first value is the title, the others describe it."""
    told = [line.text for _, spec, node in _fields(kind, item) for line in value_lines(_below(spec), "", node)]
    first, *others = told or [""]
    return Line(first, " · ".join(others))


def _below(spec: Any) -> type[PartLike] | None:
    part: type[PartLike] | None = spec.part if isinstance(spec, Nested) else None
    return part


def value_lines(kind: type[PartLike] | None, name: str, node: Any) -> Iterator[Line]:
    """A line for each value in a piece of JSON."""
    if kind is not None and isinstance(node, Mapping):
        for inner, spec, below in _fields(kind, node):
            yield from value_lines(_below(spec), f"{name} {inner}".strip(), below)
        return
    for path, value in leaves(node):
        label = f"{name} {path.replace('.', ' ').replace('_', ' ')}".strip()
        yield Line(label, {True: "yes", False: "no"}[value] if isinstance(value, bool) else value)
