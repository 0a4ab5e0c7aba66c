"""The kinds of value and the rules by which content types declare their fields.

A rule is a plain function from one value to a sentence, or to None where the value keeps it. It is applied to whole
columns, once for each distinct text. Whose rule it is (D7's or Meta's) is part of the sentence, since D7's pages do not
document every limit that WhatsApp has.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from d7nb.content.binding.cells import by_distinct
from d7nb.content.binding.text_columns import length_bound
from d7nb.content.binding.values import Invalid, plain_text, plain_texts, read_date, read_number, without_fraction
from d7nb.errors import with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

D7 = "D7"
META = "Meta"


class Kind(NamedTuple):
    """The kind of value that a field holds.

    Attributes:
        name: Its name in forms and messages, such as "whole number".
        convert: A function from a cell to the JSON value that D7 takes, or `Invalid`.
        private: Whether displays must mask it.
    """

    name: str
    convert: Callable[[Any], Any]
    private: bool = False

    @property
    def hint(self) -> str:
        """The advice on a value of another kind, such as "give a date"."""
        return f"give {self.name if self.name == FLAG.name else with_article(self.name)}"

    def column(self, values: Sequence[Any]) -> Sequence[Any]:
        """Apply `convert` to each value of a column but None."""
        return plain_texts(values) if self.convert is plain_text else by_distinct(self.convert, values)


class Rule(NamedTuple):
    """One rule about one value.

    Attributes:
        code: Short name, as in ``plan.problems.code``.
        fault: A function from the converted value to what is wrong with it, or None.
        hint: What to do about it.
        by: Whose rule it is: `D7`, `META`, or ``reason`` where it is plain common sense.
        severity: ``error``, or ``warning`` where the message would probably still be delivered.
        words: The allowed texts, where there is a choice of them; a form offers them.
        limit: The most characters that are allowed, where the rule is about length; 0 elsewhere.
    """

    code: str
    fault: Callable[[Any], str | None]
    hint: str
    by: str = "reason"
    severity: Literal["error", "warning"] = "error"
    words: tuple[str, ...] = ()
    limit: int = 0

    def faults(self, values: Sequence[Any]) -> dict[int, str]:
        """Return the positions in a column where the rule is broken, with the faults; None keeps every rule."""
        if self.limit and length_bound(values) <= self.limit:
            return {}
        return {position: fault for position, fault in enumerate(by_distinct(self.fault, values)) if fault}


class RowRule(NamedTuple):
    """One rule about several fields of the same content.

    Attributes:
        code: Short name.
        paths: The fields' dotted paths below the part that declares the rule, the one to correct first;
            ``*`` stands for every item of a list.
        fault: A function from their values, in that order (None where a field is not set), to what is wrong, or None.
        hint: What to do about it.
        by: Whose rule it is: `D7`, `META`, or ``reason`` where it is plain common sense.
        severity: ``error`` or ``warning``.
    """

    code: str
    paths: tuple[str, ...]
    fault: Callable[..., str | None]
    hint: str
    by: str = "reason"
    severity: Literal["error", "warning"] = "error"


class FileLink(NamedTuple):
    """One leaf that holds the address of a file, which WhatsApp fetches: a dead one fails every message that has it.

    Attributes:
        at: The leaf's dotted path below the part that declares it; ``*`` stands for every item of a list.
        kind: The kind of file: ``image``, ``video``, ``audio``, ``document`` or ``sticker``.
        kind_at: The dotted path, below the part, of the leaf that holds the kind, if it is not always the same.
    """

    at: str
    kind: str = ""
    kind_at: str = ""


_EXACT = 2**53
"""From this size on, a reader of JSON that stores numbers as floats would get another number."""

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _to_flag(value: Any) -> bool | Invalid:
    flag = _BOOLEANS.get(str(value).strip().lower().removesuffix(".0"))
    return Invalid("it is neither yes nor no") if flag is None else flag


def _to_phone(value: Any) -> str | Invalid:
    """Return a number as text; one that the table stores as a float gets no ``.0``."""
    return plain_text(without_fraction(value))


def _to_decimal_text(value: Any) -> str | Invalid:
    number = read_number(value)
    if number is None:
        return Invalid("it is not a number in plain form, such as 25.2048")
    return np.format_float_positional(number, trim="-") if isinstance(number, float) else format(number, "f")


def _to_whole(value: Any) -> int | Invalid:
    number = read_number(value)
    if number is None or number != int(number):
        return Invalid("it is not a whole number")
    whole = int(number)
    return whole if abs(whole) < _EXACT else Invalid("it is too large to be sent exactly: give at most 15 digits")


def _to_milliseconds(value: Any) -> int | Invalid:
    if isinstance(value, datetime):
        return (
            Invalid("the time has no zone, such as +04:00") if value.tzinfo is None else round(value.timestamp() * 1000)
        )
    return _to_whole(value)


def _to_day(value: Any) -> str | Invalid:
    day = read_date(value)
    if day is None or (isinstance(value, str) and len(value.strip()) != 10):
        return Invalid("it is not a date of the form 2026-11-30")
    return (day.date() if isinstance(day, datetime) else day).isoformat()


def _to_json(value: Any) -> Any:
    if isinstance(value, np.number | np.bool_):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, bool | int | float):
        return plain_text(value)
    return value if abs(value) < _EXACT else Invalid("it is too large to be sent exactly: give at most 15 digits")


TEXT = Kind("text", plain_text)
PHONE = Kind("phone number", _to_phone, private=True)
FLAG = Kind("yes or no", _to_flag)
DECIMAL = Kind("decimal number", _to_decimal_text)
WHOLE = Kind("whole number", _to_whole)
MILLISECONDS = Kind("time in milliseconds", _to_milliseconds)
DAY = Kind("date", _to_day)
JSON = Kind("value", _to_json)


def max_length(limit: int, by: str) -> Rule:
    """Return the rule that a text has at most `limit` characters."""

    def fault(value: Any) -> str | None:
        return f"{len(value):,} characters, {by} takes at most {limit:,}" if len(value) > limit else None

    return Rule("too_long", fault, "shorten it", by, limit=limit)


def one_of(*words: str, by: str, severity: Literal["error", "warning"] = "error") -> Rule:
    """Return the rule that a text is exactly one of some words."""
    listed = ", ".join(words)

    def fault(value: Any) -> str | None:
        return None if value in words else f"it is not one of {listed} ({by})"

    return Rule("unknown_word", fault, f"use {listed}", by, severity, words)


def between(low: float, high: float, hint: str) -> Rule:
    """Return the rule that a number is from `low` to `high`."""

    def fault(value: Any) -> str | None:
        return None if low <= float(value) <= high else f"it is not between {low:,} and {high:,}"

    return Rule("out_of_range", fault, hint)


_SWAPPED = "check for swapped latitude and longitude, and for a lost decimal point"
LATITUDE = between(-90, 90, _SWAPPED)
LONGITUDE = between(-180, 180, _SWAPPED)


def matches(pattern: str, wanted: str, by: str, code: str = "bad_form") -> Rule:
    """Return the rule that a whole text matches a pattern, which `wanted` describes."""
    compiled = re.compile(pattern)

    def fault(value: Any) -> str | None:
        return None if compiled.fullmatch(str(value)) else f"it is not {wanted} ({by})"

    return Rule(code, fault, f"write {wanted}", by)


COUNTRY_CODE = matches(r"[A-Za-z]{2}", "a country's two letters, such as AE", D7)
PLACE_FROM_0 = matches(r"[0-9]{1,2}", "a position: 0 for the first, 1 for the second", D7)


def _url_fault(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        is_web_address = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_web_address = False
    if not is_web_address:
        return "it is not an http or https address (D7)"
    if "\\" in value:  # some programs read it as a slash, so that the host would be another
        return "the address has a backslash in it"
    if " " in value or not value.isprintable():
        return "the address has a space or an invisible character in it (D7 takes it as typed)"
    return None


URL = Rule("bad_url", _url_fault, "give the whole address, such as https://example.com/a.jpg", D7)


def _parameter_fault(value: str) -> str | None:
    if "\n" in value or "\t" in value or "     " in value:
        return "a template's parameter can't hold a line break, a tab or more than four spaces in a row (Meta)"
    return None


ONE_LINE = Rule("bad_parameter", _parameter_fault, "put it on one line", META)


def distinct(path: str, what: str, by: str) -> RowRule:
    """Return the rule that no two of the values at `path` are the same; `what` names them in the plural."""

    def fault(*values: Any) -> str | None:
        set_values = [value for value in values if value is not None]
        return None if len(set(set_values)) == len(set_values) else f"two {what} are the same ({by})"

    return RowRule("repeated", (path,), fault, f"give all {what} different values", by)
