"""Columns of texts that are processed as one joined text, in one call instead of one for each row.

A separator between the texts tells where each of them ends; where a text contains the separator, they are processed
one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, TypeGuard

import orjson

SEPARATOR = "\x7f"
"""A character that nobody types, and that JSON leaves as it is."""


class TextList(list[str]):
    """A list known to hold nothing but texts that can be sent, so that nobody checks it again."""


class JoinedTexts(Sequence[str]):
    """A column of texts that alternate constant pieces and other columns' texts; they are joined only when read.

    Args:
        pieces: The constant texts before, between and after the columns: one more than there are columns.
        columns: At least one, all of one length, of texts that can be sent. A `JoinedTexts` is replaced by its own
            pieces and columns.

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

    def __getitem__(self, position: Any) -> Any:
        return self._texts[position]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    @cached_property
    def _texts(self) -> list[str]:
        texts = self.join(SEPARATOR).split(SEPARATOR) if len(self) else []
        if len(texts) == len(self):
            return texts
        rows = zip(*self.columns, strict=True)
        return ["".join([self.pieces[0], *chain(*zip(row, self.pieces[1:], strict=True))]) for row in rows]

    def join(self, separator: str) -> str:
        """Join all texts into one, with a separator between each two; there must be at least one text."""
        count, last_piece = len(self), self.pieces[-1]
        between_texts = last_piece + separator + self.pieces[0]
        tracks: list[Sequence[str]] = []  # what each text consists of, in order
        for column, piece in zip(self.columns, [*self.pieces[1:-1], between_texts], strict=True):
            tracks += [column, [piece] * count] if piece else [column]
        parts = [""] * (count * len(tracks))
        for offset, track in enumerate(tracks):
            parts[offset :: len(tracks)] = track
        if between_texts:
            parts[-1] = last_piece
        return self.pieces[0] + "".join(parts)


def are_texts(values: Sequence[Any]) -> TypeGuard[TextList | JoinedTexts]:
    """Return whether values are known to be nothing but texts."""
    return isinstance(values, TextList | JoinedTexts)


def length_bound(texts: Sequence[str | None]) -> int:
    """Return a length that no text exceeds; the texts of `JoinedTexts` may all be shorter.

    Example:
        >>> length_bound(["Hi", None]), length_bound(JoinedTexts(["Hi ", "!"], [["Ali", "Sara"]]))
        (2, 8)
    """
    if isinstance(texts, JoinedTexts):
        return sum(map(len, texts.pieces)) + sum(map(length_bound, texts.columns))
    return max(map(len, filter(None, texts)), default=0)


def json_escaped(texts: Sequence[str]) -> Sequence[str]:
    r"""Return texts as they stand between the quotes in JSON.

    JSON escapes a text character by character, so that many can be escaped as one, and one in pieces.

    Args:
        texts: Texts without lone surrogates.

    Example:
        >>> json_escaped(['"Ali"', "Sara"])
        ['\\"Ali\\"', 'Sara']
    """
    if isinstance(texts, JoinedTexts):
        return JoinedTexts(
            [_escape(piece) for piece in texts.pieces], [json_escaped(column) for column in texts.columns]
        )
    joined = SEPARATOR.join(texts)
    escaped = _escape(joined)
    if escaped == joined:
        return texts
    split = escaped.split(SEPARATOR)
    return split if len(split) == len(texts) else [_escape(text) for text in texts]


def _escape(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]
