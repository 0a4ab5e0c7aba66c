"""Text inside HTML: escaped, WhatsApp's markup as elements, unseen characters as small marked tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from d7nb.display.invisible import split_unseen
from d7nb.display.markup import Piece, pieces_of
from d7nb.display.text import GLANCE, LONGEST, cut, masked_text, revealed, with_newlines
from d7nb.privacy import options

if TYPE_CHECKING:
    from collections.abc import Iterable

_ELEMENTS = {
    "strong": Markup("<strong>{}</strong>"),
    "em": Markup("<em>{}</em>"),
    "s": Markup("<s>{}</s>"),
    "code": Markup("<code>{}</code>"),
}
_TOKEN = Markup('<span class="d7nb-unseen" title="{}">{}</span>')
_MORE = Markup('<span class="d7nb-more"> {}</span>')


def markup_html(text: object, limit: int = LONGEST) -> Markup:
    """What a message says, drawn as WhatsApp draws it."""
    beginning, more = cut(with_newlines(revealed(text)), limit)
    pieces = pieces_of(beginning)
    bare = "".join(piece.text for piece in pieces)
    if not options.reveal and masked_text(bare) != bare:  # the marks stood between the digits of a number
        pieces = [Piece(masked_text(bare))]
    return _drawn(pieces, more)


def plain(text: object, limit: int = LONGEST) -> Markup:
    """A text of a preview that knows no markup: a title, a name, an address."""
    beginning, more = cut(with_newlines(revealed(text)), limit)
    return _drawn([Piece(beginning)], more)


def masked(text: object, limit: int = GLANCE) -> Markup:
    """A text of a display that stays masked, whatever the user asked previews to show."""
    beginning, more = cut(with_newlines(masked_text(text)), limit)
    return _drawn([Piece(beginning)], more)


def _drawn(pieces: Iterable[Piece], more: str) -> Markup:
    drawn = []
    for piece in pieces:
        inner = Markup("").join(
            escape(part) if isinstance(part, str) else _TOKEN.format(part.title, part.text)
            for part in split_unseen(piece.text)
        )
        for tag in reversed(piece.tags):
            inner = _ELEMENTS[tag].format(inner)
        drawn.append(inner)
    if more:
        drawn.append(_MORE.format(more))
    return Markup("").join(drawn)
