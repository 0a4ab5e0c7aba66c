"""A message as a chat bubble, in HTML and as text. It takes a `Bubble`, plain data, and knows no content type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from d7nb.display.templates import html
from d7nb.display.text import GLANCE, LONGEST, in_terminal, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d7nb.content.bubble import Bubble, Line, Media

SHOWN_LINES = 40
"""Lines, rows, cards and buttons of one bubble that are shown; WhatsApp itself has at most ten of most."""
DEPTH = 3
"""Cards inside of cards inside of a bubble: deeper than any message goes."""
SHAPES = frozenset({"reaction", "sticker", "contact", "card"})
TILES = frozenset({"image", "video", "audio", "document", "sticker", "location"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")

# Between the tags of an element whose white space is kept, nothing may stand but the words.
BUBBLE = """
{% macro words(class, text, language="", marked=false) %}
<div class="d7nb-text {{ class }}" dir="auto"{% if language %} lang="{{ language }}"{% endif %}>
{%- if marked %}{{ text|said }}{% else %}{{ text|plain }}{% endif -%}
</div>
{% endmacro %}
{% macro rest(all, noun) %}
{% if all|length > shown_lines %}
<div class="d7nb-note">… {{ (all|length - shown_lines)|count }} more {{ noun }}</div>
{% endif %}
{% endmacro %}
{% macro media(file) %}
<div class="d7nb-media">
<div class="d7nb-tile d7nb-tile-{{ file.kind if file.kind in tiles else "other" }}">
{%- if file.kind == "location" %}<span class="d7nb-pin" role="img" aria-label="pin on a map"></span>
{%- else %}{{ file.kind.capitalize()|plain(40) }}{% endif -%}
</div>
<div class="d7nb-where">
{% if file.name %}<div class="d7nb-name" dir="auto">{{ file.name|plain(glance) }}</div>{% endif %}
{% if file.text %}<div dir="auto">{{ file.text|plain(glance) }}</div>{% endif %}
</div>
</div>
{% endmacro %}
{% macro bubble(one, depth=1) %}
{% set language = one.lang if known_language(one.lang) else "" %}
<div class="d7nb-bubble{% if one.shape in shapes %} d7nb-{{ one.shape }}{% endif %}"
{%- if depth == 1 %} tabindex="0" role="group" aria-label="message"{% endif %}>
{% if one.label %}<div class="d7nb-label" dir="auto">{{ one.label|plain(glance) }}</div>{% endif %}
{% if one.media %}{{ media(one.media) }}{% endif %}
{% if one.header %}{{ words("d7nb-header", one.header, language) }}{% endif %}
{% if one.body %}{{ words("d7nb-body", one.body, language, true) }}{% endif %}
{% if one.lines %}
<dl>
{% for line in one.lines[:shown_lines] %}
<dt dir="auto">{{ line.label|plain(glance) }}</dt>
<dd dir="auto" class="d7nb-text"{% if language %} lang="{{ language }}"{% endif %}>{{ line.text|said }}</dd>
{% endfor %}
</dl>
{{ rest(one.lines, "lines") }}
{% endif %}
{% if one.cards and depth < deepest %}
{% set slides = one.cards[0].shape == "card" %}
<div class="d7nb-cards{% if slides %} d7nb-carousel{% endif %}"{% if slides %} tabindex="0"{% endif %}>
{% for card in one.cards[:shown_lines] %}{{ bubble(card, depth + 1) }}{% endfor %}
</div>
{{ rest(one.cards, "cards") }}
{% elif one.cards %}
<div class="d7nb-note">… and what is inside of this</div>
{% endif %}
{% if one.footer %}{{ words("d7nb-footer", one.footer, language) }}{% endif %}
{% if one.note %}<div class="d7nb-note">{{ one.note|plain(glance) }}</div>{% endif %}
{% if not (one.label or one.media or one.header or one.body or one.lines or one.cards or one.footer) %}
<div class="d7nb-empty">says nothing</div>
{% endif %}
{% if one.buttons %}
<ul class="d7nb-buttons" aria-label="Buttons">
{% for button in one.buttons[:shown_lines] %}
<li><span dir="auto">{{ button.text|plain(glance) }}</span>
{%- if button.does %}<span class="d7nb-does" dir="auto">{{ button.does|plain(glance) }}</span>{% endif %}</li>
{% endfor %}
</ul>
{{ rest(one.buttons, "buttons") }}
{% endif %}
{% for section in one.sections[:shown_lines] %}
{% if section.title %}<div class="d7nb-section" dir="auto">{{ section.title|plain(glance) }}</div>{% endif %}
<ul class="d7nb-rows" aria-label="List">
{% for row in section.rows[:shown_lines] %}
<li><span dir="auto">{{ row.label|plain }}</span>
{%- if row.text %}<span class="d7nb-does" dir="auto">{{ row.text|plain }}</span>{% endif %}</li>
{% endfor %}
</ul>
{{ rest(section.rows, "rows") }}
{% endfor %}
{{ rest(one.sections, "sections") }}
</div>
{% endmacro %}
"""


def drawn(template: str, **values: Any) -> str:
    """Fill in a template that draws bubbles: it has the macro ``bubble``.

    Args:
        template: What follows the macros.
        values: What it shows.
    """
    return html(
        BUBBLE + template,
        known_language=_LANGUAGE.fullmatch,
        shown_lines=SHOWN_LINES,
        deepest=DEPTH,
        glance=GLANCE,
        shapes=SHAPES,
        tiles=TILES,
        **values,
    )


def bubble_html(bubble: Bubble) -> str:
    """One message as a chat bubble, to stand in an element of class ``d7nb`` beside `STYLE`.

    Args:
        bubble: The message; numbers in it are masked until ``d7nb.options.reveal``.

    Example:
        >>> from d7nb.bubble import Bubble
        >>> "<strong>Ali</strong>" in bubble_html(Bubble(body="Hi *Ali*"))
        True
    """
    return drawn("{{ bubble(one) }}", one=bubble)


def bubble_text(bubble: Bubble) -> str:
    """One message as text for a terminal, masked as in HTML, with nothing in it that acts on the terminal.

    Example:
        >>> from d7nb.bubble import Bubble, Button
        >>> print(bubble_text(Bubble(body="Are you coming?", buttons=(Button("Yes"), Button("No")))))
        Are you coming?
        [Yes]
        [No]
    """
    lines = list(spoken(bubble))
    shown = [in_terminal(line, LONGEST, reveal=True) for line in lines[:SHOWN_LINES]]
    if rest := len(lines) - len(shown):
        shown.append(f"… {plural(rest, 'more line')}")
    return "\n".join(shown) or "(says nothing)"


def spoken(bubble: Bubble, depth: int = 1) -> Iterator[str]:
    """What stands in a bubble, part by part, as it is: neither masked nor cut short."""
    yield from filter(None, (bubble.label, _file(bubble.media), bubble.header, bubble.body))
    yield from _lines(bubble.lines, "")
    for card in bubble.cards if depth < DEPTH else ():
        yield from (f"  {line}" for line in spoken(card, depth + 1))
    yield from filter(None, (bubble.footer,))
    yield from (f"[{button.text}]" + f" {button.does}" * bool(button.does) for button in bubble.buttons)
    for section in bubble.sections:
        yield from filter(None, (section.title,))
        yield from _lines(section.rows, "- ")


def _lines(lines: Iterable[Line], mark: str) -> Iterator[str]:
    return (f"{mark}{line.label}" + f": {line.text}" * bool(line.text) for line in lines)


def _file(media: Media | None) -> str:
    return "" if media is None else " ".join(filter(None, (f"({media.kind})", media.name, media.text)))
