"""Format strings such as ``"Hi {name}"`` and ``col(...)``, and filling them from the cells of a table.

A format string names columns and nothing else: no attributes, no indexing, no calls. A cell's text takes the place of
its placeholder and is never read as a format string itself. (Users read "text" for it in messages.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.content.binding.cells import TEXT_TYPES, Cells, by_distinct, missing_problems, suspect_problems
from d7nb.content.binding.text_columns import JoinedTexts, are_texts
from d7nb.content.binding.values import Invalid, plain_text, plain_texts, read_date, read_number
from d7nb.errors import PlanError, TemplateError, type_in_words
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from decimal import Decimal


# The specs that Python knows for both Decimal and float. The type may be missing where a comma or a leading zero shows
# that a number is meant: as a text's width, 05 would fill "7" up to "70000".
_ALIGNED, _ZEROS = r"(?:.?[<>=^])?[-+ ]?(?:[1-9]\d{0,3})?", r"[-+ ]?0\d{1,4}"
_NUMERIC_SPEC = re.compile(rf"(?:{_ALIGNED}|{_ZEROS})(?:,|,?(?:\.\d{{1,3}})?[eEfFgG%])|{_ZEROS}")
_WHOLE_SPEC = re.compile(rf"(?:{_ALIGNED}|{_ZEROS})(?:,?d|_?[bdoxX])")
_TEXT_SPEC = re.compile(r"(?:.?[<>^])?(?:[1-9]\d{0,3})?(?:(?:\.\d{1,4})?s)?")
_DATE_WORDS = r"(?:[^%\0\ud800-\udfff]|%%)*"
_DATE_SPEC = re.compile(rf"{_DATE_WORDS}(?:%-?[aAbBcdfGHIjmMpSuUVwWxXyYzZ]{_DATE_WORDS})+")
_SPECS = (_NUMERIC_SPEC, _WHOLE_SPEC, _TEXT_SPEC, _DATE_SPEC)


class Rendered(NamedTuple):
    """A leaf's values for some rows, None where there is none, and the problems with them, found when iterated."""

    values: Sequence[Any]
    problems: Iterable[Problem]


@dataclass(frozen=True, slots=True)
class Column:
    """A reference to a column, whose cells fill a leaf; made by `col`."""

    name: Hashable

    def __repr__(self) -> str:
        return f"col({mask_text(repr(self.name))})"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        """The names of the columns that it reads."""
        return (self.name,)

    def render(self, cells: Cells) -> Rendered:
        """Return the column's values in the rows of `cells`."""
        return Rendered(cells[self.name], suspect_problems(self.name, cells))


def col(name: Hashable) -> Any:
    """Bind a field of a content, or an option of a plan, to a column.

    Args:
        name: The column's name, exactly as in the frame.

    Returns:
        A reference to the column's value in each row. (Typed `Any`, since it can stand for any field.)

    Raises:
        PlanError: The argument is not a name, but a column itself, for example.

    Example:
        >>> import d7nb
        >>> d7nb.Location(latitude=d7nb.col("lat"), longitude=d7nb.col("lon"))
        Location(latitude=col('lat'), longitude=col('lon'))
    """
    if not isinstance(name, Hashable):
        raise PlanError(f"col() takes a column's name, such as col('name'), not {type_in_words(name)}")
    return Column(name)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One ``{name:spec}`` of a format string."""

    name: str
    spec: str

    def texts(self, cells: Cells) -> tuple[Sequence[Any], list[Problem]]:
        """Return the text in each row, None where the cell is missing or does not fit the spec, and the problems."""
        values = cells[self.name]
        texts = _formatted(values, self.spec) if self.spec else plain_texts(values)
        if are_texts(texts) or set(map(type, texts)) <= TEXT_TYPES:
            return texts, []
        invalid = [position for position, text in enumerate(texts) if isinstance(text, Invalid)]
        messages = [texts[position].message for position in invalid]
        texts = [None if isinstance(text, Invalid) else text for text in texts]
        code = "bad_format" if self.spec else "bad_value"
        return texts, [Problem(code, messages, _hint_for(self.spec), column=self.name, rows=cells.rows[invalid])]

    def __str__(self) -> str:
        return f"{{{self.name}:{self.spec}}}"


@dataclass(frozen=True, slots=True)
class FormatString:
    """A text with ``{column}`` or ``{column:spec}`` in it; made by `parse_format_string`."""

    source: str
    pieces: tuple[str, ...]
    placeholders: tuple[Placeholder, ...]

    def __repr__(self) -> str:
        return mask_text(repr(self.source))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that it reads, each once, in order."""
        return tuple(dict.fromkeys(placeholder.name for placeholder in self.placeholders))

    def render(self, cells: Cells) -> Rendered:
        """Fill in the cells of each row; None, with a problem, where a cell is missing or does not fit its spec."""
        filled = {placeholder: placeholder.texts(cells) for placeholder in self.placeholders}
        problems = self._problems(cells, chain(*(invalid for _, invalid in filled.values())))
        columns = [filled[placeholder][0] for placeholder in self.placeholders]
        incomplete = [texts for texts in columns if not are_texts(texts) and None in texts]
        gaps = {position for texts in incomplete for position, text in enumerate(texts) if text is None}
        if not gaps:
            return Rendered(JoinedTexts(self.pieces, columns), problems)
        values: list[Any] = list(JoinedTexts(self.pieces, [[text or "" for text in texts] for texts in columns]))
        for position in gaps:
            values[position] = None
        return Rendered(values, problems)

    def _problems(self, cells: Cells, invalid: Iterable[Problem]) -> Iterator[Problem]:
        for name in self.columns:
            yield from missing_problems(name, cells[name], cells.rows, f"the text needs {{{name}}}")
            yield from suspect_problems(name, cells)
        yield from invalid


def parse_format_string(text: str) -> FormatString | str:
    """Parse a format string; one that names no column is a plain literal.

    Args:
        text: The text; ``{{`` and ``}}`` stand for braces.

    Returns:
        A `FormatString`, or the text with single braces for doubled ones.

    Raises:
        TemplateError: The text is malformed, or asks for more than a column's value.

    Example:
        >>> parse_format_string("Hi {name}").columns
        ('name',)
        >>> parse_format_string("{{literally}}")
        '{literally}'
    """
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        message = f"the text {_abridged(text)} can't be read: {error}; write {{{{ and }}}} for braces themselves"
        raise TemplateError(message) from None
    placeholders = tuple(
        _placeholder(text, name, spec or "", conversion) for _, name, spec, conversion in parsed if name is not None
    )
    if not placeholders:
        return "".join(literal for literal, *_ in parsed)
    pieces = [""]
    for literal, name, *_ in parsed:
        pieces[-1] += literal
        if name is not None:
            pieces.append("")
    return FormatString(text, tuple(pieces), placeholders)


def _placeholder(text: str, name: str, spec: str, conversion: str | None) -> Placeholder:
    if not name.strip() or name.strip().isdecimal():
        fault = f"{{{name}}} names no column: write a column's name between the braces, such as {{name}}"
        fault += f" (for a column called {name}, in Python, use col({name!r}))" * bool(name.strip())
    elif "." in name or "[" in name:
        fault = (
            f"a column with a dot or a bracket in its name, as in {{{name}}}, can't stand in braces: rename the column"
        )
        fault += f" (or, in Python, use col({name!r}))"
    elif conversion:
        fault = f"{{{name}!{conversion}}} has a conversion: leave out !{conversion}"
    elif "{" in spec or not any(pattern.fullmatch(spec) for pattern in _SPECS):
        fault = (
            f"the format {spec!r} of {{{name}}} is not a number's (,.2f), a date's (%d.%m.%Y) or a text's (>10, .5s)"
        )
    else:
        return Placeholder(name, spec)
    raise TemplateError(f"in the text {_abridged(text)}: {fault}")


def escape_braces(text: str) -> str:
    """Return the format string that stands for a text literally."""
    return text.replace("{", "{{").replace("}", "}}")


def _abridged(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _hint_for(spec: str) -> str:
    """Return what to write into a cell that does not fit a format."""
    if _WHOLE_SPEC.fullmatch(spec):
        return "write a whole number such as 1234"
    if _NUMERIC_SPEC.fullmatch(spec):
        return "write a number such as 1234.50"
    if _DATE_SPEC.fullmatch(spec):
        return "write a date such as 2026-11-30"
    return "put one text, number or date into the cell"


def _formatted(values: list[Any], spec: str) -> list[Any]:
    """Format each value but None by a spec; `Invalid` where it does not fit."""
    takes_floats = _NUMERIC_SPEC.fullmatch(spec) and not _WHOLE_SPEC.fullmatch(spec)
    if takes_floats and set(map(type, values)) == {float} and all(map(math.isfinite, values)):
        return list(map(format, values, repeat(spec)))
    return by_distinct(_formatter(spec), values)


def _formatter(spec: str) -> Callable[[Any], str | Invalid]:
    if _WHOLE_SPEC.fullmatch(spec):
        return lambda value: _format_whole(read_number(value), spec)
    if _NUMERIC_SPEC.fullmatch(spec):
        return lambda value: _format_number(read_number(value), spec)
    if _DATE_SPEC.fullmatch(spec):
        return lambda value: _format_date(read_date(value), spec)
    return lambda value: text if isinstance(text := plain_text(value), Invalid) else format(text, spec)


def _format_number(number: Decimal | float | None, spec: str) -> str | Invalid:
    return Invalid("the cell is not a number in plain form") if number is None else format(number, spec)


def _format_whole(number: Decimal | float | None, spec: str) -> str | Invalid:
    if number is None or number != int(number):
        return Invalid("the cell is not a whole number in plain form")
    return format(int(number), spec)


def _format_date(day: date | None, spec: str) -> str | Invalid:
    return Invalid("the cell is not a date of the form 2026-11-30") if day is None else day.strftime(spec)
