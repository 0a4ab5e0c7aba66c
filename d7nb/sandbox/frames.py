"""The sandbox's messages, events and customers' messages as pandas frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from d7nb.sandbox.events.webhooks import EventRow
from d7nb.sandbox.inbox import REPLY_COLUMNS
from d7nb.sandbox.state import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def messages_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the frame of `Sandbox.messages`.

    Example:
        >>> messages_frame([])["status"].dtype
        <StringDtype(na_value=nan)>
    """
    return _frame(rows, Row._fields, {"content": "object", "reference": "object", "warnings": "object"})


def events_frame(rows: Sequence[EventRow]) -> pd.DataFrame:
    """Return the frame of `Sandbox.events`.

    Example:
        >>> events_frame([])["tries"].dtype
        dtype('int64')
    """
    return _frame(rows, EventRow._fields, {"tries": "int64"})


def replies_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the frame of `Sandbox.replies`.

    Example:
        >>> replies_frame([])["typing"].dtype
        dtype('bool')
    """
    return _frame(rows, REPLY_COLUMNS, {"typing": "bool"})


def _frame(rows: Sequence[Any], columns: Sequence[str], other_types: Mapping[str, str]) -> pd.DataFrame:
    """Make a frame whose columns are texts, but for some; their types are the same with and without rows."""
    frame = pd.DataFrame(rows, columns=pd.Index(columns))
    return frame.astype({column: other_types.get(column, "str") for column in columns})
