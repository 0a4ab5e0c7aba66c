"""Functions on the user's frame: a copy that later changes don't reach, checks of its columns, positions of rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.errors import ColumnError, PlanError, did_you_mean, type_in_words

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping


_COLLECTIONS = (list, dict, set, bytearray, np.ndarray)

_MOST_LISTED = 12  # column names in a message
_EXAMPLE = 'such as people["city"] == "Oslo"'


def frozen(frame: Any) -> pd.DataFrame:
    """Return a copy of a frame that later changes of the frame don't reach.

    pandas copies a column only when it is written to, so this costs little. Lists and dicts in cells are copied here.

    Raises:
        PlanError: The argument is not a DataFrame.

    Example:
        >>> people = pd.DataFrame({"tags": [["new"]]})
        >>> copy = frozen(people)
        >>> people.loc[0, "tags"].append("paid")
        >>> copy.loc[0, "tags"]
        ['new']
    """
    if not isinstance(frame, pd.DataFrame):
        raise PlanError(f"a plan needs a DataFrame, not {type_in_words(frame)}; read a file with d7nb.read_table")
    copy = frame.copy(deep=False)
    for position, dtype in enumerate(frame.dtypes):
        cells = list(frame.iloc[:, position]) if dtype == "object" else []
        if any(issubclass(kind, _COLLECTIONS) for kind in {type(cell) for cell in cells}):
            copied_cells = [deepcopy(cell) if isinstance(cell, _COLLECTIONS) else cell for cell in cells]
            copy.isetitem(position, pd.Series(copied_cells, dtype="object").array)
    return copy


def with_columns(
    frame: pd.DataFrame, columns: Mapping[str, Any], without: Iterable[str] = (), *, copy: bool = True
) -> pd.DataFrame:
    """Return a frame with columns added at the end; columns of the same name are replaced.

    Args:
        frame: The user's frame; its column labels may have several levels.
        columns: The values to add by name, in the order of the rows.
        without: Names of more columns to remove, which an earlier result may have added.
        copy: Whether the added values are copied, so that writing to the result does not change them.

    Example:
        >>> with_columns(pd.DataFrame({"name": ["Ali"], "d7_row": [7]}), {"d7_row": [0]})
          name  d7_row
        0  Ali       0
    """
    lower_levels = [""] * (frame.columns.nlevels - 1)
    labels: dict[str, Hashable] = {
        name: (name, *lower_levels) if lower_levels else name for name in (*columns, *without)
    }
    others = frame.loc[:, [label not in labels.values() for label in frame.columns]]
    added = pd.DataFrame({labels[name]: values for name, values in columns.items()}, index=frame.index, copy=copy)
    joined = pd.concat([others, added], axis=1)
    joined.attrs = frame.attrs
    return joined


def listed(names: Hashable | Sequence[Hashable] | None) -> list[Hashable]:
    """Return column names as a list, whether one was given, several or None.

    Example:
        >>> listed("id"), listed(["id", "day"]), listed(None)
        (['id'], ['id', 'day'], [])
    """
    if names is None:
        return []
    if isinstance(names, Sequence | pd.Index | np.ndarray) and not isinstance(names, str):
        return list(names)
    return [names]


def require(frame: pd.DataFrame, names: Sequence[Hashable]) -> None:
    """Make sure that a frame has columns, each of them once.

    Raises:
        ColumnError: Names the columns that are missing, with similar ones that are not, or those that exist twice.
    """
    columns: list[Hashable] = list(frame.columns)
    required = [name for position, name in enumerate(names) if name not in names[:position]]
    missing = [name for name in required if name not in columns]
    if missing:
        suggestions = [did_you_mean(name, columns) for name in missing]
        sentences = [
            f"there is no column {name!r}" + (f"; {suggestion}" * bool(suggestion))
            for name, suggestion in zip(missing, suggestions, strict=True)
        ]
        raise ColumnError("; ".join(sentences if all(suggestions) else [*sentences, _listed(columns)]))
    repeated = [name for name in required if columns.count(name) > 1]
    if repeated:
        called = " and ".join(map(repr, repeated))
        raise ColumnError(f"several columns are called {called}; rename or drop all but one")


def similar_or_all(name: Hashable, names: Sequence[Hashable]) -> str:
    """Return the end of a message about a missing column: the name that was probably meant, or all that there are."""
    return did_you_mean(name, names) or _listed(names)


def _listed(names: Sequence[Hashable]) -> str:
    if len(names) == 1:
        return f"there is only {names[0]!r}"
    listed_names = ", ".join(repr(name) for name in names[:_MOST_LISTED])
    return (
        f"there are {listed_names}{', ...' if len(names) > _MOST_LISTED else ''}"
        if names
        else "the frame has no columns"
    )


def positions(rows: Any, frame: pd.DataFrame, option: str = "rows") -> np.ndarray:
    """Return the positions of rows that were given by position or by a boolean mask.

    Args:
        rows: Positions, or True or False for each row; a series of these must have the frame's index.
        frame: The table.
        option: The argument's name, for messages.

    Raises:
        PlanError: `rows` is neither, or does not fit the table.

    Example:
        >>> people = pd.DataFrame({"name": ["Ali", "Sara"]})
        >>> positions(people["name"] == "Sara", people).tolist(), positions([0, 1], people).tolist()
        ([1], [0, 1])
    """
    count = len(frame)
    array = np.atleast_1d(np.asarray(rows)).ravel()
    if array.dtype == object and array.size and all(isinstance(value, bool | np.bool_) for value in array):
        array = array.astype(bool)
    if array.dtype == bool:
        if isinstance(rows, pd.Series) and len(rows) == count and not rows.index.equals(frame.index):
            raise PlanError(f"{option}= is a series with another index than the table's: make it from the same table")
        if len(array) != count:
            values = (
                f"{option}= has {len(array):,} value{'s' * (len(array) != 1)} for {count:,} row{'s' * (count != 1)}"
            )
            raise PlanError(f"{values}: give True or False for each row, {_EXAMPLE}")
        return np.flatnonzero(array)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= count):
        last = max(count - 1, 0)
        raise PlanError(
            f"{option}= takes positions from 0 to {last:,}, as in plan.problems.row, or True or False for each row"
        )
    may_be_mask = isinstance(rows, pd.Series) or len(np.unique(array)) < array.size
    if array.size == count and may_be_mask and np.isin(array, (0, 1)).all():
        ambiguous = f"{option}= holds 0 and 1 for each row, which could be positions"
        raise PlanError(f"{ambiguous}: give True or False for each row, {_EXAMPLE}")
    return array.astype(np.int64)
