"""A content's leaves: a literal, a column, or a template that names columns.

A template names columns and nothing else: no attributes, no indexing, no calls. A cell's text takes the place of its
field and is never read as a template itself.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.errors import TemplateError
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

MISSING_WORDS = frozenset({"nan", "NaN", "<NA>", "NaT", "n/a", "N/A", "#N/A"})
"""Texts that a program leaves where a value is missing, and that are nobody's name."""

SUSPECT_WORDS = frozenset({"None", "none", "null", "NULL", "undefined"})
"""Texts that may stand for a missing value or may be meant: worth a warning."""

_NUMERIC_SPEC = re.compile(r"(?:.?[<>=^])?[-+ ]?z?#?0?\d{0,4}[,_]?(?:\.\d{1,3})?[bcdeEfFgGoxX%]|[-+ ]?\d{0,4}[,_]")
_TEXT_SPEC = re.compile(r"(?:.?[<>^])?\d{0,4}(?:\.\d{1,4})?s?")
_DATE_SPEC = re.compile(r".*%[A-Za-z].*", re.DOTALL)
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


class Unfit(NamedTuple):
    """What a conversion answers for a value that it can't take."""

    message: str


class Rendered(NamedTuple):
    """A leaf's values for some rows (None where there is none), and the problems met on the way."""

    values: list[Any]
    problems: list[Problem]


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
            array = self.frame[name].array.take(self.rows)
            values = array.tolist()
            for place in np.flatnonzero(array.isna()):
                values[place] = None
            self._columns[name] = blanks_to_none(values)
        return self._columns[name]


def blanks_to_none(values: list[Any]) -> list[Any]:
    """Blank texts, and the words that stand for a missing value, become None."""
    texts = {value for value in values if type(value) is str}
    blank = {text for text in texts if text in MISSING_WORDS or not text.strip()}
    return [None if type(value) is str and value in blank else value for value in values] if blank else values


def by_distinct(function: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    """Apply a function to each value but None, once for equal texts.

    Only texts are shared: 1, 1.0 and True are equal too, and would be mistaken for one another.
    """
    if {type(value) for value in values} <= {str, type(None)}:
        answers = {value: function(value) for value in set(values) if value is not None}
        return list(map(answers.get, values))
    return [None if value is None else function(value) for value in values]


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of one column; made by `col`."""

    name: Hashable

    def __repr__(self) -> str:
        return f"col({self.name!r})"

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

    Example:
        >>> import d7nb
        >>> d7nb.Location(latitude=d7nb.col("lat"), longitude=d7nb.col("lon"))
        Location(latitude=col('lat'), longitude=col('lon'))
    """
    return Column(name)


@dataclass(frozen=True, slots=True)
class Field:
    """One ``{name:spec}`` of a template."""

    name: str
    spec: str

    def texts(self, cells: Cells) -> Rendered:
        """The field's text in each row; None where the cell is missing or does not fit the spec."""
        texts = by_distinct(_formatter(self.spec), cells[self.name])
        unfit = [place for place, text in enumerate(texts) if isinstance(text, Unfit)]
        if not unfit:
            return Rendered(texts, [])
        messages = [texts[place].message for place in unfit]
        for place in unfit:
            texts[place] = None
        hint = f"{{{self.name}:{self.spec}}} reads numbers such as 1234.50 and dates such as 2026-11-30"
        return Rendered(texts, [Problem("bad_format", messages, hint, column=self.name, rows=cells.rows[unfit])])


@dataclass(frozen=True, slots=True)
class Template:
    """A text with ``{column}`` or ``{column:spec}`` in it; made by `read_template`."""

    source: str
    pattern: str
    fields: tuple[Field, ...]

    def __repr__(self) -> str:
        return repr(self.source)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names, each once, in order."""
        return tuple(dict.fromkeys(field.name for field in self.fields))

    def render(self, cells: Cells) -> Rendered:
        """Fill the text in for the rows of `cells`; None, with a problem, where a cell is missing or unfit."""
        problems = [problem for name in self.columns for problem in (*_missing(name, cells), *suspects(name, cells))]
        columns = []
        for field in self.fields:
            texts, unfit = field.texts(cells)
            columns.append(texts)
            problems.extend(unfit)
        filled: list[Any] = list(map(self.pattern.format, *columns))
        for place in {place for texts in columns if None in texts for place, text in enumerate(texts) if text is None}:
            filled[place] = None
        return Rendered(filled, problems)


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
    pattern = "".join(_escaped(literal) + ("" if name is None else "{}") for literal, name, *_ in parsed)
    return Template(text, pattern, fields)


def _field(text: str, name: str, spec: str, conversion: str | None) -> Field:
    if not name.strip() or name.strip().isdecimal():
        fault = f"{{{name}}} is a position: a template names columns (for a column called {name or '0'!r} use col)"
    elif "." in name or "[" in name:
        fault = f"{{{name}}} asks for more than a column's value: no attributes, no indexing (for such a name use col)"
    elif conversion:
        fault = f"{{{name}!{conversion}}} converts: leave out !{conversion}"
    elif not any(form.fullmatch(spec) for form in (_NUMERIC_SPEC, _TEXT_SPEC, _DATE_SPEC)) or "{" in spec:
        fault = f"the format {spec!r} of {{{name}}} is not a number's (,.2f), a date's (%d.%m.%Y) or a text's (>10)"
    else:
        return Field(name, spec)
    raise TemplateError(f"in the template {_short(text)}: {fault}")


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _missing(name: Hashable, cells: Cells) -> list[Problem]:
    values = cells[name]
    if None not in values:
        return []
    rows = cells.rows[[place for place, value in enumerate(values) if value is None]]
    hint = "fill the cell in, or take the row out of the table"
    return [Problem("missing", f"the cell is empty, but the text needs {{{name}}}", hint, column=name, rows=rows)]


def suspects(name: Hashable, cells: Cells) -> list[Problem]:
    """A warning for each cell whose text looks like a missing value."""
    values = cells[name]
    if not any(type(value) is str and value in SUSPECT_WORDS for value in values):
        return []
    places = [place for place, value in enumerate(values) if type(value) is str and value in SUSPECT_WORDS]
    message = "the cell's text looks like a missing value and would be sent as it stands"
    hint = "empty the cell if nothing is meant"
    return [Problem("looks_missing", message, hint, "warning", column=name, rows=cells.rows[places])]


def plain_text(value: Any) -> str | Unfit:
    """A cell's value as the text that a message shows."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict | set | bytes | np.ndarray):
        return Unfit("the cell holds a collection, not one value")
    if isinstance(value, datetime) and not value.tzinfo and value.time() == datetime.min.time():
        return value.date().isoformat()
    return str(value)


def read_number(value: Any) -> Decimal | float | int | None:
    """A cell as a finite number, a text as the `Decimal` that it spells in plain form; None where it is none."""
    if isinstance(value, str):
        return Decimal(value.strip()) if _DECIMAL.fullmatch(value.strip()) else None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | Decimal | np.integer | np.floating):
        return None
    return value if math.isfinite(value) else None  # type: ignore[return-value]


def read_date(value: Any) -> date | None:
    """A cell as a date or a time, a text as ISO 8601; None where it is neither."""
    if not isinstance(value, str):
        return value if isinstance(value, date) else None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _formatter(spec: str) -> Callable[[Any], str | Unfit]:
    if not spec:
        return plain_text
    if _NUMERIC_SPEC.fullmatch(spec):
        return lambda value: _format_number(read_number(value), spec)
    if _DATE_SPEC.fullmatch(spec):
        return lambda value: _format_date(read_date(value), spec)
    return lambda value: value if isinstance(value := plain_text(value), Unfit) else format(value, spec)


def _format_number(number: Decimal | float | None, spec: str) -> str | Unfit:
    if number is None:
        return Unfit("the cell is not a number in plain form")
    if spec[-1] in "bcdoxX":
        if number != int(number):
            return Unfit("the cell is not a whole number")
        number = int(number)
    return format(number, spec)


def _format_date(when: date | None, spec: str) -> str | Unfit:
    return Unfit("the cell is not a date in ISO form") if when is None else when.strftime(spec)
