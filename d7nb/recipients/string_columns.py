"""Matching, grouping, taking and replacing texts a whole column at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError:  # an optional extra: without it the same results take longer
    pa = pc = None

if TYPE_CHECKING:
    from collections.abc import Iterator

_FEW = 500  # fewer texts take Python less time than Arrow takes to compile the pattern


def fullmatch(texts: pd.Series[str], pattern: str) -> np.ndarray:
    r"""Return whether each text matches a pattern from end to end; a missing text does not.

    `pandas.Series.str.fullmatch` parses the pattern anew in Python at each call, which takes longer than matching.

    Args:
        texts: A column of pandas' ``str`` dtype.
        pattern: A regular expression without look-around; ``\d`` is 0 to 9.

    Returns:
        A boolean array.

    Example:
        >>> fullmatch(pd.Series(["+1", "1", None], dtype="str"), r"\+[0-9]").tolist()
        [True, False, False]
    """
    if len(texts) < _FEW or getattr(texts.dtype, "storage", "") == "python":
        match = re.compile(pattern, re.ASCII).fullmatch
        cells = texts.to_numpy(dtype=object)
        return np.fromiter((isinstance(text, str) and match(text) is not None for text in cells), bool, len(cells))
    matched = pc.match_substring_regex(pa.array(texts, from_pandas=True), f"^(?:{pattern})$")
    return np.asarray(pc.fill_null(matched, False))


def groups(keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each value of an integer array with the positions that have it.

    Example:
        >>> [(key, rows.tolist()) for key, rows in groups(np.array([7, 1, 7]))]
        [(1, [1]), (7, [0, 2])]
    """
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    for rows in np.split(order, bounds) if len(keys) else ():
        yield int(keys[rows[0]]), rows


def take(texts: pd.Series[str], rows: np.ndarray) -> pd.Series[str]:
    """Return the texts at some positions, indexed from 0; the same series where that is all of them in order."""
    return texts if _is_all_of(texts, rows) else pd.Series(texts.array.take(rows), copy=False)


def put(texts: pd.Series[str], rows: np.ndarray, values: pd.Series[str]) -> pd.Series[str]:
    """Replace the texts at some positions; no copy is made where that is none or all of them."""
    if not len(rows) or _is_all_of(texts, rows):
        return values if len(rows) else texts
    order = np.arange(len(texts))
    order[rows] = np.arange(len(texts), len(texts) + len(rows))
    return take(pd.concat([texts, values], ignore_index=True), order)


def _is_all_of(texts: pd.Series[str], rows: np.ndarray) -> bool:
    return len(rows) == len(texts) and bool((np.diff(rows) == 1).all())
