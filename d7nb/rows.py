"""Rows as a person names them: positions, or a truth value for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from d7nb.errors import PlanError


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
