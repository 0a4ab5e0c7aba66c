"""The one place where HTML is made: templates that escape whatever they are given."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _environment() -> Any:
    from jinja2 import Environment  # noqa: PLC0415  (a notebook that shows nothing needs no templates)

    from d7nb.display.html import markup_html, masked, plain  # noqa: PLC0415

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"said": markup_html, "plain": plain, "masked": masked, "count": "{:,}".format}
    return environment


@cache
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


def html(template: str, **values: Any) -> str:
    """Fill a template in; every value is escaped.

    Args:
        template: One of a display's own, a constant: it stays in memory.
        values: What it shows. The filters ``said``, ``plain`` and ``masked`` are those of `inline`.

    Example:
        >>> html("<p>{{ text }}</p>", text="<script>")
        '<p>&lt;script&gt;</p>'
    """
    return str(_compiled(template).render(**values))
