"""Rows' keys, sixteen bytes each, as columns, as bytes for the database, and as text for a message's reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from d7nb.content.binding.text_columns import SEPARATOR, TextList
from d7nb.store.schema import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_keys(keys: np.ndarray) -> None:
    """Check that keys are ``uint8`` of shape (rows, 16).

    Raises:
        ValueError: They are not.
    """
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY_SIZE:
        raise ValueError(f"keys are uint8 of shape (rows, {KEY_SIZE})")


def key_bytes(keys: np.ndarray) -> list[bytes]:
    """Return keys as the database stores them.

    Args:
        keys: ``uint8`` of shape (rows, 16).

    Example:
        >>> key_bytes(np.zeros((1, 16), dtype=np.uint8)) == [bytes(16)]
        True
    """
    check_keys(keys)
    return split_keys(keys.tobytes())


def split_keys(joined: bytes) -> list[bytes]:
    """Split joined keys."""
    return [joined[start : start + KEY_SIZE] for start in range(0, len(joined), KEY_SIZE)]


_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = np.frombuffer(b"".join(bytes([first, second]) for first in _ALPHABET for second in _ALPHABET), dtype=np.uint16)
"""The two characters for each ten bits."""


def base32(digests: np.ndarray) -> list[str]:
    """Encode digests of 16 bytes as 26 characters each, all rows at once (RFC 4648 without padding).

    Example:
        >>> base32(np.zeros((1, 16), dtype=np.uint8))
        ['AAAAAAAAAAAAAAAAAAAAAAAAAA']
    """
    count = len(digests)
    padded = np.zeros((count, 4, 8), dtype=np.uint8)  # five bytes make eight characters; a number has eight bytes
    padded[:, :3, 3:] = digests[:, :15].reshape(count, 3, 5)
    padded[:, 3, 3] = digests[:, 15]
    tens = padded.view(">u8").astype(np.uint64) >> np.array([30, 20, 10, 0], dtype=np.uint64) & 1023
    texts: np.ndarray = _PAIRS[tens].view(np.uint8).reshape(count, 32)[:, :27].copy()
    texts[:, 26] = ord(SEPARATOR)
    return TextList(bytes(texts).decode().split(SEPARATOR)[:-1])


_DIGITS = np.full(256, 255, dtype=np.uint8)
_DIGITS[np.frombuffer(_ALPHABET, dtype=np.uint8)] = np.arange(32)
_KEY_LENGTH = 26


def from_base32(texts: Sequence[str]) -> list[bytes | None]:
    """Decode texts as `base32` writes them; None for a text that is none.

    Example:
        >>> from_base32(["AAAAAAAAAAAAAAAAAAAAAAAAAA", "invoice 7"]) == [bytes(16), None]
        True
    """
    digests: list[bytes | None] = [None] * len(texts)
    positions = [position for position, text in enumerate(texts) if len(text) == _KEY_LENGTH and text.isascii()]
    if not positions:
        return digests
    characters = np.array([texts[position] for position in positions], dtype=f"S{_KEY_LENGTH}")
    digits = _DIGITS[characters.view(np.uint8).reshape(len(positions), -1)]
    bits = np.unpackbits(digits[:, :, None], axis=2)[:, :, 3:].reshape(len(positions), -1)
    byte_count = bits.shape[1] // 8
    bit_count = byte_count * 8
    is_valid = (digits < 32).all(axis=1) & ~bits[:, bit_count:].any(axis=1)
    joined = np.packbits(bits[:, :bit_count], axis=1).tobytes()
    for row in np.flatnonzero(is_valid).tolist():
        digests[positions[row]] = joined[row * byte_count : (row + 1) * byte_count]
    return digests
