"""The preview of a content that does not draw itself, made from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line, Section
from d7nb.content.rules import TEXT
from d7nb.content.schema.fields import Items, Leaf, Nested
from d7nb.content.schema.paths import copy_tree, leaves, pop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.content.schema.fields import PartLike


def sketch(kind: type[PartLike], payload: Any) -> Bubble:
    """Draw a part by its declaration alone: its first text is the body, lists are sections, all else are lines.

    Args:
        kind: The part's class.
        payload: Its JSON, filled in.
    """
    body = ""
    lines: list[Line] = []
    sections: list[Section] = []
    for name, spec, node in _fields(kind, payload):
        if isinstance(spec, Items) and isinstance(node, list):
            sections.append(Section(name, tuple(_item_line(spec.part, item) for item in node)))
        elif not body and isinstance(spec, Leaf) and spec.kind is TEXT and isinstance(node, str):
            body = node
        else:
            lines.extend(value_lines(_part_of(spec), name, node))
    return Bubble(label=kind.__name__, body=body, lines=tuple(lines), sections=tuple(sections))


def _fields(kind: type[PartLike], payload: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, declaration and JSON of each declared field in order, then each undeclared leaf by its path."""
    if not isinstance(payload, Mapping):
        yield "", None, payload
        return
    rest = copy_tree(payload)
    for path in kind.constants:
        pop(rest, path)
    for name, spec in kind.specs().items():
        node = pop(rest, spec.at)
        if node is not None:
            yield name.replace("_", " "), spec, node
    for path, node in leaves(rest):
        if node not in ({}, []):
            yield path, None, node


def _item_line(kind: type[PartLike], item: Any) -> Line:
    """Draw a part of a list as one line: its first value is the title, the others describe it."""
    values = [line.text for _, spec, node in _fields(kind, item) for line in value_lines(_part_of(spec), "", node)]
    title, *others = values or [""]
    return Line(title, " · ".join(others))


def _part_of(spec: Any) -> type[PartLike] | None:
    part: type[PartLike] | None = spec.part if isinstance(spec, Nested) else None
    return part


def value_lines(kind: type[PartLike] | None, name: str, node: Any) -> Iterator[Line]:
    """Yield a line for each value in some JSON.

    Args:
        kind: The class of the part that the JSON is; None where it is not a part.
        name: The label of the JSON, put before the labels of the values in it.
        node: The JSON.
    """
    if kind is not None and isinstance(node, Mapping):
        for field_name, spec, field_node in _fields(kind, node):
            yield from value_lines(_part_of(spec), f"{name} {field_name}".strip(), field_node)
        return
    for path, value in leaves(node):
        label = f"{name} {path.replace('.', ' ').replace('_', ' ')}".strip()
        yield Line(label, {True: "yes", False: "no"}[value] if isinstance(value, bool) else value)
