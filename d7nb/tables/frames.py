"""The table as a plan takes it: out of reach of later changes, and with each column that is asked for, once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.errors import ColumnError, PlanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping


_COLLECTIONS = (list, dict, set, bytearray, np.ndarray)


_LISTED = 12


def frozen(frame: Any) -> pd.DataFrame:
    """A copy that later changes of a frame don't reach.

    pandas copies a column when somebody writes to it, so this costs little. Lists and dicts in cells are copied here.

    Raises:
        PlanError: It is no frame.

    Example:
        >>> people = pd.DataFrame({"tags": [["new"]]})
        >>> kept = frozen(people)
        >>> people.loc[0, "tags"].append("paid")
        >>> kept.loc[0, "tags"]
        ['new']
    """
    if not isinstance(frame, pd.DataFrame):
        raise PlanError(f"a plan needs a DataFrame, not a {type(frame).__name__}; read a file with d7nb.read_table")
    kept = frame.copy(deep=False)
    for place, dtype in enumerate(frame.dtypes):
        cells = list(frame.iloc[:, place]) if dtype == "object" else []
        if any(issubclass(kind, _COLLECTIONS) for kind in {type(cell) for cell in cells}):
            copied = [deepcopy(cell) if isinstance(cell, _COLLECTIONS) else cell for cell in cells]
            kept.isetitem(place, pd.Series(copied, dtype="object").array)
    return kept


def with_columns(
    frame: pd.DataFrame, columns: Mapping[str, Any], without: Iterable[str] = (), *, copy: bool = True
) -> pd.DataFrame:
    """A frame with our own columns behind the user's; those of the same name are replaced.

    Args:
        frame: The user's; its column labels may have several levels.
        columns: Values by name, joined by position.
        without: More names of ours that the frame may have from before, and loses.
        copy: Whether our columns are copied, so that writing to the frame does not change what they were made of.

    Example:
        >>> with_columns(pd.DataFrame({"name": ["Ali"], "d7_row": [7]}), {"d7_row": [0]})
          name  d7_row
        0  Ali       0
    """
    below = [""] * (frame.columns.nlevels - 1)
    labels: dict[str, Hashable] = {name: (name, *below) if below else name for name in (*columns, *without)}
    kept = frame.loc[:, [label not in labels.values() for label in frame.columns]]
    added = pd.DataFrame({labels[name]: values for name, values in columns.items()}, index=frame.index, copy=copy)
    joined = pd.concat([kept, added], axis=1)
    joined.attrs = frame.attrs
    return joined


def listed(names: Hashable | Sequence[Hashable] | None) -> list[Hashable]:
    """Column names, whether one was given, several or none.

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
    """Make sure that columns are there, each of them once.

    Raises:
        ColumnError: Naming each that is not, with the nearest that is; or each that is there twice.
    """
    known: list[Hashable] = list(frame.columns)
    wanted = [name for place, name in enumerate(names) if name not in names[:place]]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        near = [did_you_mean(name, known) for name in unknown]
        words = [
            f"there is no column {name!r}" + (f"; {word}" * bool(word))
            for name, word in zip(unknown, near, strict=True)
        ]
        raise ColumnError("; ".join(words if all(near) else [*words, _listed(known)]))
    twice = [name for name in wanted if known.count(name) > 1]
    if twice:
        message = f"{', '.join(map(repr, twice))} is the name of several columns; rename them, so that one is meant"
        raise ColumnError(message)


def _listed(names: Sequence[Hashable]) -> str:
    shown = ", ".join(repr(name) for name in names[:_LISTED])
    return f"there are {shown}{', ...' if len(names) > _LISTED else ''}" if names else "the frame has no columns"


def positions(rows: Any, frame: pd.DataFrame, option: str = "rows") -> np.ndarray:
    """Positions of the rows that are meant.

    Args:
        rows: Positions, or a truth value for each row; a series of these has the frame's index.
        frame: The table.
        option: The argument's name, for messages.

    Raises:
        PlanError: It is neither, or does not fit the table.

    Example:
        >>> people = pd.DataFrame({"name": ["Ali", "Sara"]})
        >>> positions(people["name"] == "Sara", people).tolist(), positions([0, 1], people).tolist()
        ([1], [0, 1])
    """
    count = len(frame)
    given = np.atleast_1d(np.asarray(rows)).ravel()
    if given.dtype == object and given.size and all(isinstance(value, bool | np.bool_) for value in given):
        given = given.astype(bool)
    if given.dtype == bool:
        if isinstance(rows, pd.Series) and len(rows) == count and not rows.index.equals(frame.index):
            raise PlanError(f"{option}= is a series with another index than the table's: make it from the same rows")
        if len(given) != count:
            raise PlanError(f"{option}= is a mask of {len(given):,} for {count:,} rows; give one for each row")
        return np.flatnonzero(given)
    if given.size and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= count):
        last = max(count - 1, 0)
        raise PlanError(f"{option}= takes positions from 0 to {last:,}, as in plan.problems.row, or a mask")
    repeated = isinstance(rows, pd.Series) or len(np.unique(given)) < given.size
    if given.size == count and repeated and np.isin(given, (0, 1)).all():
        raise PlanError(f"{option}= holds 0 and 1 for each row, which could be positions: make it a mask, with == 1")
    return given.astype(np.int64)
