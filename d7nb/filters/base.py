"""The base class of pre-send filters, and helpers for writing one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from d7nb.ledger import Ledger


STAGES = ("clean", "consent", "limit", "final")
"""The stages of filters, in the order in which they run; within a stage, filters run in the order of their names."""


ADDED = {
    "d7_row": "the row's position in the table, from 0",
    "d7_recipient": "its number, E.164",
    "d7_country": "the number's region, such as AE",
    "d7_message_type": "D7's word for its content, such as TEXT",
    "d7_originator": "the business number that it comes from",
    "d7_same_as": "the position of the first row with the same key: the same recipient and content, or ``key=``",
}
"""The columns that a filter is given beside the user's, and their meaning."""


class RowFilter:
    """A rule that can skip rows before they are sent, and must say why.

    Attributes:
        name: Its name in ``plan.rows.decided_by``.
        stage: When it runs: ``clean``, ``consent``, ``limit`` or ``final``.
        reads_clock: Whether its answer changes with time; then it runs again before each request.
        reads_table: Whether it reads the user's columns; a plan whose filters all don't is made faster.
    """

    name: str = ""
    stage: str = "final"
    reads_clock: bool = False
    reads_table: bool = True

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Say which rows to skip.

        Args:
            rows: The rows that are ready, with the user's columns and those of `ADDED`.

        Returns:
            A series aligned with `rows`: a reason for each row to skip, missing for each to keep.
        """
        message = f"the filter {self.name!r} has no check()"
        raise TypeError(message)

    def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
        """Say which rows of a request to skip after all; called just before it is sent, where `reads_clock`."""
        return self.check(rows)

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Return a warning about the plan as a whole, in one sentence; None for no warning.

        Args:
            rows: As for `check`.
        """
        del rows
        return None

    def __repr__(self) -> str:
        return f"<filter {self.name!r}, stage {self.stage}>"


class FunctionFilter(RowFilter):
    """A filter that `row_filter` made of a function."""

    def __init__(
        self, function: Callable[[pd.DataFrame], pd.Series], name: str, stage: str, *, reads_clock: bool
    ) -> None:
        self.name, self.stage, self.reads_clock, self._function = name, stage, reads_clock, function
        self.__doc__, self.__module__ = function.__doc__, function.__module__

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Call the function."""
        return self._function(rows)

    __call__ = check


def reasons(rows: pd.DataFrame, skip: Any, reason: str | Iterable[str]) -> pd.Series:
    """Make a filter's answer: a reason for each row where `skip` is true.

    Args:
        rows: The rows that the filter was given.
        skip: A boolean for each of them.
        reason: One reason for all rows to skip, or one for each of these.

    Example:
        >>> rows = pd.DataFrame({"age": [17, 40]})
        >>> reasons(rows, rows["age"] < 18, "under 18").tolist()
        ['under 18', nan]
    """
    skip = np.asarray(skip, dtype=bool)
    texts = [reason] if isinstance(reason, str) else list(reason)
    codes = np.zeros(len(rows), dtype=np.int64)
    codes[skip] = 1 if isinstance(reason, str) else range(1, len(texts) + 1)
    return pd.Series(pd.array([None, *texts], dtype="str").take(codes), index=rows.index)


def column_of(rows: pd.DataFrame, name: Any, filter_name: str) -> pd.Series:
    """Return a column that a filter needs.

    Args:
        rows: The rows that the filter was given.
        name: The column.
        filter_name: The filter's name, for the message.

    Raises:
        PluginError: The column is missing.
    """
    if name not in rows.columns:
        raise PluginError(
            f"{filter_name}: there is no column {name!r}; {did_you_mean(name, list(rows.columns))}".rstrip("; ")
        )
    column: pd.Series = rows[name]
    return column


def checked_stage(name: str, stage: str) -> str:
    """Return the stage of a filter if it is one of `STAGES`.

    Raises:
        PluginError: It is not.
    """
    if stage not in STAGES:
        message = f"the filter {name!r} has the stage {stage!r}; it must be one of {', '.join(STAGES)}"
        raise PluginError(message)
    return stage


def as_ledger(given: Any) -> Ledger | None:
    """Return an argument if it is a ledger, None if it is anything else; without importing the ledger's module.

    Example:
        >>> as_ledger("last_inbound_at") is None
        True
    """
    module = sys.modules.get("d7nb.ledger")  # where it was not imported, nobody can have made a ledger
    return given if module is not None and isinstance(given, module.Ledger) else None
