"""What makes a row the same row tomorrow: the key that the ledger knows it by and that travels in its reference.

A key is a hash of a recipe's version, the campaign, and either the user's own ``key=`` columns or the recipient and the
content. Originator, reference, report URL, schedule and destination are no part of it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pandas as pd

from d7nb.rendering import DIGEST_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

RECIPE = "d7nb-row-1"
"""Changing anything below means a new recipe, and every user's rows would be new people: don't."""


def keys_by_content(campaign: str, families: Iterable[str], digests: np.ndarray) -> np.ndarray:
    """Keys of rows that are known by whom they reach and what they say.

    Args:
        campaign: The user's name for the mailing.
        families: Each row's recipient, one form for all national variants of a number.
        digests: Each row's content digest, ``uint8`` of shape (rows, 16).

    Returns:
        ``uint8`` of shape (rows, 16).
    """
    contents = digests.tobytes()
    size = DIGEST_SIZE
    parts = (family.encode() + b" " + contents[row * size : row * size + size] for row, family in enumerate(families))
    return _hashed(campaign, "content", parts)


def keys_by_columns(campaign: str, rows: Iterable[tuple[str, ...]]) -> np.ndarray:
    """Keys of rows that the user's own columns tell apart."""
    return _hashed(campaign, "columns", (orjson.dumps(row) for row in rows))


def _hashed(campaign: str, method: str, parts: Iterable[bytes]) -> np.ndarray:
    prefix = orjson.dumps([RECIPE, method, campaign])
    digests = b"".join(blake2b(prefix + part, digest_size=DIGEST_SIZE).digest() for part in parts)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, DIGEST_SIZE)


def codes_of(digests: np.ndarray) -> np.ndarray:
    """A number for each distinct digest, counted in the order of their first appearance.

    Example:
        >>> codes_of(np.array([[7] * 16, [1] * 16, [7] * 16], dtype=np.uint8)).tolist()
        [0, 1, 0]
    """
    halves = np.ascontiguousarray(digests).view(np.uint64).reshape(len(digests), 2)
    left, right = (pd.factorize(halves[:, side])[0] for side in (0, 1))
    codes: np.ndarray = pd.factorize(left * (right.max(initial=0) + 1) + right)[0]
    return codes
