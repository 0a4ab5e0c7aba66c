"""The parser of WhatsApp's markup: ``*bold* _italic_ ~strike~`` and code in one or three backticks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = {"*": "strong", "_": "em", "~": "s"}
_CODE = re.compile(r"```(?P<block>(?!`).+?)```|`(?P<inline>[^`\n]+)`", re.DOTALL)
# An opening mark has no letter or digit before it and no space after it; a closing mark the reverse, on the same line.
_SPAN = re.compile(r"(?<![^\W_])([*_~])(?=\S)([^\n]+?)(?<=\S)\1(?![^\W_])")


class Piece(NamedTuple):
    """A run of text, and the HTML elements around it, the outermost first."""

    text: str
    tags: tuple[str, ...] = ()


def parse_markup(text: str) -> list[Piece]:
    """Split a text into runs of one style, without the marks.

    Example:
        >>> parse_markup("Hi *Ali*")
        [Piece(text='Hi ', tags=()), Piece(text='Ali', tags=('strong',))]
    """
    pieces: list[Piece] = []
    start = 0
    for match in _CODE.finditer(text):
        pieces.extend(_spans(text[start : match.start()], ()))
        pieces.append(Piece(match["block"] or match["inline"], ("code",)))
        start = match.end()
    pieces.extend(_spans(text[start:], ()))
    return pieces


def _spans(text: str, tags: tuple[str, ...]) -> Iterator[Piece]:
    """Yield runs of one style, outside of code. A style can't be nested in itself, so this goes three levels deep."""
    start = 0
    for match in _SPAN.finditer(text):
        tag = TAGS[match[1]]
        if tag in tags:
            continue
        if start < match.start():
            yield Piece(text[start : match.start()], tags)
        yield from _spans(match[2], (*tags, tag))
        start = match.end()
    if start < len(text):
        yield Piece(text[start:], tags)
