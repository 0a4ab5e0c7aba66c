"""Filters by time: the customer service window, quiet hours, and a cap.

Each takes its clock as an argument, and runs again before each request of a send, which may take hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from d7nb.api.destinations import destination_of
from d7nb.content.binding.values import read_date
from d7nb.display.text import plural
from d7nb.errors import PluginError
from d7nb.filters.base import ADDED, RowFilter, as_ledger, column_of, reasons
from d7nb.recipients.variants import family

if TYPE_CHECKING:
    from d7nb.api.client import Client
    from d7nb.ledger import Ledger

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time now in UTC: the clock that is used unless another is given."""
    return datetime.now(UTC)


class ServiceWindow(RowFilter):
    """Skips free-form messages to people who did not write within 24 hours; templates pass.

    WhatsApp delivers free-form messages in this window only (Meta, "Send messages", customer service windows).

    Args:
        since: When each person last wrote: a column of times with a zone, or their ISO text; or an open `d7nb.Ledger`,
            in which the receiver of events records who wrote when, and to which of your numbers.
        hours: The length of the window.
        clock: Returns the time.
        client: With a ledger: where the messages will go, the real API unless given.
    """

    name = "service-window"
    stage = "limit"
    reads_clock = True

    def __init__(
        self,
        since: str | Ledger = "last_inbound_at",
        *,
        hours: float = 24,
        clock: Clock = utc_now,
        client: Client | None = None,
    ) -> None:
        self._ledger = as_ledger(since)
        self._column = since if self._ledger is None else None
        self._length, self._clock, self._destination = timedelta(hours=hours), clock, destination_of(client)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip free-form messages outside the window."""
        free_form = (rows["d7_message_type"] != "TEMPLATE").to_numpy()
        if not free_form.any() or (self._ledger is None and self._column not in rows.columns):
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        closed = ~(self._since(rows) >= _utc(self._clock() - self._length))  # a time that is not known counts as closed
        age = f"more than {self._length / timedelta(hours=1):g} hours old"
        reason = f"their last message is {age}, or its time is not known: only a template can be sent"
        return reasons(rows, free_form & closed, reason)

    def _since(self, rows: pd.DataFrame) -> np.ndarray:
        """Return when each row's person last wrote, ``datetime64`` in UTC; NaT where that is not known."""
        if self._ledger is not None:
            people = family(rows["d7_recipient"]).tolist()
            return self._ledger.last_inbound(self._destination, people, rows["d7_originator"].tolist())
        times = [_time_with_zone(cell) for cell in rows[self._column]]
        return np.array([when and _utc(when) for when in times], dtype="datetime64[us]")

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say so where the column with the times is missing."""
        if self._ledger is not None or self._column in rows.columns or (rows["d7_message_type"] == "TEMPLATE").all():
            return None
        return (
            f"there is no column {self._column!r} that says when people last wrote; free-form messages reach only "
            "those who wrote within 24 hours (Meta)"
        )


class QuietHours(RowFilter):
    """Skips people for whom it is night, in the recipient's time zone.

    The zone is that of the number (from the data of phonenumbers), or a column's. Where a number may be in several
    zones, it must not be night in any of them; a number without a known zone is skipped.

    Args:
        start: When quiet hours begin, such as ``"21:00"``.
        end: When they end, such as ``"08:00"``.
        zone: A column with names such as ``Asia/Dubai``.
        clock: Returns the time.
    """

    name = "quiet-hours"
    stage = "limit"
    reads_clock = True

    def __init__(self, start: str | time, end: str | time, *, zone: str | None = None, clock: Clock = utc_now) -> None:
        self._start, self._end = _time_of_day(start), _time_of_day(end)
        self._zone, self._clock = zone, clock

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip people who have quiet hours now."""
        now = self._clock()
        zones = column_of(rows, self._zone, self.name).astype("object") if self._zone else _zones(rows["d7_recipient"])
        reason_of = {row_zones: self._reason(row_zones, now) for row_zones in set(zones)}
        answer = [reason_of[row_zones] for row_zones in zones]
        return pd.Series(pd.array(answer, dtype="str"), index=rows.index)

    def _reason(self, zones: Any, now: datetime) -> str | None:
        """Return why somebody in one of some zones is not written to; None where it is not night in any of them."""
        for name in zones if isinstance(zones, tuple) else (str(zones),):
            try:
                local = now.astimezone(ZoneInfo(name)).time()
            except (KeyError, ValueError, OSError):
                return "quiet hours: the recipient's time zone is not known"
            within = self._start <= local < self._end
            over_midnight = self._start > self._end and not self._end <= local < self._start
            if within or over_midnight:
                return f"quiet hours from {self._start:%H:%M} to {self._end:%H:%M}: it is {local:%H:%M} in {name}"
        return None


_PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


class Cap(RowFilter):
    """Skips rows beyond a number: for each value of a column, or in any period of time.

    Args:
        n: How many rows may be sent.
        per: A column, such as ``"d7_recipient"`` or ``"city"``; or a period (``"hour"``, ``"day"``, ``"week"`` or a
            `timedelta`), counted over all rows that this filter let through in this kernel.
        clock: Returns the time.
    """

    stage = "limit"
    reads_clock = True

    def __init__(self, n: int, *, per: str | timedelta = "day", clock: Clock = utc_now) -> None:
        given: object = n
        if not isinstance(given, int) or n < 0:
            raise PluginError(f"Cap: {n!r} is not a number of rows; give a whole number such as 3")
        if not per:
            raise PluginError(f"Cap: per={per!r} is neither a column nor a period; use hour, day or week, or a column")
        self._n, self._clock = n, clock
        self._period = _PERIODS.get(per) if isinstance(per, str) else per
        self._column = None if self._period is not None else per
        self._per = per if isinstance(per, str) else str(per)
        self.name = f"cap-{n}-per-{self._per}"
        self._let_through: deque[tuple[datetime, int]] = deque()

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip the rows beyond the cap."""
        if self._column is not None:
            values = column_of(rows, self._column, self.name).reset_index(drop=True)
            earlier = values.groupby(values, dropna=False).cumcount().to_numpy()
            return reasons(rows, earlier >= self._n, _over_cap(self._n, str(self._column)))
        return self._beyond(rows, self._remaining())

    def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
        """Count the rows that are sent now, and skip those beyond the cap."""
        if self._column is not None:
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        remaining = self._remaining()
        self._let_through.append((self._clock(), min(remaining, len(rows))))
        return self._beyond(rows, remaining)

    def _remaining(self) -> int:
        oldest = self._clock() - (self._period or timedelta())
        while self._let_through and self._let_through[0][0] <= oldest:
            self._let_through.popleft()
        return self._n - sum(count for _, count in self._let_through)

    def _beyond(self, rows: pd.DataFrame, remaining: int) -> pd.Series:
        reason = f"over the cap of {self._n:,} per {self._per}; send it later"
        return reasons(rows, np.arange(len(rows)) >= remaining, reason)


def _over_cap(n: int, column: str) -> str:
    to_or_with = "to" if column == "d7_recipient" else "with"
    name = column.removeprefix("d7_").replace("_", " ") if column in ADDED else column
    return f"more than {plural(n, 'message')} {to_or_with} the same {name}"


def _time_with_zone(cell: Any) -> datetime | None:
    """Read a cell as a time with a zone; None where it is none."""
    when = read_date(cell)
    return when if isinstance(when, datetime) and when.tzinfo is not None else None


def _utc(when: datetime) -> np.datetime64:
    return np.datetime64(when.astimezone(UTC).replace(tzinfo=None), "us")


def _time_of_day(given: str | time) -> time:
    if isinstance(given, time):
        return given
    try:
        return time.fromisoformat(given)
    except ValueError:
        raise PluginError(f"QuietHours: {given!r} is not a time of day, such as 21:00") from None


def _zones(recipients: pd.Series) -> list[tuple[str, ...]]:
    """Return each row's possible time zones; looked up once for each number."""
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    zones_of = {number: time_zones_for_number(phonenumbers.parse(number)) for number in set(recipients)}
    return [zones_of[number] for number in recipients]
