"""What stands around a content in D7's request: recipients with their references, originator, report URL, schedule.

They are declared in the same vocabulary as contents (d7-api.md section 2), so columns fill them by the same machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from d7nb.content.declare import Part, leaf, nested
from d7nb.content.leaves import Cells, Column, Rendered, Unfit
from d7nb.content.rules import D7, TEXT, URL, Kind, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

KEY_TAG = "message_tag5"
"""Where a row's key travels, unless told otherwise."""


def _to_originator(value: Any) -> str | Unfit:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int) else Unfit("it is not a number")


def to_schedule(value: Any) -> str | Unfit:
    """A time with a zone in the form that D7 documents, ``2021-08-05T12:52+05:30`` (d7-api.md section 8, row 15).

    D7's form ends with the minute, so a time within one is moved to the end of it: never earlier than asked for.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return Unfit("it is not a time in ISO form, such as 2026-11-30T09:00+04:00")
    if not isinstance(value, datetime):
        return Unfit("it is not a time")
    if value.utcoffset() is None:
        return Unfit("the time has no zone, so nobody can tell when that is")
    if value.second or value.microsecond:
        value = value.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return str(value.isoformat(timespec="minutes"))


ORIGINATOR = Kind("number, such as +971500000000", _to_originator)
SCHEDULE = Kind("time with a zone, such as 2026-11-30T09:00+04:00", to_schedule)


class Computed(Column):
    """A column that is not in the frame: its values are computed for the rows that are asked for."""

    __slots__ = ("function",)

    def __init__(self, name: str, function: Callable[[np.ndarray], list[Any]]) -> None:
        super().__init__(name)
        object.__setattr__(self, "function", function)

    @property
    def columns(self) -> tuple[()]:
        """None of the frame's."""
        return ()

    def render(self, cells: Cells) -> Rendered:
        """The values for the rows of `cells`."""
        return Rendered(self.function(cells.rows), [])  # type: ignore[attr-defined]


class Reference(Part):
    """What comes back with each report of a message; all optional, none with a documented length."""

    cust_ref: str | None = leaf("cust_ref", default=None)
    message_tag1: str | None = leaf("message_tag1", default=None)
    message_tag2: str | None = leaf("message_tag2", default=None)
    message_tag3: str | None = leaf("message_tag3", default=None)
    message_tag4: str | None = leaf("message_tag4", default=None)
    message_tag5: str | None = leaf("message_tag5", default=None)
    conversation_id: str | None = leaf("conversation_id", default=None)


class Recipient(Part):
    """One recipient of a message: one number an object, always ``individual`` (d7-api.md section 8, rows 3 and 5)."""

    recipient: str = leaf("recipient")
    reference: Reference | Mapping[str, Any] | None = nested("reference", Reference, default=None)

    constants: ClassVar[Mapping[str, Any]] = {"recipient_type": "individual"}


class Routing(Part):
    """Which way a row's message goes: rows that differ here can't share a message (or, by time, a request)."""

    originator: str = leaf("originator", ORIGINATOR, matches(r"\+?[0-9]{5,15}", "a number such as +971500000000", D7))
    report_url: str | None = leaf("report_url", TEXT, URL, default=None)
    schedule: Any = leaf("schedule_time", SCHEDULE, default=None)


_ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype="S1")


def base32(digests: np.ndarray) -> list[str]:
    """Digests of 16 bytes as 26 characters each, all rows at once (RFC 4648 without padding).

    Example:
        >>> base32(np.zeros((1, 16), dtype=np.uint8))
        ['AAAAAAAAAAAAAAAAAAAAAAAAAA']
    """
    bits = np.unpackbits(digests, axis=1)
    padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 5)))
    places = padded.reshape(len(digests), -1, 5) @ np.array([16, 8, 4, 2, 1], dtype=np.uint8)
    texts = _ALPHABET[places].view(f"S{places.shape[1]}").ravel()
    return texts.astype(str).tolist()


def recipients_of(numbers: pd.Series) -> Computed:
    """The column of E.164 numbers, as the recipient objects need it."""
    return Computed("recipient", lambda rows: numbers.array.take(rows).tolist())
