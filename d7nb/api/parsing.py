"""Parsers of single values in reports and events: times, phone numbers, ids and texts.

None of them raises: of a value that can't be read nothing is kept, and the values beside it still count.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

LONGEST_ID = 200
"""Characters of an id or of a reference's value; a longer one is taken for none."""
_MAX_TEXT = 1_000
EARLIEST = datetime(2009, 1, 1, tzinfo=UTC)
"""No time is earlier: WhatsApp was founded in 2009."""
_EARLIEST_SECONDS = EARLIEST.timestamp()
_FIRST_MILLISECONDS = 1e11  # a number from here on counts milliseconds: in seconds it would be the year 5138
_CLOCK_SKEW = timedelta(days=1).total_seconds()
_NUMBER = re.compile(r"\+?[0-9]{7,15}")
_SEPARATORS = re.compile(r"[\s().\-\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060]")


def parse_time(value: Any, at: datetime) -> datetime:
    """Parse the time of an event, in UTC.

    Args:
        value: Milliseconds or seconds since 1970, as a number or a text; or ISO 8601 with its zone.
        at: When the event was received: returned where the value is no time, one before 2009, or one in the future.

    Example:
        >>> received = datetime(2026, 11, 23, 9, tzinfo=UTC)
        >>> for value in (1795420800000, "1795420800", "soon", -1):
        ...     print(parse_time(value, received))
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
    seconds = value / 1000 if value >= _FIRST_MILLISECONDS else value
    if not _EARLIEST_SECONDS <= seconds <= at.timestamp() + _CLOCK_SKEW:
        return at
    return datetime.fromtimestamp(seconds, UTC)


def _iso_seconds(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return math.nan if moment.utcoffset() is None else moment.timestamp()
    except (ValueError, OverflowError):
        return math.nan


def parse_phone_number(value: Any) -> str:
    """Parse a phone number into its digits, with the plus if it has one; empty where it is none.

    Example:
        >>> [parse_phone_number(value) for value in ("+12025550123", 12025550123, "+1 (202) 555-0123", "hello", None)]
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
    compact = _SEPARATORS.sub("", value) if len(value) < 100 else ""
    return compact if _NUMBER.fullmatch(compact) else ""


def parse_id(value: Any) -> str:
    """Parse an id or another short text; empty where it is none.

    Example:
        >>> parse_id(" 0012c7f5 "), parse_id(17), parse_id(True), parse_id("x" * 1000)
        ('0012c7f5', '17', '', '')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**20 else ""
    if not isinstance(value, str):
        return ""
    text = value.strip() if "\0" not in value else ""
    return text if len(text) <= LONGEST_ID else ""


def parse_text(value: Any) -> str:
    r"""Parse a text for people, and cut it to 1,000 characters; of any other value, return its JSON.

    Example:
        >>> parse_text("Read by the user\0"), parse_text({"code": 131047}), parse_text(None)
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
    return text.replace("\0", "").strip()[:_MAX_TEXT]  # PostgreSQL can't store NUL
