"""Filters that ask when it is: the customer service window, quiet hours, and a cap.

Each takes its clock as an argument, and is asked again at each request of a send, which may run for hours.
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
from d7nb.errors import PluginError
from d7nb.filters.base import RowFilter, as_ledger, column_of, reasons
from d7nb.recipients.variants import family

if TYPE_CHECKING:
    from d7nb.api.client import Client
    from d7nb.ledger import Ledger

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that is used unless another is handed in."""
    return datetime.now(UTC)


class ServiceWindow(RowFilter):
    """Free-form messages only to people who wrote within 24 hours (Meta's customer service window); templates pass.

    Args:
        since: When each person last wrote: a column of times with a zone, or their ISO text; or an open `d7nb.Ledger`,
            which the receiver of events tells who wrote when, and to which of your numbers.
        hours: How long the window is open.
        clock: Tells the time.
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
        free = (rows["d7_message_type"] != "TEMPLATE").to_numpy()
        if not free.any() or (self._ledger is None and self._column not in rows.columns):
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        closed = ~(self._since(rows) >= _plain(self._clock() - self._length))  # nobody knows: closed
        hours = self._length / timedelta(hours=1)
        told = f"the last message from them is older than {hours:g} hours, or of no known time; only a template may go"
        return reasons(rows, free & closed, told)

    def _since(self, rows: pd.DataFrame) -> np.ndarray:
        """When each row's person last wrote, ``datetime64`` in UTC; NaT where nobody knows."""
        if self._ledger is not None:
            people = family(rows["d7_recipient"]).tolist()
            return self._ledger.last_inbound(self._destination, people, rows["d7_originator"].tolist())
        moments = [_moment(cell) for cell in rows[self._column]]
        return np.array([moment and _plain(moment) for moment in moments], dtype="datetime64[us]")

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say so where the times are not known at all."""
        if self._ledger is not None or self._column in rows.columns or (rows["d7_message_type"] == "TEMPLATE").all():
            return None
        return (
            f"there is no column {self._column!r} that says when people last wrote; free-form messages reach only "
            "those who did within 24 hours (Meta)"
        )


class QuietHours(RowFilter):
    """Nobody is written to at night, by the recipient's own clock.

    The zone is the number's (phonenumbers' data), or a column's. A number that may be in several zones must be allowed
    in all of them; one whose zone nobody knows is skipped.

    Args:
        start: When quiet begins, such as ``"21:00"``.
        end: When it ends, such as ``"08:00"``.
        zone: A column with names such as ``Asia/Dubai``.
        clock: Tells the time.
    """

    name = "quiet-hours"
    stage = "limit"
    reads_clock = True

    def __init__(self, start: str | time, end: str | time, *, zone: str | None = None, clock: Clock = utc_now) -> None:
        self._start, self._end = _time_of_day(start), _time_of_day(end)
        self._zone, self._clock = zone, clock

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip whoever has quiet hours now."""
        now = self._clock()
        zones = column_of(rows, self._zone, self.name).astype("object") if self._zone else _zones(rows["d7_recipient"])
        told = {each: self._quiet(each, now) for each in set(zones)}
        answers = [told[each] for each in zones]
        return pd.Series(pd.array(answers, dtype="str"), index=rows.index)

    def _quiet(self, zones: Any, now: datetime) -> str | None:
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
    """No more than so many: for each value of a column, or in any period of time.

    Args:
        n: How many rows may go.
        per: A column, such as ``"d7_recipient"`` or ``"city"``; or a period (``"hour"``, ``"day"``, ``"week"`` or a
            `timedelta`), counted over everything that this filter let go, in this kernel.
        clock: Tells the time.
    """

    stage = "limit"
    reads_clock = True

    def __init__(self, n: int, *, per: str | timedelta = "day", clock: Clock = utc_now) -> None:
        given: object = n
        if not isinstance(given, int) or n < 0 or not per:
            raise PluginError(f"Cap: {n!r} is no number of rows, or {per!r} no column or period")
        self._n, self._clock = n, clock
        self._period = _PERIODS.get(per) if isinstance(per, str) else per
        self._column = None if self._period is not None else per
        self._word = per if isinstance(per, str) else str(per)
        self.name = f"cap-{n}-per-{self._word}"
        self._gone: deque[tuple[datetime, int]] = deque()

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip what is beyond the cap."""
        if self._column is not None:
            places = column_of(rows, self._column, self.name).reset_index(drop=True)
            before = places.groupby(places, dropna=False).cumcount().to_numpy()
            return reasons(rows, before >= self._n, f"over the cap of {self._n:,} for each {self._column}")
        return self._beyond(rows, self._room())

    def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
        """Count what goes now, and skip what would be too many."""
        if self._column is not None:
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        room = self._room()
        self._gone.append((self._clock(), min(room, len(rows))))
        return self._beyond(rows, room)

    def _room(self) -> int:
        oldest = self._clock() - (self._period or timedelta())
        while self._gone and self._gone[0][0] <= oldest:
            self._gone.popleft()
        return self._n - sum(count for _, count in self._gone)

    def _beyond(self, rows: pd.DataFrame, room: int) -> pd.Series:
        told = f"over the cap of {self._n:,} a {self._word}; send it again later"
        return reasons(rows, np.arange(len(rows)) >= room, told)


def _moment(cell: Any) -> datetime | None:
    """A cell as a time with a zone; None where it is none."""
    when = read_date(cell)
    return when if isinstance(when, datetime) and when.tzinfo is not None else None


def _plain(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _time_of_day(given: str | time) -> time:
    if isinstance(given, time):
        return given
    try:
        return time.fromisoformat(given)
    except ValueError:
        raise PluginError(f"QuietHours: {given!r} is no time of day, such as 21:00") from None


def _zones(recipients: pd.Series) -> list[tuple[str, ...]]:
    """Each number's possible time zones; asked once for each number."""
    import phonenumbers  # noqa: PLC0415  (slow to import, seldom needed)
    from phonenumbers.timezone import time_zones_for_number  # noqa: PLC0415

    known = {number: time_zones_for_number(phonenumbers.parse(number)) for number in set(recipients)}
    return [known[number] for number in recipients]
