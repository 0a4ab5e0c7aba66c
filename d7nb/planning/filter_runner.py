"""Run the filters of a plan, and those that read the clock again at the time of sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.display.text import plural
from d7nb.errors import D7Error, FilterError, PluginError, begins_in, type_in_words
from d7nb.filters.base import RowFilter
from d7nb.planning.envelope import past
from d7nb.plugins.manager import FilterEntry, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime


class FilterResult(NamedTuple):
    """What a filter saw and answered.

    Attributes:
        row_filter: The filter.
        source: The plugin that it comes from, or ``filters=``.
        saw: The number of rows that it was given.
        positions: The rows that it skips, as positions in the frame of all ready rows.
        reasons: The reason for each of them.
        warning: A sentence on the plan as a whole; None where there is none.
    """

    row_filter: RowFilter
    source: str
    saw: int
    positions: np.ndarray
    reasons: list[str]
    warning: str | None


def select_filters(registered: Iterable[FilterEntry], given: Iterable[Any]) -> tuple[FilterEntry, ...]:
    """Return the filters of a plan in their order: the registered ones, and those of ``filters=``.

    Raises:
        PluginError: One is no filter, or two have one name.
    """
    given = list(given)
    if unusable := [value for value in given if not isinstance(value, RowFilter)]:
        hint = "filters= takes filters such as OptOut(...), or functions marked with @row_filter(register=False)"
        raise PluginError(f"{hint}, not {unusable[0]!r}")
    entries = [entry for entry in registered if entry.row_filter not in given]
    entries += [FilterEntry(row_filter, "filters=") for row_filter in given]
    names = [entry.row_filter.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"two filters of this plan are called {twice[0]!r}; give one of them another name")
    return in_order(entries)


def run_filters(filters: Sequence[FilterEntry], rows: pd.DataFrame) -> list[FilterResult]:
    """Run filters one after another; what one skips, the next does not see.

    Args:
        filters: In order.
        rows: The ready rows.

    Raises:
        FilterError: A filter raised, or its answer does not fit.
    """
    positions = np.arange(len(rows))
    results = []
    for row_filter, source in filters:
        skip, reasons = _ask(row_filter, row_filter.check, rows, source)
        warns = getattr(row_filter.warning, "__func__", None) is not RowFilter.warning
        warning = _call(row_filter, row_filter.warning, rows, source) if warns else None
        results.append(FilterResult(row_filter, source, len(rows), positions[skip], reasons, warning))
        if len(skip):
            remaining = np.delete(np.arange(len(rows)), skip)
            positions, rows = positions[remaining], rows.take(remaining)
    return results


class SendTimeFilters:
    """The rules that read the clock, run again just before a request goes: a send may run for hours.

    Args:
        filters: Those of the plan; only the ones that read the clock are run.
        filter_frame: From positions to the frame that filters are shown.
        schedule_of: From a row's position to the time at which D7 is to send it, in D7's form.
        clock: Tells the time.
    """

    def __init__(
        self,
        filters: Sequence[FilterEntry],
        filter_frame: Callable[[np.ndarray], pd.DataFrame],
        schedule_of: Callable[[int], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._filters = [entry for entry in filters if entry.row_filter.reads_clock]
        self._filter_frame = filter_frame
        self._schedule_of = schedule_of
        self._clock = clock

    def __call__(self, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray, list[str]]]:
        """Yield who skips which rows of one request, and why.

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
        for row_filter, source in self._filters:
            skip, reasons = _ask(row_filter, row_filter.check_at_request, self._filter_frame(rows), source)
            if len(skip):
                yield row_filter.name, rows[skip], [f"{reason} ({self._now()})" for reason in reasons]
                rows = np.delete(rows, skip)
            if not len(rows):
                return

    def _now(self) -> str:
        return f"at the time of sending, {self._clock().isoformat(sep=' ', timespec='seconds')}"


def _ask(
    row_filter: RowFilter, question: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, source: str
) -> tuple[np.ndarray, list[str]]:
    """Ask one filter, and check that its answer fits the rows.

    Returns:
        The positions of the rows to skip, and why each.

    Raises:
        FilterError: It raised, or its answer does not fit.
    """
    answer: Any = _call(row_filter, question, rows, source)
    if not isinstance(answer, pd.Series):
        _refuse(row_filter, source, f"returned {type_in_words(answer)}; return a series with one value for each row")
    if len(answer) != len(rows) or not answer.index.equals(rows.index):
        fault = f"returned {plural(len(answer), 'value')} for {plural(len(rows), 'row')}, or in another order"
        _refuse(row_filter, source, f"{fault}: keep rows.index")
    skip = np.flatnonzero(answer.notna().to_numpy())
    reasons = answer.iloc[skip].tolist() if len(skip) else []
    wrong = {type_in_words(reason) for reason in reasons if not isinstance(reason, str)}
    wrong |= {"an empty text" for reason in reasons if isinstance(reason, str) and not reason.strip()}
    if wrong:
        hint = "return a text for each row to skip, a missing value for each row to keep"
        _refuse(row_filter, source, f"gave {' and '.join(sorted(wrong))} as a reason; {hint}")
    return skip, reasons


def _call(row_filter: RowFilter, function: Callable[[pd.DataFrame], Any], rows: pd.DataFrame, source: str) -> Any:
    """Call a filter's function; what it raises becomes a `FilterError` with the author's own steps as its cause."""
    try:
        return function(rows.copy(deep=False))  # what it writes to is copied then
    except (Exception, SystemExit) as error:
        # The author of a filter needs the way to its fault; our own steps to it would only show the rows.
        while error.__traceback__ is not None and begins_in(error.__traceback__, "d7nb", "pandas", "numpy"):
            error.__traceback__ = error.__traceback__.tb_next
        problem = f": {error}" if isinstance(error, D7Error) else f" failed: {type(error).__name__}: {error}"
        raise FilterError(f"the filter {row_filter.name!r} ({source}){problem}") from error


def _refuse(row_filter: RowFilter, source: str, what: str) -> None:
    raise FilterError(f"the filter {row_filter.name!r} ({source}) {what}")
