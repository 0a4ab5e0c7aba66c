"""Single values as they come over the wire: times, phone numbers, words and texts of others, read with tolerance.

None of these raises: what can't be read is nothing, and what came with it still counts.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

LONGEST_ID = 200
"""Characters of an id or a mark; what is longer is none."""
_LONGEST_TEXT = 1_000
EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""WhatsApp is no older."""
_EARLIEST = EARLIEST.timestamp()
_SECONDS_END = 1e11  # a greater number counts milliseconds: in seconds it would be the year 5138
_AHEAD = timedelta(days=1).total_seconds()  # clocks differ, but not by more
_NUMBER = re.compile(r"\+?[0-9]{7,15}")
_BETWEEN = re.compile(r"[\s().\-\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060]")


def read_time(value: Any, at: datetime) -> datetime:
    """A time as somebody's event gives it, in UTC.

    Args:
        value: Milliseconds or seconds since 1970, as a number or a text; or ISO 8601 with its zone.
        at: When it was received: the answer where the value is no time, or an absurd one.

    Example:
        >>> received = datetime(2026, 11, 23, 9, tzinfo=UTC)
        >>> for value in (1795420800000, "1795420800", "soon", -1):
        ...     print(read_time(value, received))
        2026-11-23 08:00:00+00:00
        2026-11-23 08:00:00+00:00
        2026-11-23 09:00:00+00:00
        2026-11-23 09:00:00+00:00
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = _iso_seconds(value)
    if not isinstance(value, int | float) or not 0 < value < 1e15:
        return at
    seconds = value / 1000 if value >= _SECONDS_END else value
    if not _EARLIEST <= seconds <= at.timestamp() + _AHEAD:
        return at
    return datetime.fromtimestamp(seconds, UTC)


def _iso_seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return math.nan if moment.utcoffset() is None else moment.timestamp()
    except (ValueError, OverflowError):
        return math.nan


def read_number(value: Any) -> str:
    """A phone number: its digits, with the plus if it has one; empty where it is none.

    Example:
        >>> [read_number(value) for value in ("+12025550123", 12025550123, "+1 (202) 555-0123", "hello", None)]
        ['+12025550123', '12025550123', '+12025550123', '', '']
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 < value < 10**15:
            return ""
        value = str(value)
    if not isinstance(value, str):
        return ""
    if _NUMBER.fullmatch(value):
        return value
    plain = _BETWEEN.sub("", value) if len(value) < 100 else ""
    return plain if _NUMBER.fullmatch(plain) else ""


def read_id(value: Any) -> str:
    """An id, or a word: a short text; empty where it is none.

    Example:
        >>> read_id(" 0012c7f5 "), read_id(17), read_id(True), read_id("x" * 1000)
        ('0012c7f5', '17', '', '')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**20 else ""
    if not isinstance(value, str):
        return ""
    text = value.strip() if "\0" not in value else ""
    return text if len(text) <= LONGEST_ID else ""


def read_text(value: Any) -> str:
    r"""A text for people, not longer than they read; of what is no text, its JSON.

    Example:
        >>> read_text("Read by the user\0"), read_text({"code": 131047}), read_text(None)
        ('Read by the user', '{"code":131047}', '')
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        try:
            value = orjson.dumps(value).decode()
        except (TypeError, ValueError):
            return ""
    text: str = value
    return text.replace("\0", "").strip()[:_LONGEST_TEXT]  # PostgreSQL keeps no NUL
