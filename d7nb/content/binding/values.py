"""Conversions of a cell's value to text, number or date."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd

from d7nb.content.binding.cells import TEXT_TYPES, by_distinct, is_encodable
from d7nb.content.binding.text_columns import JoinedTexts, TextList
from d7nb.errors import type_in_words

_DECIMAL = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


class Invalid(NamedTuple):
    """The result of a conversion for a value that it can't take, with the reason."""

    message: str


_SCALARS = (bool, int, float, Decimal, Fraction, date, time, timedelta, np.generic, pd.Period, UUID)


def plain_text(value: Any) -> str | Invalid:
    """Return a cell's value as the text that a message shows."""
    if isinstance(value, str):
        return value if is_encodable(value) else Invalid("it has a broken character: type the text again")
    if isinstance(value, Iterable):
        return Invalid(f"it is {type_in_words(value)}, not one value")
    if not isinstance(value, _SCALARS):
        return Invalid(f"it is {type_in_words(value)}, which is not a text, a number or a date")
    value = _python_time(value)
    if isinstance(value, datetime) and not value.tzinfo and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, float | np.floating | Decimal) and not math.isfinite(value):
        return Invalid("it is not a usable number (infinite, or not a number)")
    return str(value)


def without_fraction(value: Any) -> Any:
    """Return a whole float as an int, and anything else as it is: pandas reads 1 as 1.0 beside an empty cell.

    A NumPy ``float32`` stays as it is, since row keys are computed from the result.

    Example:
        >>> without_fraction(1.0), without_fraction(1.5), without_fraction("1.0")
        (1, 1.5, '1.0')
    """
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain_texts(values: Sequence[Any]) -> Sequence[Any]:
    """Apply `plain_text` to each value but None; texts that can be sent are returned as they are."""
    if isinstance(values, TextList) or (isinstance(values, JoinedTexts) and is_encodable("".join(values.pieces))):
        return values
    if set(map(type, values)) <= TEXT_TYPES and is_encodable("".join(filter(None, values))):
        return values
    return by_distinct(plain_text, values)


def read_number(value: Any) -> Decimal | float | None:
    """Return a cell as a finite number, a text as the `Decimal` that it spells; None where it is no number."""
    if isinstance(value, str):
        return Decimal(value.strip()) if _DECIMAL.fullmatch(value.strip()) else None
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | np.integer):
        return Decimal(int(value))
    if not isinstance(value, float | np.floating | Decimal) or not math.isfinite(value):
        return None
    return value if isinstance(value, float | Decimal) else Decimal(str(value))


def read_date(value: Any) -> date | None:
    """Return a cell as a date or a datetime, a text read as ISO 8601; None where it is neither."""
    value = _python_time(value)
    if not isinstance(value, str):
        return value if isinstance(value, date) else None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def _python_time(value: Any) -> Any:
    return value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value
