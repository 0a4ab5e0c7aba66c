"""A content as plain data, the way a form keeps it, and as the Python that makes it.

Plain data are the arguments of the content's class: texts (templates with ``{column}`` in them), ``col(...)``, numbers,
and lists and dicts of these. An empty text says that nothing is set, and so does a part in which nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from d7nb.content.binding.format_strings import Column, FormatString, escaped
from d7nb.content.schema.fields import Items, Nested

if TYPE_CHECKING:
    from d7nb.content.schema.fields import PartLike, Spec
    from d7nb.content.schema.part import Content

WIDTH = 100
"""Characters in a line of the Python that is written."""


def fields_of(part: PartLike) -> dict[str, Any]:
    """A content's, or another part's, fields as plain data; what is not set is left out.

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
        return escaped(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return fields_of(value) if hasattr(value, "specs") else value


def content_of(kind: type[Content], fields: Mapping[str, Any]) -> Content:
    """The content that plain data stand for.

    Args:
        kind: Its class.
        fields: The class's arguments as plain data. Where a part has a short form, and only what that fills is given,
            the short form is meant: a button with nothing but a title gets an id, too.

    Raises:
        ContentError: It breaks a rule, or something that must be there is missing.

    Example:
        >>> from d7nb import ReplyButtons
        >>> content_of(ReplyButtons, {"body": "Coming?", "buttons": [{"id": "", "title": "Yes"}], "footer": ""})
        ReplyButtons(body='Coming?', buttons=[Button(id='Yes', title='Yes')])
    """
    return kind.from_value(_filled(kind, fields) or {})


def _filled(part: type[PartLike], fields: Mapping[str, Any]) -> Any:
    """What is set of a part's fields; None where nothing is."""
    specs = part.specs()
    known = {name: _value(specs[name], value) if name in specs else value for name, value in fields.items()}
    given = {name: value for name, value in known.items() if value is not None}
    if part.short and len(given) == 1 and given.keys() <= set(part.short):
        return next(iter(given.values()))
    return given or None


def _value(spec: Spec, value: Any) -> Any:
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(spec, Nested) and isinstance(value, Mapping):
        return _filled(spec.part, value)
    if isinstance(spec, Items) and isinstance(value, list | tuple):
        filled = [_filled(spec.part, item) if isinstance(item, Mapping) else item for item in value]
        return [item for item in filled if item is not None] or None
    return value


def source_of(content: Content) -> str:
    """The Python that makes a content, as an expression.

    Example:
        >>> from d7nb import Text, col
        >>> source_of(Text("Hi {name}", preview_url=col("preview")))
        "Text(body='Hi {name}', preview_url=col('preview'))"
    """
    return call(type(content).__name__, fields_of(content))


def call(name: str, arguments: Mapping[str, Any], *first: str) -> str:
    """A call with keyword arguments, over several lines where it is long.

    Args:
        name: What is called.
        arguments: Their values; texts are written as they are, in Python's quotes.
        first: Positional arguments that stand before them, as Python already.
    """
    written = [*first, *(f"{key}={python(value)}" for key, value in arguments.items())]
    return _bracketed(f"{name}(", written, ")")


class Python(str):
    """Python that is written already, among values that are not."""

    __slots__ = ()


def python(value: Any) -> str:
    """A value as Python."""
    if isinstance(value, Python):
        return str(value)
    if isinstance(value, Column):
        return f"col({value.name!r})"
    if isinstance(value, Mapping):
        return _bracketed("{", [f"{key!r}: {python(item)}" for key, item in value.items()], "}")
    if isinstance(value, tuple) and not hasattr(value, "specs"):
        return _bracketed("(", [*map(python, value), *([""] if len(value) == 1 else [])], ")")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _bracketed("[", [python(item) for item in value], "]")
    return repr(value)


def _bracketed(opening: str, parts: Sequence[str], closing: str) -> str:
    line = opening + ", ".join(parts) + closing
    if len(line) <= WIDTH and "\n" not in line:
        return line
    indented = [part.replace("\n", "\n    ") for part in parts]
    return opening + "".join(f"\n    {part}," for part in indented) + "\n" + closing
