"""A message as a chat bubble, in HTML and as text, drawn from a `Bubble`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from d7nb.display.templates import html
from d7nb.display.text import MAX_CELL, MAX_TEXT, in_terminal, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from d7nb.content.bubble import Bubble, Line, Media

MAX_ITEMS = 40
"""Most lines, rows, cards or buttons of one bubble that are shown; of most of these WhatsApp allows ten."""
MAX_DEPTH = 3
"""Levels of bubbles inside bubbles that are shown; no message of WhatsApp has more."""
BUBBLE_SHAPES = frozenset({"reaction", "sticker", "contact", "card"})
MEDIA_KINDS = frozenset({"image", "video", "audio", "document", "sticker", "location"})
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")

# Elements with the class d7nb-text keep white space, so their tags enclose the text and nothing else.
MACROS = """
{% macro text_block(class, text, language="", marked=false) %}
<div class="d7nb-text {{ class }}" dir="auto"{% if language %} lang="{{ language }}"{% endif %}>
{%- if marked %}{{ text|markup }}{% else %}{{ text|plain }}{% endif -%}
</div>
{% endmacro %}
{% macro rest(items, noun) %}
{% if items|length > max_items %}
<div class="d7nb-note">… {{ (items|length - max_items)|plural("more " ~ noun) }}</div>
{% endif %}
{% endmacro %}
{% macro media(file) %}
<div class="d7nb-media">
<div class="d7nb-tile d7nb-tile-{{ file.kind if file.kind in media_kinds else "other" }}">
{%- if file.kind == "location" %}<span class="d7nb-pin" role="img" aria-label="pin on a map"></span>
{%- else %}{{ file.kind.capitalize()|plain(40) }}{% endif -%}
</div>
<div class="d7nb-where">
{% if file.name %}<div class="d7nb-name" dir="auto">{{ file.name|plain(max_cell) }}</div>{% endif %}
{% if file.text %}<div dir="auto">{{ file.text|plain(max_cell) }}</div>{% endif %}
</div>
</div>
{% endmacro %}
{% macro bubble(message, depth=1) %}
{% set language = message.lang if is_language(message.lang) else "" %}
<div class="d7nb-bubble{% if message.shape in bubble_shapes %} d7nb-{{ message.shape }}{% endif %}"
{%- if depth == 1 %} tabindex="0" role="group" aria-label="message"{% endif %}>
{% if message.label %}<div class="d7nb-label" dir="auto">{{ message.label|plain(max_cell) }}</div>{% endif %}
{% if message.media %}{{ media(message.media) }}{% endif %}
{% if message.header %}{{ text_block("d7nb-header", message.header, language) }}{% endif %}
{% if message.body %}{{ text_block("d7nb-body", message.body, language, true) }}{% endif %}
{% if message.lines %}
<dl>
{% for line in message.lines[:max_items] %}
<dt dir="auto">{{ line.label|plain(max_cell) }}</dt>
<dd dir="auto" class="d7nb-text"{% if language %} lang="{{ language }}"{% endif %}>{{ line.text|markup }}</dd>
{% endfor %}
</dl>
{{ rest(message.lines, "line") }}
{% endif %}
{% if message.cards and depth < max_depth %}
{% set slides = message.cards[0].shape == "card" %}
<div class="d7nb-cards{% if slides %} d7nb-carousel{% endif %}"{% if slides %} tabindex="0"{% endif %}>
{% for card in message.cards[:max_items] %}{{ bubble(card, depth + 1) }}{% endfor %}
</div>
{{ rest(message.cards, "card") }}
{% elif message.cards %}
<div class="d7nb-note">… more cards inside this one</div>
{% endif %}
{% if message.footer %}{{ text_block("d7nb-footer", message.footer, language) }}{% endif %}
{% if message.note %}<div class="d7nb-note">{{ message.note|plain(max_cell) }}</div>{% endif %}
{% if not (message.label or message.media or message.header or message.body or message.lines or message.cards
or message.footer) %}
<div class="d7nb-empty">empty message</div>
{% endif %}
{% if message.buttons %}
<ul class="d7nb-buttons" aria-label="Buttons">
{% for button in message.buttons[:max_items] %}
<li><span dir="auto">{{ button.text|plain(max_cell) }}</span>
{%- if button.does %}<span class="d7nb-does" dir="auto">{{ button.does|plain(max_cell) }}</span>{% endif %}</li>
{% endfor %}
</ul>
{{ rest(message.buttons, "button") }}
{% endif %}
{% for section in message.sections[:max_items] %}
{% if section.title %}<div class="d7nb-section" dir="auto">{{ section.title|plain(max_cell) }}</div>{% endif %}
<ul class="d7nb-rows" aria-label="List">
{% for row in section.rows[:max_items] %}
<li><span dir="auto">{{ row.label|plain }}</span>
{%- if row.text %}<span class="d7nb-does" dir="auto">{{ row.text|plain }}</span>{% endif %}</li>
{% endfor %}
</ul>
{{ rest(section.rows, "row") }}
{% endfor %}
{{ rest(message.sections, "section") }}
</div>
{% endmacro %}
"""


def render_bubbles(template: str, **values: Any) -> str:
    """Fill in a template that may use the macro ``bubble``.

    Args:
        template: The template, a constant.
        values: What it shows.
    """
    return html(
        MACROS + template,
        is_language=_LANGUAGE.fullmatch,
        max_items=MAX_ITEMS,
        max_depth=MAX_DEPTH,
        max_cell=MAX_CELL,
        bubble_shapes=BUBBLE_SHAPES,
        media_kinds=MEDIA_KINDS,
        **values,
    )


def bubble_html(bubble: Bubble) -> str:
    """Return a message as a chat bubble in HTML, for an element of class ``d7nb`` on a page with `STYLE`.

    Args:
        bubble: The message; numbers in it are masked until ``d7nb.options.reveal``.

    Example:
        >>> from d7nb.bubble import Bubble
        >>> "<strong>Ali</strong>" in bubble_html(Bubble(body="Hi *Ali*"))
        True
    """
    return render_bubbles("{{ bubble(message) }}", message=bubble)


def bubble_text(bubble: Bubble) -> str:
    """Return a message as text that is safe to print, masked as in HTML.

    Example:
        >>> from d7nb.bubble import Bubble, Button
        >>> print(bubble_text(Bubble(body="Are you coming?", buttons=(Button("Yes"), Button("No")))))
        Are you coming?
        [Yes]
        [No]
    """
    lines = list(bubble_lines(bubble))
    shown = [in_terminal(line, MAX_TEXT, reveal=True) for line in lines[:MAX_ITEMS]]
    if rest := len(lines) - len(shown):
        shown.append(f"… {plural(rest, 'more line')}")
    return "\n".join(shown) or "(empty message)"


def bubble_lines(bubble: Bubble, depth: int = 1) -> Iterator[str]:
    """Yield the texts of a bubble line by line, neither masked nor cut short."""
    yield from filter(None, (bubble.label, _media_text(bubble.media), bubble.header, bubble.body))
    yield from _labelled_lines(bubble.lines, "")
    for card in bubble.cards if depth < MAX_DEPTH else ():
        yield from (f"  {line}" for line in bubble_lines(card, depth + 1))
    yield from filter(None, (bubble.footer,))
    yield from (f"[{button.text}]" + f" {button.does}" * bool(button.does) for button in bubble.buttons)
    for section in bubble.sections:
        yield from filter(None, (section.title,))
        yield from _labelled_lines(section.rows, "- ")


def _labelled_lines(lines: Iterable[Line], mark: str) -> Iterator[str]:
    return (f"{mark}{line.label}" + f": {line.text}" * bool(line.text) for line in lines)


def _media_text(media: Media | None) -> str:
    return "" if media is None else " ".join(filter(None, (f"({media.kind})", media.name, media.text)))
