"""Characters that nobody sees, or that move what stands around them: displays show a small token in their place.

Where such a character does its proper work it stays: the joiners inside an emoji or a Persian word, the marks between
Arabic and Latin letters. None of those reaches beyond its own paragraph.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_AT_WORK = "\u200c\u200d\u200e\u200f\u061c"
_ALWAYS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, all but tab and new line
    "\xad\u115f\u1160\u3164\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # no width, or they turn the line
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # halves of characters, and what is none
    "\U000e0000-\U000e007f"  # tags: a second text inside the text
)
_BESIDE = rf"[^\x00-\x7f{_AT_WORK}{_ALWAYS}]"
_FLAG = "\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}\U000e007f"  # Scotland's, for one
_UNSEEN = re.compile(rf"(?P<flag>{_FLAG})|(?P<unseen>[{_ALWAYS}]|(?<!{_BESIDE})[{_AT_WORK}](?!{_BESIDE}))")
_CODES = (
    0x00,
    0x1B,
    0xAD,
    0x61C,
    0xFEFF,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    0x2060,
    *range(0x2066, 0x206A),
)
_NAMES = "NUL ESC SHY ALM BOM ZWSP ZWNJ ZWJ LRM RLM LRE RLE PDF LRO RLO WJ LRI RLI FSI PDI"
_SHORT = dict(zip(_CODES, _NAMES.split(), strict=True))
"""The names by which Unicode's own charts call them."""


class Token(NamedTuple):
    """What stands in the place of an unseen character.

    Attributes:
        text: A short name, such as ``RLO``, or the code point.
        title: The code point and its Unicode name.
    """

    text: str
    title: str


def split_unseen(text: str) -> list[str | Token]:
    r"""A text in pieces: what can be shown as it is, and a token for each character that can't.

    Example:
        >>> split_unseen("a\u202eb")
        ['a', Token(text='RLO', title='U+202E RIGHT-TO-LEFT OVERRIDE'), 'b']
    """
    pieces: list[str | Token] = []
    start = 0
    for match in _UNSEEN.finditer(text):
        if match["unseen"]:
            if start < match.start():
                pieces.append(text[start : match.start()])
            pieces.append(_token(match["unseen"]))
            start = match.end()
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def visible_text(text: str) -> str:
    r"""A text for a terminal: what is unseen stands as a token in brackets, so that it neither hides nor acts.

    Example:
        >>> visible_text("a\x1b[31mb")
        'a⟨ESC⟩[31mb'
    """
    return "".join(piece if isinstance(piece, str) else f"⟨{piece.text}⟩" for piece in split_unseen(text))


def without_unseen(text: str) -> str:
    """A text without the characters that would be shown as tokens."""
    return "".join(piece for piece in split_unseen(text) if isinstance(piece, str))


def _token(character: str) -> Token:
    code = ord(character)
    point = f"U+{code:04X}"
    return Token(_SHORT.get(code, point), f"{point} {unicodedata.name(character, '')}".strip())
