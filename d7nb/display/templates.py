"""The Jinja environment that makes all HTML, with every value escaped."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _environment() -> Any:
    from jinja2 import Environment  # noqa: PLC0415  (a notebook that shows nothing needs no templates)

    from d7nb.display.html import markup_html, masked_html, plain_html  # noqa: PLC0415
    from d7nb.display.text import plural  # noqa: PLC0415

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "markup": markup_html,
        "plain": plain_html,
        "masked": masked_html,
        "count": "{:,}".format,
        "plural": plural,
    }
    return environment


@cache
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


def html(template: str, **values: Any) -> str:
    """Fill in a template; every value is escaped.

    Args:
        template: A constant of the package: compiled templates stay in memory.
        values: What it shows. The filters ``markup``, ``plain`` and ``masked`` are those of `d7nb.display.html`.

    Example:
        >>> html("<p>{{ text }}</p>", text="<script>")
        '<p>&lt;script&gt;</p>'
    """
    return str(_compiled(template).render(**values))
