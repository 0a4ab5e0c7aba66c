"""A content's leaves: a literal, a column, or a template that names columns.

A template names columns and nothing else: no attributes, no indexing, no calls. A cell's text takes the place of its
field and is never read as a template itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import chain, repeat
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd

from d7nb.content.binding.text_columns import Plain, Woven, are_texts
from d7nb.errors import PlanError, TemplateError
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING_WORDS = frozenset({"nan", "NaN", "<NA>", "NaT", "n/a", "N/A", "#N/A"})
"""Texts that a program leaves where a value is missing, and that are nobody's name."""

_BLANK = MISSING_WORDS | {""}

SUSPECT_WORDS = frozenset({"None", "none", "null", "NULL", "undefined"})
"""Texts that may stand for a missing value or may be meant: worth a warning."""

# What Python formats a Decimal and a float by. The type may lack where a comma or a leading zero shows that a number is
# meant: as a text's width, 05 would fill "7" up to "70000".
_ALIGNED, _ZEROS = r"(?:.?[<>=^])?[-+ ]?(?:[1-9]\d{0,3})?", r"[-+ ]?0\d{1,4}"
_NUMERIC_SPEC = re.compile(rf"(?:{_ALIGNED}|{_ZEROS})(?:,|,?(?:\.\d{{1,3}})?[eEfFgG%])|{_ZEROS}")
_WHOLE_SPEC = re.compile(rf"(?:{_ALIGNED}|{_ZEROS})(?:,?d|_?[bdoxX])")
_TEXT_SPEC = re.compile(r"(?:.?[<>^])?(?:[1-9]\d{0,3})?(?:(?:\.\d{1,4})?s)?")
_DATE_WORDS = r"(?:[^%\0\ud800-\udfff]|%%)*"
_DATE_SPEC = re.compile(rf"{_DATE_WORDS}(?:%-?[aAbBcdfGHIjmMpSuUVwWxXyYzZ]{_DATE_WORDS})+")
_SPECS = (_NUMERIC_SPEC, _WHOLE_SPEC, _TEXT_SPEC, _DATE_SPEC)
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


class Unfit(NamedTuple):
    """What a conversion answers for a value that it can't take."""

    message: str


class Rendered(NamedTuple):
    """A leaf's values for some rows, None where there is none, and the problems with them, sought when asked for."""

    values: Sequence[Any]
    problems: Iterable[Problem]


class Cells:
    """The cells of some rows, a column at a time, as Python values; None where a cell is missing or blank.

    Args:
        frame: The table.
        rows: Positions of the rows that are wanted.
    """

    def __init__(self, frame: pd.DataFrame, rows: np.ndarray) -> None:
        self.frame = frame
        self.rows = rows
        self._columns: dict[Hashable, list[Any]] = {}

    def __getitem__(self, name: Hashable) -> list[Any]:
        if name not in self._columns:
            array = picked(self.frame[name].array, self.rows)
            values = _values(array)
            for place in np.flatnonzero(array.isna()):
                values[place] = None
            self._columns[name] = blanks_to_none(values)
        return self._columns[name]


def _values(array: Any) -> list[Any]:
    dtype = array.dtype
    if dtype.kind == "f" and getattr(dtype, "itemsize", 8) < 8:
        # As a Python float, a narrow one would show digits that nobody wrote: 0.10000000149011612.
        return list(array.to_numpy(f"f{dtype.itemsize}", na_value=np.nan))
    # NumPy knows how to make Python's own values at once; pandas would hand them over one by one.
    values = array.to_numpy() if isinstance(array, pd.arrays.NumpyExtensionArray) else array
    return values.tolist()


def picked(array: Any, rows: np.ndarray) -> Any:
    """The values at some positions; where these stand close together, without a look at the rest.

    A column may be kept in many pieces, and `take` would put them together first: that costs time, and much memory.
    """
    if not len(rows):
        return array[:0]
    low, high = rows.min(), rows.max() + 1
    near = array[low:high]
    if len(near) > 8 * len(rows) or not (rows[1:] > rows[:-1]).all():
        return near.take(rows - low)
    if len(near) == len(rows):
        return near
    chosen = np.zeros(len(near), dtype=bool)
    chosen[rows - low] = True
    return near[chosen]


def is_missing(value: Any) -> bool:
    """Whether a single value stands for none: None, nan, NaT, NA."""
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def blanks_to_none(values: list[Any]) -> list[Any]:
    """Blank texts, and the words that stand for a missing value, become None."""
    kinds = set(map(type, values))
    if kinds == {str} and _BLANK.isdisjoint(map(str.strip, values)):
        return Plain(values) if _encodable("".join(values)) else values
    if str not in kinds:
        return values
    texts = {value for value in values if type(value) is str}
    blank = {text for text in texts if text.strip() in _BLANK}
    return [None if type(value) is str and value in blank else value for value in values] if blank else values


_TEXTS = {str, type(None)}
"""The types in a column of texts."""


def by_distinct(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """Apply a function to each value but None, once for equal texts.

    Only texts are shared: 1, 1.0 and True are equal too, and would be mistaken for one another.
    """
    if set(map(type, values)) <= _TEXTS:
        answers = {value: function(value) for value in set(values) if value is not None}
        return list(map(answers.get, values))
    return [None if value is None else function(value) for value in values]


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of one column; made by `col`."""

    name: Hashable

    def __repr__(self) -> str:
        return f"col({mask_text(repr(self.name))})"

    @property
    def columns(self) -> tuple[Hashable, ...]:
        """The columns that it reads."""
        return (self.name,)

    def render(self, cells: Cells) -> Rendered:
        """The column's values in the rows of `cells`."""
        return Rendered(cells[self.name], suspects(self.name, cells))


def col(name: Hashable) -> Any:
    """Bind a field of a content, or an option of a plan, to a column.

    Args:
        name: The column's name, exactly as in the frame.

    Returns:
        A mark that stands for the column's value in each row. (Typed `Any`, since it can stand for any field.)

    Raises:
        PlanError: It is no name, but a column itself, say.

    Example:
        >>> import d7nb
        >>> d7nb.Location(latitude=d7nb.col("lat"), longitude=d7nb.col("lon"))
        Location(latitude=col('lat'), longitude=col('lon'))
    """
    if not isinstance(name, Hashable):
        raise PlanError(f"col() takes a column's name, such as col('name'), not a {type(name).__name__}")
    return Column(name)


@dataclass(frozen=True, slots=True)
class Field:
    """One ``{name:spec}`` of a template."""

    name: str
    spec: str

    def texts(self, cells: Cells) -> tuple[Sequence[Any], list[Problem]]:
        """The field's text in each row, None where the cell is missing or does not fit the spec; and what does not."""
        values = cells[self.name]
        texts = _formatted(values, self.spec) if self.spec else plain_texts(values)
        if are_texts(texts) or set(map(type, texts)) <= _TEXTS:
            return texts, []
        unfit = [place for place, text in enumerate(texts) if isinstance(text, Unfit)]
        messages = [texts[place].message for place in unfit]
        texts = [None if isinstance(text, Unfit) else text for text in texts]
        code, hint = "bad_value", "put one value into the cell"
        if self.spec:
            code, hint = "bad_format", f"{self} reads numbers such as 1234.50 and dates such as 2026-11-30"
        return texts, [Problem(code, messages, hint, column=self.name, rows=cells.rows[unfit])]

    def __str__(self) -> str:
        return f"{{{self.name}:{self.spec}}}"


@dataclass(frozen=True, slots=True)
class Template:
    """A text with ``{column}`` or ``{column:spec}`` in it; made by `read_template`."""

    source: str
    pieces: tuple[str, ...]
    fields: tuple[Field, ...]

    def __repr__(self) -> str:
        return mask_text(repr(self.source))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, in order."""
        return tuple(dict.fromkeys(field.name for field in self.fields))

    def render(self, cells: Cells) -> Rendered:
        """Fill the text in for the rows of `cells`; None, with a problem, where a cell is missing or unfit."""
        read = {field: field.texts(cells) for field in self.fields}
        problems = self._problems(cells, chain(*(unfit for _, unfit in read.values())))
        columns = [read[field][0] for field in self.fields]
        holed = [texts for texts in columns if not are_texts(texts) and None in texts]
        gaps = {place for texts in holed for place, text in enumerate(texts) if text is None}
        if not gaps:
            return Rendered(Woven(self.pieces, columns), problems)
        values: list[Any] = list(Woven(self.pieces, [[text or "" for text in texts] for texts in columns]))
        for place in gaps:
            values[place] = None
        return Rendered(values, problems)

    def _problems(self, cells: Cells, unfit: Iterable[Problem]) -> Iterator[Problem]:
        for name in self.columns:
            yield from missing(name, cells[name], cells.rows, f"the text needs {{{name}}}")
            yield from suspects(name, cells)
        yield from unfit


def read_template(text: str) -> Template | str:
    """Read a string as a template; one that names no column is a plain literal.

    Args:
        text: The text; ``{{`` and ``}}`` stand for braces.

    Returns:
        A `Template`, or the text with its doubled braces undone.

    Raises:
        TemplateError: It is malformed, or asks for more than a column's value.

    Example:
        >>> read_template("Hi {name}").columns
        ('name',)
        >>> read_template("{{literally}}")
        '{literally}'
    """
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        message = f"the template {_short(text)} can't be read: {error}; write {{{{ and }}}} for braces themselves"
        raise TemplateError(message) from None
    fields = tuple(_field(text, name, spec or "", how) for _, name, spec, how in parsed if name is not None)
    if not fields:
        return "".join(literal for literal, *_ in parsed)
    pieces = [""]
    for literal, name, *_ in parsed:
        pieces[-1] += literal
        if name is not None:
            pieces.append("")
    return Template(text, tuple(pieces), fields)


def _field(text: str, name: str, spec: str, conversion: str | None) -> Field:
    if not name.strip() or name.strip().isdecimal():
        fault = f"{{{name}}} is a position: a template names columns (for a column called {name or '0'!r} use col)"
    elif "." in name or "[" in name:
        fault = f"{{{name}}} asks for more than a column's value: no attributes, no indexing (for such a name use col)"
    elif conversion:
        fault = f"{{{name}!{conversion}}} converts: leave out !{conversion}"
    elif "{" in spec or not any(form.fullmatch(spec) for form in _SPECS):
        fault = (
            f"the format {spec!r} of {{{name}}} is not a number's (,.2f), a date's (%d.%m.%Y) or a text's (>10, .5s)"
        )
    else:
        return Field(name, spec)
    raise TemplateError(f"in the template {_short(text)}: {fault}")


def escaped(text: str) -> str:
    """The template that says a text literally."""
    return text.replace("{", "{{").replace("}", "}}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def missing(name: Hashable, values: Sequence[Any], rows: np.ndarray, why: str) -> list[Problem]:
    """A problem for each cell that is empty although a value is needed, and why one is."""
    if are_texts(values) or type(None) not in set(map(type, values)):
        return []
    # By identity: an array among the cells would compare itself with None element by element.
    places = [place for place, value in enumerate(values) if value is None]
    hint = "fill the cell in, or take the row out of the table"
    return [Problem("missing", f"the cell is empty, but {why}", hint, column=name, rows=rows[places])]


def suspects(name: Hashable, cells: Cells) -> Iterator[Problem]:
    """A warning for each cell whose text looks like a missing value."""
    values = cells[name]
    kinds = {str} if are_texts(values) else set(map(type, values))
    if str not in kinds or (kinds <= _TEXTS and SUSPECT_WORDS.isdisjoint(values)):
        return
    places = [place for place, value in enumerate(values) if type(value) is str and value in SUSPECT_WORDS]
    if not places:
        return
    message = "the cell's text looks like a missing value and would be sent as it stands"
    hint = "empty the cell if nothing is meant"
    yield Problem("looks_missing", message, hint, "warning", column=name, rows=cells.rows[places])


_VALUES = (bool, int, float, Decimal, Fraction, date, time, timedelta, np.generic, pd.Period, UUID)


def plain_text(value: Any) -> str | Unfit:
    """A cell's value as the text that a message shows."""
    if isinstance(value, str):
        return value if _encodable(value) else Unfit("it holds half a character (a lone surrogate): no message can")
    if isinstance(value, Iterable):
        return Unfit(f"it is a {type(value).__name__}, not one value")
    if not isinstance(value, _VALUES):
        return Unfit(f"it is a {type(value).__name__}, which is no text, number or time")
    value = _python_time(value)
    if isinstance(value, datetime) and not value.tzinfo and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, float | np.floating | Decimal) and not math.isfinite(value):
        return Unfit("it is not a finite number")
    return str(value)


def plain_texts(values: Sequence[Any]) -> Sequence[Any]:
    """`plain_text` of each value but None; texts that a message can hold are that already."""
    if isinstance(values, Plain) or (isinstance(values, Woven) and _encodable("".join(values.pieces))):
        return values
    if set(map(type, values)) <= _TEXTS and _encodable("".join(filter(None, values))):
        return values
    return by_distinct(plain_text, values)


def read_number(value: Any) -> Decimal | float | None:
    """A cell as a finite number, a text as the `Decimal` that it spells in plain form; None where it is none."""
    if isinstance(value, str):
        return Decimal(value.strip()) if _DECIMAL.fullmatch(value.strip()) else None
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return Decimal(int(value))
    if not isinstance(value, float | np.floating | Decimal) or not math.isfinite(value):
        return None
    return value if isinstance(value, float | Decimal) else Decimal(str(value))


def read_date(value: Any) -> date | None:
    """A cell as a date or a time, a text as ISO 8601; None where it is neither."""
    value = _python_time(value)
    if not isinstance(value, str):
        return value if isinstance(value, date) else None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _python_time(value: Any) -> Any:
    return value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value


def _formatted(values: list[Any], spec: str) -> list[Any]:
    """Each value but None in the form of a spec, or `Unfit`."""
    of_numbers = _NUMERIC_SPEC.fullmatch(spec) and not _WHOLE_SPEC.fullmatch(spec)
    if of_numbers and set(map(type, values)) == {float} and all(map(math.isfinite, values)):
        return list(map(format, values, repeat(spec)))
    return by_distinct(_formatter(spec), values)


def _formatter(spec: str) -> Callable[[Any], str | Unfit]:
    if _WHOLE_SPEC.fullmatch(spec):
        return lambda value: _format_whole(read_number(value), spec)
    if _NUMERIC_SPEC.fullmatch(spec):
        return lambda value: _format_number(read_number(value), spec)
    if _DATE_SPEC.fullmatch(spec):
        return lambda value: _format_date(read_date(value), spec)
    return lambda value: text if isinstance(text := plain_text(value), Unfit) else format(text, spec)


def _format_number(number: Decimal | float | None, spec: str) -> str | Unfit:
    return Unfit("the cell is not a number in plain form") if number is None else format(number, spec)


def _format_whole(number: Decimal | float | None, spec: str) -> str | Unfit:
    if number is None or number != int(number):
        return Unfit("the cell is not a whole number in plain form")
    return format(int(number), spec)


def _format_date(when: date | None, spec: str) -> str | Unfit:
    return Unfit("the cell is not a date in ISO form") if when is None else when.strftime(spec)
