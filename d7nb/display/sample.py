"""Which of many messages to look at first: what goes wrong goes wrong in the strangest rows."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE = 8192
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]|[0-9#*]\ufe0f?\u20e3")
_FLOAT_LIKE = re.compile(r"[0-9](?<![0-9.].)[0-9]*\.0(?![0-9.])")  # a digit first: it is sought for three times as fast
_UNSEEN = re.compile("[\xad\u200b\u202a-\u202e\u2060-\u2069\ufeff]")
_PATTERNS = {"right to left": _RIGHT_TO_LEFT, "emoji": _EMOJI, "a number that looks like 1.0": _FLOAT_LIKE}
_RARER = {"characters that nobody sees": _UNSEEN}
_ALL_PATTERNS = tuple((_PATTERNS | _RARER).items())
_ASCII_PATTERNS = tuple((reason, pattern) for reason, pattern in _ALL_PATTERNS if pattern is _FLOAT_LIKE)


def most_unusual(
    contents: Callable[[np.ndarray], list[str]], rows: np.ndarray, n: int, groups: np.ndarray | None = None
) -> dict[int, list[str]]:
    """Pick the strangest of some rows' messages, and say of each why.

    Args:
        contents: From positions to the JSON of each row's content.
        rows: Positions of the rows that would go.
        n: How many to pick at most.
        groups: For each of `rows` which kind of message it is; where there are several, each is shown if there is room.

    Returns:
        Why each was picked, by position, in the order in which to show them.

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
    found = _Found(contents, rows)
    for reason, row in found.reasons():
        if row in picked or len(picked) < n:
            picked.setdefault(row, []).append(reason)
    others = [*islice(found.different(), n), *rows[:n].tolist()]
    for reason, row in (*_firsts_of(groups, rows), *(("one of the first", row) for row in others)):
        if len(picked) >= n:
            break
        picked.setdefault(row, [reason])
    return picked


class _Found:
    """What one look at every message found.

    Args:
        contents: From positions to the JSON of each row's content.
        rows: Positions of the rows that would go.
    """

    def __init__(self, contents: Callable[[np.ndarray], list[str]], rows: np.ndarray) -> None:
        self._total = len(rows)
        self._longest, self._shortest = (-1, -1), (1 << 60, -1)
        self._firsts: dict[str, int] = {}
        said = np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), SLICE):
            part = rows[start : start + SLICE]
            texts = contents(part)
            said[start : start + SLICE] = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts))
            self._look_at(part, texts)
        _, firsts, counts = np.unique(said, return_index=True, return_counts=True)
        order = np.argsort(firsts)
        self._rows, self._counts = rows[firsts[order]], counts[order]  # of each text the first row, and how many

    def _look_at(self, rows: np.ndarray, texts: list[str]) -> None:
        sizes = list(map(len, texts))
        most, least = max(sizes), min(sizes)
        if most > self._longest[0]:
            self._longest = most, int(rows[sizes.index(most)])
        if least < self._shortest[0]:
            self._shortest = least, int(rows[sizes.index(least)])
        joined = "\n".join(texts)  # JSON has none, and no pattern goes beyond one
        for reason, pattern in _ASCII_PATTERNS if joined.isascii() else _ALL_PATTERNS:
            if reason not in self._firsts and (found := pattern.search(joined)):
                self._firsts[reason] = int(rows[joined.count("\n", 0, found.start())])

    def reasons(self) -> Iterator[tuple[str, int]]:
        """Why a row is strange, and which, the strangest first."""
        if self._longest[0] > self._shortest[0]:
            yield "longest", self._longest[1]
            yield "shortest", self._shortest[1]
        yield from ((reason, self._firsts[reason]) for reason in _PATTERNS if reason in self._firsts)
        most = int(self._counts.max())
        if most > 1:
            row = int(self._rows[self._counts.argmax()])
            yield f"the same for {'all ' if most == self._total else ''}{most:,} rows", row
        yield from ((reason, self._firsts[reason]) for reason in _RARER if reason in self._firsts)

    def different(self) -> Iterator[int]:
        """Rows of which no two say the same."""
        return iter(self._rows.tolist())


def _firsts_of(groups: np.ndarray | None, rows: np.ndarray) -> Iterator[tuple[str, int]]:
    """The first row of each kind of message."""
    if groups is not None:
        places = np.sort(np.unique(groups, return_index=True)[1])
        if len(places) > 1:
            yield from (("the first of its kind", int(rows[place])) for place in places)
