"""A content as plain data, for a form, and as the Python source that makes it.

Plain data are the arguments of the content's class: texts (format strings with ``{column}`` in them), ``col(...)``,
numbers, and lists and dicts of these. An empty text means that nothing is set, and so does a part without values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from d7nb.content.binding.format_strings import Column, FormatString, escape_braces
from d7nb.content.schema.fields import Items, Nested

if TYPE_CHECKING:
    from d7nb.content.schema.fields import PartLike, Spec
    from d7nb.content.schema.part import Content

WIDTH = 100
"""The most characters in a line of the source, as far as values allow."""


def fields_of(part: PartLike) -> dict[str, Any]:
    """Return the fields of a content, or of another part, as plain data; what is not set is left out.

    Example:
        >>> from d7nb import ReplyButtons
        >>> fields_of(ReplyButtons("Coming, {name}?", ["Yes"]))
        {'body': 'Coming, {name}?', 'buttons': [{'id': 'Yes', 'title': 'Yes'}]}
    """
    values = {name: getattr(part, name) for name in part.specs()}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, FormatString):
        return value.source
    if isinstance(value, str):
        return escape_braces(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return fields_of(value) if hasattr(value, "specs") else value


def content_of(kind: type[Content], fields: Mapping[str, Any]) -> Content:
    """Make the content that plain data stand for.

    Args:
        kind: Its class.
        fields: The class's arguments as plain data. Where a part has a shorthand, and only one of its fields is given,
            the shorthand is meant: a button with nothing but a title gets an id, too.

    Raises:
        ContentError: A value breaks a rule, or a required one is missing.

    Example:
        >>> from d7nb import ReplyButtons
        >>> content_of(ReplyButtons, {"body": "Coming?", "buttons": [{"id": "", "title": "Yes"}], "footer": ""})
        ReplyButtons(body='Coming?', buttons=[Button(id='Yes', title='Yes')])
    """
    return kind.from_value(_set_fields(kind, fields) or {})


def _set_fields(part: type[PartLike], fields: Mapping[str, Any]) -> Any:
    """Return those fields of a part that are set, or the value of its shorthand; None where nothing is set."""
    specs = part.specs()
    values = {name: _set_value(specs[name], value) if name in specs else value for name, value in fields.items()}
    values = {name: value for name, value in values.items() if value is not None}
    if part.shorthand and len(values) == 1 and values.keys() <= set(part.shorthand):
        return next(iter(values.values()))
    return values or None


def _set_value(spec: Spec, value: Any) -> Any:
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(spec, Nested) and isinstance(value, Mapping):
        return _set_fields(spec.part, value)
    if isinstance(spec, Items) and isinstance(value, list | tuple):
        items = [_set_fields(spec.part, item) if isinstance(item, Mapping) else item for item in value]
        return [item for item in items if item is not None] or None
    return value


def source_of(content: Content) -> str:
    """Return the Python expression that makes a content.

    Example:
        >>> from d7nb import Text, col
        >>> source_of(Text("Hi {name}", preview_url=col("preview")))
        "Text(body='Hi {name}', preview_url=col('preview'))"
    """
    return call_source(type(content).__name__, fields_of(content))


def call_source(name: str, arguments: Mapping[str, Any], *positional: str) -> str:
    """Return the Python source of a call, over several lines where it is long.

    Args:
        name: The name of what is called.
        arguments: The keyword arguments' values; texts are written as they are, in Python's quotes.
        positional: The source of the positional arguments.
    """
    sources = [*positional, *(f"{key}={value_source(value)}" for key, value in arguments.items())]
    return _bracketed(f"{name}(", sources, ")")


class Expression(str):
    """A Python expression in source form, among values that `value_source` has still to write."""

    __slots__ = ()


def value_source(value: Any) -> str:
    """Return the Python source of a value."""
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, Column):
        return f"col({value.name!r})"
    if isinstance(value, Mapping):
        return _bracketed("{", [f"{key!r}: {value_source(item)}" for key, item in value.items()], "}")
    if isinstance(value, tuple) and not hasattr(value, "specs"):
        return _bracketed("(", [*map(value_source, value), *([""] if len(value) == 1 else [])], ")")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _bracketed("[", [value_source(item) for item in value], "]")
    return repr(value)


def _bracketed(opening: str, parts: Sequence[str], closing: str) -> str:
    line = opening + ", ".join(parts) + closing
    if len(line) <= WIDTH and "\n" not in line:
        return line
    indented = [part.replace("\n", "\n    ") for part in parts]
    return opening + "".join(f"\n    {part}," for part in indented) + "\n" + closing
