"""What d7nb itself prints never holds a whole phone number: this is where numbers lose their middle."""

from __future__ import annotations

import re

_SHOWN = 2
_NUMBER = re.compile(r"\+?\d(?:[\d\s().\-\u00a0]{5,}\d)")


def mask_number(number: str) -> str:
    """Keep the calling code's first digits and the last two, and hide what lies between.

    Args:
        number: A phone number in any form; text without enough digits is hidden whole.

    Returns:
        The number with its middle digits replaced by bullets.

    Example:
        >>> mask_number("+12025550123")
        '+120••••••23'
    """
    sign, digits = ("+", number[1:]) if number.startswith("+") else ("", number)
    head = 3 if len(digits) >= 8 else 0
    return sign + digits[:head] + "•" * max(len(digits) - head - _SHOWN, 0) + digits[-_SHOWN:]


def mask_text(text: str) -> str:
    """Mask everything in a text that could be a phone number (seven digits and more).

    Args:
        text: Any text: an answer of D7, a cell, a message of an exception.

    Returns:
        The text with each such number masked.

    Example:
        >>> mask_text("no route to +1 202 555 0123 today")
        'no route to +120••••••23 today'
    """
    return _NUMBER.sub(lambda match: mask_number(re.sub(r"[^\d+]", "", match[0])), text)
