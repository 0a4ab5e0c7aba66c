"""Invisible characters, and those that reorder the text around them: displays show a small token in their place.

Such a character stays where a script needs it: joiners inside an emoji or a Persian word, direction marks between
Arabic and Latin letters. None of these has an effect beyond its own paragraph.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

_JOINERS_AND_MARKS = "\u200c\u200d\u200e\u200f\u061c"
_ALWAYS_SHOWN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, all but tab and new line
    "\xad\u115f\u1160\u3164\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # no width, or turning the text
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # surrogates and noncharacters
    "\U000e0000-\U000e007f"  # tags: they can carry a hidden text
)
_NEIGHBOUR = rf"[^\x00-\x7f{_JOINERS_AND_MARKS}{_ALWAYS_SHOWN}]"
_FLAG = "\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,6}\U000e007f"  # such as Scotland's
_INVISIBLE = re.compile(
    rf"(?P<flag>{_FLAG})|(?P<invisible>[{_ALWAYS_SHOWN}]|(?<!{_NEIGHBOUR})[{_JOINERS_AND_MARKS}](?!{_NEIGHBOUR}))"
)
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
_SHORT_NAMES = dict(zip(_CODES, _NAMES.split(), strict=True))
"""Short names of characters, as in Unicode's charts."""


class Token(NamedTuple):
    """A visible stand-in for an invisible character.

    Attributes:
        text: A short name, such as ``RLO``, or the code point.
        title: The code point and its Unicode name.
    """

    text: str
    title: str


def split_invisible(text: str) -> list[str | Token]:
    r"""Split a text into parts that can be shown as they are and tokens for invisible characters.

    Example:
        >>> split_invisible("a\u202eb")
        ['a', Token(text='RLO', title='U+202E RIGHT-TO-LEFT OVERRIDE'), 'b']
    """
    pieces: list[str | Token] = []
    start = 0
    for match in _INVISIBLE.finditer(text):
        if match["invisible"]:
            if start < match.start():
                pieces.append(text[start : match.start()])
            pieces.append(_token(match["invisible"]))
            start = match.end()
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def visible_text(text: str) -> str:
    r"""Replace invisible characters by tokens in brackets, so that a terminal shows them and does not obey them.

    Example:
        >>> visible_text("a\x1b[31mb")
        'a⟨ESC⟩[31mb'
    """
    return "".join(piece if isinstance(piece, str) else f"⟨{piece.text}⟩" for piece in split_invisible(text))


def without_invisible(text: str) -> str:
    """Remove the characters that would be shown as tokens."""
    return "".join(piece for piece in split_invisible(text) if isinstance(piece, str))


def _token(character: str) -> Token:
    code = ord(character)
    code_point = f"U+{code:04X}"
    return Token(_SHORT_NAMES.get(code, code_point), f"{code_point} {unicodedata.name(character, '')}".strip())
