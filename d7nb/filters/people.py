"""Filters by recipient: duplicates, opt-outs, consent, and a list of allowed recipients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.api.destinations import destination_of
from d7nb.errors import PluginError, hides_internals, type_in_words
from d7nb.filters.base import RowFilter, as_ledger, column_of, reasons
from d7nb.privacy import mask_text
from d7nb.recipients.check import check_numbers
from d7nb.recipients.variants import family
from d7nb.tables.reader import read_table

if TYPE_CHECKING:
    from d7nb.api.client import Client

_PEOPLE = 32_768
"""Numbers that are hashed together."""
_YES = frozenset({"true", "yes", "y", "1", "1.0", "opted in"})


class Duplicates(RowFilter):
    """Skips rows that repeat an earlier row of the table.

    Rows are the same by their ``key=`` columns, or else when the same person (a number and its national variants are
    one) would get the same message. The same person with different messages is a warning: WhatsApp accepts about one
    message in six seconds to one person (Meta, "Cloud API throughput", pair rate limit).
    """

    name = "duplicates"
    stage = "final"  # late: the row that is kept should be one that no other filter skips
    reads_table = False

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip all but the first of each key."""
        if not _may_repeat(rows):
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        codes = pd.factorize(rows["d7_same_as"])[0]
        first = np.unique(codes, return_index=True)[1]
        repeats = np.ones(len(rows), dtype=bool)
        repeats[first] = False
        originals = first[codes[repeats]]
        positions, labels = rows["d7_row"].to_numpy()[originals], rows.index[originals]
        messages = [
            mask_text(f"the same as the row at position {position} (index {label!r})")
            for position, label in zip(positions, labels, strict=True)
        ]
        return reasons(rows, repeats, messages)

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say how many people get several different messages."""
        distinct = rows.loc[~rows["d7_same_as"].duplicated().to_numpy()] if _may_repeat(rows) else rows
        people = _count_repeated(family(distinct["d7_recipient"]))
        if not people:
            return None
        who = "1 person gets" if people == 1 else f"{people:,} people get"
        return (
            f"{who} more than one message; WhatsApp takes about one in six seconds to one person (Meta), so some may "
            "fail: send them in another campaign, later"
        )


def _count_repeated(people: pd.Series) -> int:
    """Count the people that occur more than once: by sorted hashes, since a table of a million texts would be large."""
    hashes = np.empty(len(people), dtype=np.int64)
    for start in range(0, len(people), _PEOPLE):
        part = people.array[start : start + _PEOPLE].tolist()
        hashes[start : start + len(part)] = np.fromiter(map(hash, part), dtype=np.int64, count=len(part))
    hashes.sort()
    same = hashes[1:] == hashes[:-1]
    return int(same.sum() - (same[1:] & same[:-1]).sum())


def _may_repeat(rows: pd.DataFrame) -> bool:
    """Tell whether any rows may be the same: mostly none is, and this is a quick check."""
    return bool((rows["d7_same_as"] != rows["d7_row"]).any())


class OptOut(RowFilter):
    """Skips people who asked not to be written to; matched by normalised number, national variants included.

    Args:
        numbers: A list, a series, a frame, a file that `read_table` reads, a function from recipients (E.164) to those
            among them who opted out, or an open `d7nb.Ledger`: then its own list counts, to which the receiver of
            events adds everybody who writes STOP. The ledger's list is read again before each request of a send.
        column: The frame's or file's column; needed where it has several.
        country: The region of numbers without a country code.
        name: Its name in ``plan.rows.decided_by``; needed where a plan has several.
        client: With a ledger: where the messages will go, the real API unless given; opt-outs of a sandbox do not count
            for the real API.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"]})
        >>> stop = d7nb.filters.OptOut(["001 202 555 0124"])
        >>> d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100", filters=[stop]).rows[
        ...     "reason"
        ... ].tolist()
        [nan, 'opted out']
    """

    name = "opt-out"
    stage = "consent"

    @hides_internals
    def __init__(
        self,
        numbers: Any,
        *,
        column: str | None = None,
        country: str | None = None,
        name: str | None = None,
        client: Client | None = None,
    ) -> None:
        self.name = name or self.name
        self._ledger = as_ledger(numbers)
        self._destination = destination_of(client)
        self.reads_clock = self._ledger is not None  # somebody may write STOP during a send
        self._function, self._country = numbers if callable(numbers) else None, country
        read_later = callable(numbers) or self._ledger is not None
        listed = pd.Series(dtype="str") if read_later else _numbers(numbers, column, "OptOut")
        self._families, self._unreadable = _families(listed, country)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip people who are on the list."""
        if self._ledger is not None:
            people = family(rows["d7_recipient"]).tolist()
            return reasons(rows, self._ledger.opted_out(self._destination, people), "opted out")
        families = self._families
        if self._function is not None:
            answer = pd.Series(list(self._function(rows["d7_recipient"].tolist())), dtype="object")
            families, unreadable = _families(answer, self._country)
            if unreadable:
                raise PluginError(f"the function must return phone numbers; values that are not: {unreadable:,}")
        return reasons(rows, family(rows["d7_recipient"]).isin(families), "opted out")

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say how many entries of the list can't be read as numbers."""
        if not self._unreadable:
            return None
        if self._unreadable == 1:
            return "1 entry of the opt-out list can't be read as a phone number and is ignored; correct it"
        entries = f"{self._unreadable:,} entries of the opt-out list"
        return f"{entries} can't be read as phone numbers and are ignored; correct them"


class Allow(RowFilter):
    """Skips everybody but some recipients, such as your own test phones.

    Args:
        numbers: As for `OptOut`, but no function.
        column: The frame's or file's column; needed where it has several.
        country: The region of numbers without a country code.
        name: Its name in ``plan.rows.decided_by``; needed where a plan has several.
    """

    name = "allow"
    stage = "final"

    @hides_internals
    def __init__(
        self, numbers: Any, *, column: str | None = None, country: str | None = None, name: str | None = None
    ) -> None:
        self.name = name or self.name
        self._families, _ = _families(_numbers(numbers, column, "Allow"), country)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip people who are not on the list."""
        return reasons(
            rows, ~family(rows["d7_recipient"]).isin(self._families), "not on the list of allowed recipients"
        )


class Consent(RowFilter):
    """Skips people who did not agree to be written to.

    Args:
        column: Holds true, yes, y, 1 or opted in where they did; anything else, or an empty cell, means no.
        name: Its name in ``plan.rows.decided_by``; needed where a plan has several.
    """

    name = "consent"
    stage = "consent"

    def __init__(self, column: str, *, name: str | None = None) -> None:
        self.name = name or self.name
        self._column = column

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip people who did not agree."""
        cells = column_of(rows, self._column, self.name).astype("object").map(lambda cell: str(cell).strip().lower())
        return reasons(rows, ~cells.isin(_YES), f"no consent in the column {self._column!r}")


def _numbers(given: Any, column: str | None, filter_name: str) -> pd.Series:
    """Read a list of numbers from a list, series, frame or file."""
    if isinstance(given, str) and not Path(given).suffix:
        raise PluginError(f"{filter_name}: a text is the name of a file, such as stop.csv; give numbers as a list")
    if isinstance(given, str | Path):
        given = read_table(given)
    if isinstance(given, pd.DataFrame):
        if column is None and len(given.columns) != 1:
            raise PluginError(
                f"{filter_name}: the table has {len(given.columns)} columns; name the one with the numbers: column="
            )
        name = given.columns[0] if column is None else column
        return column_of(given, name, filter_name)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise PluginError(
            f"{filter_name}: give a list, a series, a frame or a file of numbers, not {type_in_words(given)}"
        )
    return given if isinstance(given, pd.Series) else pd.Series(list(given), dtype="object")


def _families(numbers: pd.Series, country: str | None) -> tuple[frozenset[str], int]:
    """Return the families of the numbers that can be read, and how many can't.

    A number that can be read in several ways counts with all of them.
    """
    if numbers.empty:
        return frozenset(), 0
    checked = check_numbers(numbers, country=country)
    candidates = checked["candidates"].dropna().explode().dropna()
    readable = pd.concat([checked["recipient"].dropna(), candidates]).astype("str")
    unreadable = int(((checked["verdict"] == "broken") & (checked["code"] != "missing")).sum())
    return frozenset(family(readable)), unreadable
