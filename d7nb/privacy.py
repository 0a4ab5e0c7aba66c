"""Masking: whatever d7nb itself prints holds no whole phone number and no token."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD, _TAIL = 3, 2
_FEWEST_DIGITS = 7
_SEPARATORS = r"\s().\-/_·*\[\]\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060"  # between digits
_CANDIDATE = re.compile(rf"\+?\d[\d{_SEPARATORS}]{{5,}}\d")
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")  # a JWT, as D7's tokens are
_META_ID = re.compile(r"\bwamid\.[\w+/=-]+")  # of a message, with the person's number in base64
_DATE_OR_DECIMAL = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d)?|\d{1,6}\.\d+")


def mask_number(number: str) -> str:
    """Mask a phone number but for its first three digits and the last two.

    Args:
        number: A phone number in any form; of one with fewer than eight digits only the last two are kept.

    Returns:
        The number with a bullet for each masked character.

    Example:
        >>> mask_number("+12025550123")
        '+120••••••23'
    """
    sign, digits = ("+", number[1:]) if number.startswith("+") else ("", number)
    head = _HEAD if len(digits) > _FEWEST_DIGITS else 0
    return sign + digits[:head] + "•" * max(len(digits) - head - _TAIL, 0) + digits[-_TAIL:]


def mask_text(text: str) -> str:
    """Mask whatever could be a phone number (seven digits and more, but no date and no decimal), and any token.

    Args:
        text: Any text, such as a response of D7, a cell, or the message of an exception.

    Returns:
        The text with such numbers masked, and with tokens and Meta's message ids, which hold numbers, taken out.

    Example:
        >>> mask_text("no route to +1 202 555 0123 since 2026-11-23")
        'no route to +120••••••23 since 2026-11-23'
    """
    return _CANDIDATE.sub(_masked, _META_ID.sub("wamid.•••", _TOKEN.sub("•••", text)))


def mask_cell(text: str) -> str:
    """Mask a cell that should be a phone number, whatever stands between its digits.

    Example:
        >>> mask_cell("+1,202;555 0123")
        '+•,•••;••• ••23'
    """
    digits = [position for position, character in enumerate(text) if character.isdigit()]
    if len(digits) < _FEWEST_DIGITS:
        return text
    masked = set(digits[:-_TAIL])
    return "".join("•" if position in masked else character for position, character in enumerate(text))


def _masked(match: re.Match[str]) -> str:
    candidate = match[0]
    digits = re.sub(r"[^\d]", "", candidate)
    if len(digits) < _FEWEST_DIGITS or _DATE_OR_DECIMAL.fullmatch(candidate):
        return candidate
    return mask_number("+" * candidate.startswith("+") + digits)


@dataclass
class Options:
    """The settings of this kernel, as ``d7nb.options``.

    Attributes:
        reveal: Whether previews show phone numbers in full. Everything else stays masked.

    Example:
        >>> import d7nb
        >>> with d7nb.options.revealed():
        ...     d7nb.options.reveal
        True
        >>> d7nb.options.reveal
        False
    """

    reveal: bool = False

    @contextmanager
    def revealed(self) -> Iterator[None]:
        """Show numbers in full inside a ``with`` block."""
        before, self.reveal = self.reveal, True
        try:
            yield
        finally:
            self.reveal = before


options = Options()
