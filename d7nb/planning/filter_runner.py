"""Asking filters: each gets the whole frame of the rows still ready, and must answer reasons that fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.errors import D7Error, FilterError, PluginError, begins_in
from d7nb.filters.base import RowFilter
from d7nb.planning.envelope import past
from d7nb.plugins.manager import Sourced, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime


class FilterResult(NamedTuple):
    """What a filter was asked and answered.

    Attributes:
        row_filter: The filter.
        source: The plugin it is from.
        saw: How many rows it was shown.
        places: Which of all rows it skips, as positions in the frame of ready rows.
        reasons: Why, for each of them.
        warning: What it has to say of the plan as a whole.
    """

    row_filter: RowFilter
    source: str
    saw: int
    places: np.ndarray
    reasons: list[str]
    warning: str | None


def chosen(registered: Iterable[Sourced], given: Iterable[Any]) -> tuple[Sourced, ...]:
    """The filters of a plan, in order: the registered ones, and those of ``filters=``.

    Raises:
        PluginError: One is no filter, or two have one name.
    """
    given = list(given)
    if strangers := [each for each in given if not isinstance(each, RowFilter)]:
        hint = "filters= takes filters such as OptOut(...), or functions marked with @row_filter(register=False)"
        raise PluginError(f"{hint}, not {strangers[0]!r}")
    others = [each for each in registered if each.row_filter not in given]
    filters = [*others, *(Sourced(each, "filters=") for each in given)]
    names = [each.row_filter.name for each in filters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"two filters of this plan are called {twice[0]!r}; give one of them another name")
    return in_order(filters)


def ask_all(filters: Sequence[Sourced], rows: pd.DataFrame) -> list[FilterResult]:
    """Ask filters one after another; what one skips, the next does not see.

    Args:
        filters: In order.
        rows: The ready rows.

    Raises:
        FilterError: A filter raised, or its answer does not fit.
    """
    places = np.arange(len(rows))
    asked = []
    for each, source in filters:
        skip, reasons = answer(each, each.check, rows, source)
        warns = getattr(each.warning, "__func__", None) is not RowFilter.warning
        warning = _guarded(each, each.warning, rows, source) if warns else None
        asked.append(FilterResult(each, source, len(rows), places[skip], reasons, warning))
        if len(skip):
            left = np.delete(np.arange(len(rows)), skip)
            places, rows = places[left], rows.take(left)
    return asked


class SendTimeFilters:
    """The rules that read the clock, asked again just before a request goes: a send may run for hours.

    Args:
        filters: Those of the plan; only the ones that read the clock are asked.
        rows_of: From positions to the frame that filters are shown.
        schedule_of: From a row's position to the time at which D7 is to send it, in D7's form.
        clock: Tells the time.
    """

    def __init__(
        self,
        filters: Sequence[Sourced],
        rows_of: Callable[[np.ndarray], pd.DataFrame],
        schedule_of: Callable[[int], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._filters = [each for each in filters if each.row_filter.reads_clock]
        self._rows_of = rows_of
        self._schedule_of = schedule_of
        self._clock = clock

    def __call__(self, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray, list[str]]]:
        """Who skips which rows of one request, and why.

        Args:
            rows: Their positions; they share a schedule.

        Raises:
            FilterError: A filter raised, or its answer does not fit.
        """
        schedule = self._schedule_of(int(rows[0]))
        fault = past(schedule, self._clock()) if schedule else None
        if fault:
            yield "schedule", rows, [f"{fault}, {self._now()}"] * len(rows)
            return
        for each, source in self._filters:
            skip, reasons = answer(each, each.check_at_request, self._rows_of(rows), source)
            if len(skip):
                yield each.name, rows[skip], [f"{reason} ({self._now()})" for reason in reasons]
                rows = np.delete(rows, skip)
            if not len(rows):
                return

    def _now(self) -> str:
        return f"when its turn came, at {self._clock().isoformat(sep=' ', timespec='seconds')}"


def answer(
    row_filter: RowFilter, question: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, source: str
) -> tuple[np.ndarray, list[str]]:
    """Ask one filter, and hold its answer against the rows.

    Returns:
        The places of the rows to skip, and why each.

    Raises:
        FilterError: It raised, or its answer does not fit.
    """
    told: Any = _guarded(row_filter, question, rows, source)
    if not isinstance(told, pd.Series):
        _refuse(row_filter, source, f"answered a {type(told).__name__}, not a series of reasons")
    if len(told) != len(rows) or not told.index.equals(rows.index):
        _refuse(row_filter, source, f"answered {len(told):,} rows that are not the {len(rows):,} it was shown")
    skip = np.flatnonzero(told.notna().to_numpy())
    reasons = told.iloc[skip].tolist() if len(skip) else []
    wrong = {type(reason).__name__ for reason in reasons if not isinstance(reason, str) or not reason.strip()}
    if wrong:
        what = f"{', '.join(sorted(wrong))} where a reason must stand"
        _refuse(row_filter, source, f"answered {what}; write a text for each row to skip, nothing for each to keep")
    return skip, reasons


def _guarded(row_filter: RowFilter, function: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, source: str) -> Any:
    try:
        return function(rows.copy(deep=False))  # what it writes to is copied then
    except (Exception, SystemExit) as error:
        # The author of a filter needs the way to its fault; our own steps to it would only show the rows.
        while error.__traceback__ is not None and begins_in(error.__traceback__, "d7nb", "pandas", "numpy"):
            error.__traceback__ = error.__traceback__.tb_next
        told = f": {error}" if isinstance(error, D7Error) else f" failed: {type(error).__name__}: {error}"
        raise FilterError(f"the filter {row_filter.name!r} ({source}){told}") from error


def _refuse(row_filter: RowFilter, source: str, what: str) -> None:
    raise FilterError(f"the filter {row_filter.name!r} ({source}) {what}")
