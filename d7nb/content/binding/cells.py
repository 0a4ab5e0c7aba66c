"""The cells of a table's columns: which are missing, and conversions that run once for equal texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.content.binding.text_columns import TextList, are_texts
from d7nb.problems import Problem
from d7nb.tables.arrays import take_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence


TEXT_TYPES = {str, type(None)}
"""The types in a column of texts."""


MISSING_TEXTS = frozenset({"nan", "NaN", "<NA>", "NaT", "n/a", "N/A", "#N/A"})
"""Texts that programs write where a value is missing, and that nobody is called."""

BLANKS = MISSING_TEXTS | {""}

SUSPECT_TEXTS = frozenset({"None", "none", "null", "NULL", "undefined"})
"""Texts that may stand for a missing value or may be meant: worth a warning."""


class Cells:
    """The cells of some rows, read a column at a time, as Python values; None where a cell is missing or blank.

    Args:
        frame: The table.
        rows: Positions of the rows.
    """

    def __init__(self, frame: pd.DataFrame, rows: np.ndarray) -> None:
        self.frame = frame
        self.rows = rows
        self._columns: dict[Hashable, list[Any]] = {}

    def __getitem__(self, name: Hashable) -> list[Any]:
        if name not in self._columns:
            array = take_rows(self.frame[name].array, self.rows)
            values = _values(array)
            for position in np.flatnonzero(array.isna()):
                values[position] = None
            self._columns[name] = blanks_to_none(values)
        return self._columns[name]


def _values(array: Any) -> list[Any]:
    dtype = array.dtype
    if dtype.kind == "f" and getattr(dtype, "itemsize", 8) < 8:
        # A float32 turned into a Python float would show digits that nobody wrote: 0.10000000149011612.
        return list(array.to_numpy(f"f{dtype.itemsize}", na_value=np.nan))
    # NumPy converts all values to Python's at once; pandas would convert them one by one.
    values = array.to_numpy() if isinstance(array, pd.arrays.NumpyExtensionArray) else array
    return values.tolist()


def is_missing(value: Any) -> bool:
    """Return whether a value is None, nan, NaT or NA."""
    return value is None or bool(pd.api.types.is_scalar(value) and pd.isna(value))


def blanks_to_none(values: list[Any]) -> list[Any]:
    """Replace blank texts, and the texts of `MISSING_TEXTS`, by None."""
    types = set(map(type, values))
    if types == {str} and BLANKS.isdisjoint(map(str.strip, values)):
        return TextList(values) if is_encodable("".join(values)) else values
    if str not in types:
        return values
    texts = {value for value in values if type(value) is str}
    blank = {text for text in texts if text.strip() in BLANKS}
    return [None if type(value) is str and value in blank else value for value in values] if blank else values


def by_distinct(function: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """Apply a function to each value but None, once for equal texts.

    Only texts share a result: 1, 1.0 and True are equal too, and would be mistaken for one another.
    """
    if set(map(type, values)) <= TEXT_TYPES:
        results = {value: function(value) for value in set(values) if value is not None}
        return list(map(results.get, values))
    return [None if value is None else function(value) for value in values]


def missing_problems(name: Hashable, values: Sequence[Any], rows: np.ndarray, reason: str) -> list[Problem]:
    """Return a problem for each cell that is empty although a value is needed.

    Args:
        name: The column.
        values: Its cells, None where one is empty.
        rows: Their positions in the frame.
        reason: Why a value is needed, as the message says after "but".
    """
    if are_texts(values) or type(None) not in set(map(type, values)):
        return []
    # By identity: an array among the cells would compare itself with None element by element.
    empty = [position for position, value in enumerate(values) if value is None]
    hint = "fill the cell in, or take the row out of the table"
    return [Problem("missing", f"the cell is empty, but {reason}", hint, column=name, rows=rows[empty])]


def suspect_problems(name: Hashable, cells: Cells) -> Iterator[Problem]:
    """Yield a warning for the cells of a column whose text looks like a missing value."""
    values = cells[name]
    types = {str} if are_texts(values) else set(map(type, values))
    if str not in types or (types <= TEXT_TYPES and SUSPECT_TEXTS.isdisjoint(values)):
        return
    suspect = [position for position, value in enumerate(values) if type(value) is str and value in SUSPECT_TEXTS]
    if not suspect:
        return
    message = "the cell's text looks like a missing value and would be sent as it stands"
    hint = "empty the cell if nothing is meant"
    yield Problem("looks_missing", message, hint, "warning", column=name, rows=cells.rows[suspect])


def is_encodable(text: str) -> bool:
    """Return whether a text can be sent: one with half a character, a lone surrogate, can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
