"""Texts by the thousand: they are joined into one, worked on at once, and split again.

What is done in one call for a slice of the table costs a fraction of a call for each of its rows. A mark between the
texts tells where each of them ends; where one holds the mark itself, they are worked on one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, TypeGuard

import orjson

SEPARATOR = "\x7f"
"""A sign that no writer types, and that JSON leaves as it is."""


class TextList(list[str]):
    """Texts that a message can hold, and nothing else: told once, and not looked for again."""


class JoinedTexts(Sequence[str]):
    """Texts that share constant pieces, with a column between each two; nobody puts them together before they must be.

    Args:
        pieces: What stands before, between and after the columns: one more than there are columns.
        columns: At least one, all of one length: texts that a message can hold. One that is woven is taken apart.

    Example:
        >>> list(JoinedTexts(["Hi ", "!"], [["Ali", "Sara"]]))
        ['Hi Ali!', 'Hi Sara!']
    """

    def __init__(self, pieces: Sequence[str], columns: Sequence[Sequence[str]]) -> None:
        self.pieces: list[str] = [pieces[0]]
        self.columns: list[Sequence[str]] = []
        for column, piece in zip(columns, pieces[1:], strict=True):
            inner = column if isinstance(column, JoinedTexts) else None
            self.pieces[-1] += inner.pieces[0] if inner else ""
            self.pieces += inner.pieces[1:] if inner else [""]
            self.pieces[-1] += piece
            self.columns += inner.columns if inner else [column]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, place: Any) -> Any:
        return self._texts[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    @cached_property
    def _texts(self) -> list[str]:
        texts = self.joined(SEPARATOR).split(SEPARATOR) if len(self) else []
        if len(texts) == len(self):
            return texts
        rows = zip(*self.columns, strict=True)
        return ["".join([self.pieces[0], *chain(*zip(row, self.pieces[1:], strict=True))]) for row in rows]

    def joined(self, mark: str) -> str:
        """All texts in one, with a mark between each two; there must be one."""
        count, last = len(self), self.pieces[-1]
        tracks: list[Sequence[str]] = []
        for column, piece in zip(self.columns, [*self.pieces[1:-1], last + mark + self.pieces[0]], strict=True):
            tracks += [column, [piece] * count] if piece else [column]
        parts = [""] * (count * len(tracks))
        for place, track in enumerate(tracks):
            parts[place :: len(tracks)] = track
        if last or mark or self.pieces[0]:
            parts[-1] = last
        return self.pieces[0] + "".join(parts)


def are_texts(values: Sequence[Any]) -> TypeGuard[TextList | JoinedTexts]:
    """Whether values are known to be nothing but texts."""
    return isinstance(values, TextList | JoinedTexts)


def longest(texts: Sequence[str | None]) -> int:
    """No text is longer than this; woven ones may all be shorter.

    Example:
        >>> longest(["Hi", None]), longest(JoinedTexts(["Hi ", "!"], [["Ali", "Sara"]]))
        (2, 8)
    """
    if isinstance(texts, JoinedTexts):
        return sum(map(len, texts.pieces)) + sum(map(longest, texts.columns))
    return max(map(len, filter(None, texts)), default=0)


def in_json(texts: Sequence[str]) -> Sequence[str]:
    r"""What stands between the quotes when texts are written in JSON.

    JSON writes a text sign by sign, so that many can be written as one, and one in pieces.

    Args:
        texts: Texts without lone surrogates.

    Example:
        >>> in_json(['"Ali"', "Sara"])
        ['\\"Ali\\"', 'Sara']
    """
    if isinstance(texts, JoinedTexts):
        return JoinedTexts([_in_json(piece) for piece in texts.pieces], [in_json(column) for column in texts.columns])
    joined = SEPARATOR.join(texts)
    written = _in_json(joined)
    if written == joined:
        return texts
    split = written.split(SEPARATOR)
    return split if len(split) == len(texts) else [_in_json(text) for text in texts]


def _in_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]
