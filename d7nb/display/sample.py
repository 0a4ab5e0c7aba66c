"""The choice of the most unusual messages, which are the ones to check before a send."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE = 8192
"""Rows whose contents are in memory at once."""
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]|[0-9#*]\ufe0f?\u20e3")
_FLOAT_LIKE = re.compile(r"[0-9](?<![0-9.].)[0-9]*\.0(?![0-9.])")  # with the digit first, three times as fast
_INVISIBLE = re.compile("[\xad\u200b\u202a-\u202e\u2060-\u2069\ufeff]")
_PATTERNS = {"right to left": _RIGHT_TO_LEFT, "emoji": _EMOJI, "a number that looks like 1.0": _FLOAT_LIKE}
_LAST_PATTERNS = {"invisible characters": _INVISIBLE}
_ALL_PATTERNS = tuple((_PATTERNS | _LAST_PATTERNS).items())
_ASCII_PATTERNS = tuple((reason, pattern) for reason, pattern in _ALL_PATTERNS if pattern is _FLOAT_LIKE)


def most_unusual(
    contents: Callable[[np.ndarray], list[str]], rows: np.ndarray, n: int, groups: np.ndarray | None = None
) -> dict[int, list[str]]:
    """Pick the most unusual of some rows' messages, with the reasons.

    Args:
        contents: Returns the JSON of each row's content, given row positions.
        rows: Positions of the rows that would be sent.
        n: Most rows to pick.
        groups: For each of `rows` a number for its kind of message; each kind is picked once if there is room.

    Returns:
        The reasons by row position, in the order in which to show the rows.

    Example:
        >>> texts = ["Hi Ali", "Hi Sara, and welcome", "Hi 👋", "Hi Ali"]
        >>> most_unusual(lambda rows: [texts[row] for row in rows], np.arange(4), 3)
        {1: ['longest'], 2: ['shortest', 'emoji'], 0: ['the same for 2 rows']}
    """
    if n < 1 or not len(rows):
        return {}
    if len(rows) == 1:
        return {int(rows[0]): ["the only one"]}
    picked: dict[int, list[str]] = {}
    scan = _MessageScan(contents, rows)
    for reason, row in scan.reasons():
        if row in picked or len(picked) < n:
            picked.setdefault(row, []).append(reason)
    others = [*islice(scan.distinct_rows(), n), *rows[:n].tolist()]
    for reason, row in (*_first_of_each_kind(groups, rows), *(("one of the first", row) for row in others)):
        if len(picked) >= n:
            break
        picked.setdefault(row, [reason])
    return picked


class _MessageScan:
    """The unusual rows found in one pass over all messages.

    Args:
        contents: Returns the JSON of each row's content, given row positions.
        rows: Positions of the rows that would be sent.
    """

    def __init__(self, contents: Callable[[np.ndarray], list[str]], rows: np.ndarray) -> None:
        self._total = len(rows)
        self._longest, self._shortest = (-1, -1), (1 << 60, -1)  # length and row
        self._matches: dict[str, int] = {}  # the first row that a pattern matches, by reason
        hashes = np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            texts = contents(part)
            hashes[start : start + SLICE] = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts))
            self._scan(part, texts)
        _, firsts, counts = np.unique(hashes, return_index=True, return_counts=True)
        order = np.argsort(firsts)
        self._first_rows, self._counts = rows[firsts[order]], counts[order]  # by distinct text

    def _scan(self, rows: np.ndarray, texts: list[str]) -> None:
        sizes = list(map(len, texts))
        largest, smallest = max(sizes), min(sizes)
        if largest > self._longest[0]:
            self._longest = largest, int(rows[sizes.index(largest)])
        if smallest < self._shortest[0]:
            self._shortest = smallest, int(rows[sizes.index(smallest)])
        joined = "\n".join(texts)  # compact JSON has no new line, and no pattern matches across one
        for reason, pattern in _ASCII_PATTERNS if joined.isascii() else _ALL_PATTERNS:
            if reason not in self._matches and (match := pattern.search(joined)):
                self._matches[reason] = int(rows[joined.count("\n", 0, match.start())])

    def reasons(self) -> Iterator[tuple[str, int]]:
        """Yield each reason with its row, the most telling first."""
        if self._longest[0] > self._shortest[0]:
            yield "longest", self._longest[1]
            yield "shortest", self._shortest[1]
        yield from ((reason, self._matches[reason]) for reason in _PATTERNS if reason in self._matches)
        repeats = int(self._counts.max())
        if repeats > 1:
            row = int(self._first_rows[self._counts.argmax()])
            yield f"the same for {'all ' if repeats == self._total else ''}{repeats:,} rows", row
        yield from ((reason, self._matches[reason]) for reason in _LAST_PATTERNS if reason in self._matches)

    def distinct_rows(self) -> Iterator[int]:
        """Return the first row of each distinct message."""
        return iter(self._first_rows.tolist())


def _first_of_each_kind(groups: np.ndarray | None, rows: np.ndarray) -> Iterator[tuple[str, int]]:
    if groups is not None:
        positions = np.sort(np.unique(groups, return_index=True)[1])
        if len(positions) > 1:
            yield from (("the first of its kind", int(rows[position])) for position in positions)
