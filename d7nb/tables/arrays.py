"""Numpy and pandas arrays of a column: picking, scattering, grouping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def take_rows(array: Any, rows: np.ndarray) -> Any:
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


def chosen_of(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The values at some positions, which are in order; no copy where that is all of them."""
    return values if len(rows) == len(values) else values[rows]


def scatter(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Values at some positions of so many, which are in order, and zeros elsewhere; no copy where there is no other.

    Example:
        >>> scatter(np.array([7, 8]), np.array([0, 2]), 3).tolist()
        [7, 0, 8]
    """
    if len(rows) == count:
        return values
    whole = np.zeros((count, *values.shape[1:]), dtype=values.dtype)
    whole[rows] = values
    return whole


def group_codes(digests: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """A number for each distinct digest, counted in the order of their first appearance.

    Args:
        digests: ``uint8`` of shape (rows, 16).
        rows: Positions of those that are asked about, all of them unless given.

    Example:
        >>> group_codes(np.array([[7] * 16, [1] * 16, [7] * 16], dtype=np.uint8)).tolist()
        [0, 1, 0]
    """
    halves = np.ascontiguousarray(digests).view(np.uint64).reshape(len(digests), 2)

    def half(side: int) -> np.ndarray:
        return halves[:, side].copy() if rows is None else halves[rows, side]

    ordered = half(0)
    ordered.sort()
    if (ordered[1:] != ordered[:-1]).all():  # no two are the same, as it often is: sorting takes a third of the time
        return np.arange(len(ordered), dtype=np.int32)
    del ordered
    left, right = (pd.factorize(half(side))[0] for side in (0, 1))
    codes: np.ndarray = pd.factorize(left * (right.max(initial=0) + 1) + right)[0]
    return codes


def is_first(codes: np.ndarray) -> np.ndarray:
    """Whether each of some codes, counted in the order of their first appearance, appears there for the first time.

    Example:
        >>> is_first(np.array([0, 1, 0, 2])).tolist()
        [True, True, False, True]
    """
    new: np.ndarray = np.diff(np.maximum.accumulate(codes), prepend=-1) > 0
    return new


def repeated(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of some rows, in order, those whose key an earlier one has, and for each of them the first that has it.

    Example:
        >>> keys = np.array([[7] * 16, [1] * 16, [7] * 16], dtype=np.uint8)
        >>> [found.tolist() for found in repeated(keys, np.arange(3))]
        [[2], [0]]
    """
    codes = group_codes(keys, rows)
    if not len(codes) or codes[-1] == len(codes) - 1:  # no number was given twice
        return rows[:0], rows[:0]
    new = is_first(codes)
    again = np.flatnonzero(~new)
    return rows[again], rows[np.flatnonzero(new)[codes[again]]]


def texts_of(series: pd.Series) -> np.ndarray:
    """A column of texts as Python's own, None where one is missing.

    Example:
        >>> import pandas as pd
        >>> texts_of(pd.Series(["+12025550123", None], dtype="str")).tolist()
        ['+12025550123', None]
    """
    texts = series.to_numpy(dtype=object, copy=True)
    texts[series.isna().to_numpy()] = None
    return texts
