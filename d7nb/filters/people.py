"""Filters that ask who it is: duplicates, opt-outs, consent, and a list of allowed recipients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.api.destinations import destination_of
from d7nb.errors import PluginError, hides_internals
from d7nb.filters.base import RowFilter, as_ledger, column_of, reasons
from d7nb.privacy import mask_text
from d7nb.recipients.check import check_numbers
from d7nb.recipients.variants import family
from d7nb.tables.reader import read_table

if TYPE_CHECKING:
    from d7nb.api.client import Client

_PEOPLE = 32_768
_YES = frozenset({"true", "yes", "y", "1", "1.0", "opted in"})


class Duplicates(RowFilter):
    """The same row twice in one table: the first goes, the others are skipped.

    Rows are the same by their ``key=`` columns, or else when the same person (a number and its national variants are
    one) would be told the same. The same person with different messages is a warning: WhatsApp takes about one message
    in six seconds to one person (Meta's pair limit).
    """

    name = "duplicates"
    stage = "final"  # asked late: the row that is kept should be one that goes
    reads_table = False

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip all but the first of each key."""
        if not _repeat(rows):
            return reasons(rows, np.zeros(len(rows), dtype=bool), "")
        codes = pd.factorize(rows["d7_same_as"])[0]
        first = np.unique(codes, return_index=True)[1]
        again = np.ones(len(rows), dtype=bool)
        again[first] = False
        kept = first[codes[again]]
        positions, labels = rows["d7_row"].to_numpy()[kept], rows.index[kept]
        named = zip(positions, labels, strict=True)
        told = [mask_text(f"the same as the row at position {at} (index {label!r})") for at, label in named]
        return reasons(rows, again, told)

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say how many people get several different messages."""
        once = rows.loc[~rows["d7_same_as"].duplicated().to_numpy()] if _repeat(rows) else rows
        several = _how_many_repeat(family(once["d7_recipient"]))
        if not several:
            return None
        who = "1 person gets" if several == 1 else f"{several:,} people get"
        return (
            f"{who} more than one message; WhatsApp takes about one in six seconds to one person (Meta), so some may "
            "fail: send them in another campaign, later"
        )


def _how_many_repeat(people: pd.Series) -> int:
    """How many people occur more than once: counted by hash and in order, a table of a million texts would be large."""
    hashes = np.empty(len(people), dtype=np.int64)
    for start in range(0, len(people), _PEOPLE):
        some = people.array[start : start + _PEOPLE].tolist()
        hashes[start : start + len(some)] = np.fromiter(map(hash, some), dtype=np.int64, count=len(some))
    hashes.sort()
    same = hashes[1:] == hashes[:-1]
    return int(same.sum() - (same[1:] & same[:-1]).sum())


def _repeat(rows: pd.DataFrame) -> bool:
    """Whether some rows may be the same; mostly none is, and that is soon told."""
    return bool((rows["d7_same_as"] != rows["d7_row"]).any())


class OptOut(RowFilter):
    """People who asked not to be written to; matched by normalised number, national variants included.

    Args:
        numbers: A list, a series, a frame, a file that `read_table` reads, a function from recipients (E.164) to those
            among them who opted out, or an open `d7nb.Ledger`: then its own list counts, to which the receiver of
            events adds whoever writes STOP. A ledger is asked again at each request of a send.
        column: The frame's or file's column; needed where it has several.
        country: The region of numbers without a country code.
        name: What ``plan.rows.decided_by`` calls it; needed where a plan has several.
        client: With a ledger: where the messages will go, the real API unless given. What people wrote to a sandbox
            says nothing of the real ones.

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
        self.reads_clock = self._ledger is not None  # who writes STOP during a send is spared, too
        self._ask, self._country = numbers if callable(numbers) else None, country
        asked_later = callable(numbers) or self._ledger is not None
        listed = pd.Series(dtype="str") if asked_later else _numbers(numbers, column, "OptOut")
        self._families, self._unread = _families(listed, country)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip whoever is listed."""
        if self._ledger is not None:
            people = family(rows["d7_recipient"]).tolist()
            return reasons(rows, self._ledger.opted_out(self._destination, people), "opted out")
        families = self._families
        if self._ask is not None:
            told = pd.Series(list(self._ask(rows["d7_recipient"].tolist())), dtype="object")
            families, unread = _families(told, self._country)
            if unread:
                raise PluginError(f"the function answered {unread:,} things that are no phone numbers: answer numbers")
        return reasons(rows, family(rows["d7_recipient"]).isin(families), "opted out")

    def warning(self, rows: pd.DataFrame) -> str | None:
        """Say how many entries are no numbers, and so stop nobody."""
        if not self._unread:
            return None
        entries = "1 entry" if self._unread == 1 else f"{self._unread:,} entries"
        return f"{entries} of the opt-out list can't be read as a phone number and stop nobody; correct them"


class Allow(RowFilter):
    """Only these recipients, such as one's own test phones.

    Args:
        numbers: As for `OptOut`, but no function.
        column: The frame's or file's column; needed where it has several.
        country: The region of numbers without a country code.
    """

    name = "allow"
    stage = "final"

    @hides_internals
    def __init__(
        self, numbers: Any, *, column: str | None = None, country: str | None = None, name: str | None = None
    ) -> None:
        self.name = name or self.name
        self._families, self._unread = _families(_numbers(numbers, column, "Allow"), country)

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip whoever is not listed."""
        return reasons(
            rows, ~family(rows["d7_recipient"]).isin(self._families), "not on the list of allowed recipients"
        )


class Consent(RowFilter):
    """Only people who agreed.

    Args:
        column: Holds true, yes, y or 1 where they did; anything else, or nothing, means no.
        name: What ``plan.rows.decided_by`` calls it; needed where a plan has several.
    """

    stage = "consent"

    name = "consent"

    def __init__(self, column: str, *, name: str | None = None) -> None:
        self.name = name or self.name
        self._column = column

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Skip whoever did not agree."""
        words = column_of(rows, self._column, self.name).astype("object").map(lambda cell: str(cell).strip().lower())
        return reasons(rows, ~words.isin(_YES), f"no consent in the column {self._column!r}")


def _numbers(given: Any, column: str | None, who: str) -> pd.Series:
    """A list of numbers, whatever it came in."""
    if isinstance(given, str) and not Path(given).suffix:
        raise PluginError(f"{who}: a text is the name of a file, such as stop.csv; give numbers as a list")
    if isinstance(given, str | Path):
        given = read_table(given)
    if isinstance(given, pd.DataFrame):
        if column is None and len(given.columns) != 1:
            raise PluginError(f"{who}: the table has {len(given.columns)} columns; say column= which holds the numbers")
        name = given.columns[0] if column is None else column
        return column_of(given, name, who)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise PluginError(f"{who}: give a list, a series, a frame, a file or a function, not a {type(given).__name__}")
    return given if isinstance(given, pd.Series) else pd.Series(list(given), dtype="object")


def _families(numbers: pd.Series, country: str | None) -> tuple[frozenset[str], int]:
    """The families of the numbers that can be read (of an ambiguous one: all that it may mean), and how many can't."""
    if numbers.empty:
        return frozenset(), 0
    read = check_numbers(numbers, country=country)
    meant = read["candidates"].dropna().explode().dropna()
    found = pd.concat([read["recipient"].dropna(), meant]).astype("str")
    unread = int(((read["verdict"] == "broken") & (read["code"] != "missing")).sum())
    return frozenset(family(found)), unread
