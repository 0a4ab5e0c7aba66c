"""Functions on the arrays of a column: taking, scattering, grouping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def take_rows(array: Any, rows: np.ndarray) -> Any:
    """Return the values at some positions; where these are close together, only the values between them are read.

    A column may be stored in many chunks, and pandas' ``take`` would join them all first, which costs time and memory.
    """
    if not len(rows):
        return array[:0]
    low, high = rows.min(), rows.max() + 1
    span = array[low:high]
    if len(span) > 8 * len(rows) or not (rows[1:] > rows[:-1]).all():
        return span.take(rows - low)
    if len(span) == len(rows):
        return span
    mask = np.zeros(len(span), dtype=bool)
    mask[rows - low] = True
    return span[mask]


def take_ordered(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the values at some positions, which are in order; the same array where that is all of them."""
    return values if len(rows) == len(values) else values[rows]


def scatter(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return an array with values at some positions, which are in order, and zeros elsewhere.

    Where the positions are all of them, the values are returned without a copy.

    Example:
        >>> scatter(np.array([7, 8]), np.array([0, 2]), 3).tolist()
        [7, 0, 8]
    """
    if len(rows) == count:
        return values
    scattered = np.zeros((count, *values.shape[1:]), dtype=values.dtype)
    scattered[rows] = values
    return scattered


def group_codes(digests: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Give each distinct digest a number, counting in the order of their first appearance.

    Args:
        digests: ``uint8`` of shape (rows, 16).
        rows: Positions of the digests to number; all of them unless given.

    Returns:
        The number of each digest.

    Example:
        >>> group_codes(np.array([[7] * 16, [1] * 16, [7] * 16], dtype=np.uint8)).tolist()
        [0, 1, 0]
    """
    halves = np.ascontiguousarray(digests).view(np.uint64).reshape(len(digests), 2)

    def half(side: int) -> np.ndarray:
        return halves[:, side].copy() if rows is None else halves[rows, side]

    ordered = half(0)
    ordered.sort()
    if (ordered[1:] != ordered[:-1]).all():  # no two are the same, which is common: sorting takes a third of the time
        return np.arange(len(ordered), dtype=np.int32)
    del ordered
    left, right = (pd.factorize(half(side))[0] for side in (0, 1))
    codes: np.ndarray = pd.factorize(left * (right.max(initial=0) + 1) + right)[0]
    return codes


def is_first(codes: np.ndarray) -> np.ndarray:
    """Return whether each code appears for the first time; codes are numbered in the order of their first appearance.

    Example:
        >>> is_first(np.array([0, 1, 0, 2])).tolist()
        [True, True, False, True]
    """
    first: np.ndarray = np.diff(np.maximum.accumulate(codes), prepend=-1) > 0
    return first


def repeated(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows whose key an earlier row has.

    Args:
        keys: Digests as in `group_codes`.
        rows: Positions of the rows, in order.

    Returns:
        Those rows, and for each of them the first row with the same key.

    Example:
        >>> keys = np.array([[7] * 16, [1] * 16, [7] * 16], dtype=np.uint8)
        >>> [part.tolist() for part in repeated(keys, np.arange(3))]
        [[2], [0]]
    """
    codes = group_codes(keys, rows)
    if not len(codes) or codes[-1] == len(codes) - 1:  # all codes are different
        return np.array([], dtype=rows.dtype), np.array([], dtype=rows.dtype)  # no views: they would keep `rows` alive
    first = is_first(codes)
    later = np.flatnonzero(~first)
    return rows[later], rows[np.flatnonzero(first)[codes[later]]]


def texts_of(series: pd.Series) -> np.ndarray:
    """Convert a column of texts to an object array of Python texts, None where one is missing.

    Example:
        >>> import pandas as pd
        >>> texts_of(pd.Series(["+12025550123", None], dtype="str")).tolist()
        ['+12025550123', None]
    """
    texts = series.to_numpy(dtype=object, copy=True)
    texts[series.isna().to_numpy()] = None
    return texts
