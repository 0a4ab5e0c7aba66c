"""Texts as HTML: escaped, WhatsApp's markup as elements, invisible characters as small visible tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from d7nb.display.invisible import split_invisible
from d7nb.display.markup import Piece, parse_markup
from d7nb.display.text import MAX_CELL, MAX_TEXT, masked_text, normalize_newlines, preview_text, truncate
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


def markup_html(text: object, limit: int = MAX_TEXT) -> Markup:
    """Return a message's text as HTML, with WhatsApp's markup drawn as its app draws it."""
    beginning, more = truncate(normalize_newlines(preview_text(text)), limit)
    pieces = parse_markup(beginning)
    without_marks = "".join(piece.text for piece in pieces)
    if not options.reveal and masked_text(without_marks) != without_marks:  # marks stood between a number's digits
        pieces = [Piece(masked_text(without_marks))]
    return _render(pieces, more)


def plain_html(text: object, limit: int = MAX_TEXT) -> Markup:
    """Return a text of a preview as HTML, without markup: a title, a name, an address."""
    beginning, more = truncate(normalize_newlines(preview_text(text)), limit)
    return _render([Piece(beginning)], more)


def masked_html(text: object, limit: int = MAX_CELL) -> Markup:
    """Return a text as HTML, masked whether or not ``d7nb.options.reveal`` is set."""
    beginning, more = truncate(normalize_newlines(masked_text(text)), limit)
    return _render([Piece(beginning)], more)


def _render(pieces: Iterable[Piece], more: str) -> Markup:
    elements = []
    for piece in pieces:
        inner = Markup("").join(
            escape(part) if isinstance(part, str) else _TOKEN.format(part.title, part.text)
            for part in split_invisible(piece.text)
        )
        for tag in reversed(piece.tags):
            inner = _ELEMENTS[tag].format(inner)
        elements.append(inner)
    if more:
        elements.append(_MORE.format(more))
    return Markup("").join(elements)
