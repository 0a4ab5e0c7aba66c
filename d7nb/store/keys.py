"""Rows' keys as the ledger takes them: sixteen bytes each, a column at a time."""

from __future__ import annotations

import numpy as np

from d7nb.store.schema import KEY_SIZE


def check_keys(keys: np.ndarray) -> None:
    """Make sure that keys are what the ledger takes for keys.

    Raises:
        ValueError: They are not.
    """
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY_SIZE:
        raise ValueError(f"keys are uint8 of shape (rows, {KEY_SIZE})")


def key_bytes(keys: np.ndarray) -> list[bytes]:
    """Keys as the database wants them.

    Args:
        keys: ``uint8`` of shape (rows, 16).

    Example:
        >>> key_bytes(np.zeros((1, 16), dtype=np.uint8)) == [bytes(16)]
        True
    """
    check_keys(keys)
    return split_keys(keys.tobytes())


def split_keys(joined: bytes) -> list[bytes]:
    """Keys that stand one behind the other."""
    return [joined[start : start + KEY_SIZE] for start in range(0, len(joined), KEY_SIZE)]
