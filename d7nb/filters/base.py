"""What a pre-send filter is."""

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
"""The order in which filters are asked; within a stage they go by name."""


ADDED = {
    "d7_row": "the row's position in the table, from 0",
    "d7_recipient": "its number, E.164",
    "d7_country": "the number's region, such as AE",
    "d7_message_type": "D7's word for its content, such as TEXT",
    "d7_originator": "the business number that it comes from",
    "d7_same_as": "the position of the first row with the same key: the same person, told the same",
}
"""What a filter finds beside the user's columns."""


class RowFilter:
    """A rule that can skip rows before they are sent, and must say why.

    Attributes:
        name: What ``plan.rows.decided_by`` calls it.
        stage: When it is asked: ``clean``, ``consent``, ``limit`` or ``final``.
        reads_clock: Whether its answer changes with time; then it is asked again at each request.
        reads_table: Whether it looks at the user's own columns; where none does, they need not be picked out.
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
        """Say which rows of a request to skip after all; asked just before it goes, where `reads_clock`."""
        return self.check(rows)

    def warning(self, rows: pd.DataFrame) -> str | None:
        """One sentence for the whole plan, where there is something to say about these rows."""
        del rows
        return None

    def __repr__(self) -> str:
        return f"<filter {self.name!r}, stage {self.stage}>"


class FunctionFilter(RowFilter):
    """A filter made of a function by `row_filter`."""

    def __init__(
        self, function: Callable[[pd.DataFrame], pd.Series], name: str, stage: str, *, reads_clock: bool
    ) -> None:
        self.name, self.stage, self.reads_clock, self._function = name, stage, reads_clock, function
        self.__doc__, self.__module__ = function.__doc__, function.__module__

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Ask the function."""
        return self._function(rows)

    __call__ = check


def reasons(rows: pd.DataFrame, skip: Any, reason: str | Iterable[str]) -> pd.Series:
    """A filter's answer: one reason, or one each, for the rows where `skip` is true.

    Example:
        >>> rows = pd.DataFrame({"age": [17, 40]})
        >>> reasons(rows, rows["age"] < 18, "under 18").tolist()
        ['under 18', nan]
    """
    skip = np.asarray(skip, dtype=bool)
    words = [reason] if isinstance(reason, str) else list(reason)
    codes = np.zeros(len(rows), dtype=np.int64)
    codes[skip] = 1 if isinstance(reason, str) else range(1, len(words) + 1)
    return pd.Series(pd.array([None, *words], dtype="str").take(codes), index=rows.index)


def column_of(rows: pd.DataFrame, name: Any, who: str) -> pd.Series:
    """A column of the ready rows, for a filter that needs it.

    Raises:
        PluginError: It is not there.
    """
    if name not in rows.columns:
        raise PluginError(f"{who}: there is no column {name!r}; {did_you_mean(name, list(rows.columns))}".rstrip("; "))
    column: pd.Series = rows[name]
    return column


def checked_stage(name: str, stage: str) -> str:
    """The stage, if it is one.

    Raises:
        PluginError: It is none.
    """
    if stage not in STAGES:
        message = f"the filter {name!r} has the stage {stage!r}; it must be one of {', '.join(STAGES)}"
        raise PluginError(message)
    return stage


def as_ledger(given: Any) -> Ledger | None:
    """The ledger, where that was given; None where it is anything else. Nothing is imported for the question.

    Example:
        >>> as_ledger("last_inbound_at") is None
        True
    """
    home = sys.modules.get("d7nb.ledger")
    return given if home is not None and isinstance(given, home.Ledger) else None
