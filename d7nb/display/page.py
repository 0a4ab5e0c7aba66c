"""The one place where HTML is made: templates that escape, and a style that inherits the notebook's colours."""

from __future__ import annotations

from functools import cache
from typing import Any

STYLE = """
<style>
.d7nb{font-family:inherit;font-size:inherit;line-height:1.45;max-width:62em}
.d7nb table{border-collapse:collapse;margin:.4em 0;font-size:inherit}
.d7nb caption{caption-side:top;text-align:left;font-weight:600;padding:.3em 0}
.d7nb table th,.d7nb table td{text-align:left;padding:.15em .9em .15em 0;vertical-align:top;
 border-bottom:1px solid var(--jp-border-color2,rgba(127,127,127,.35))}
.d7nb table td.n,.d7nb table th.n{text-align:right;font-variant-numeric:tabular-nums}
.d7nb .title{font-weight:600}
.d7nb .bubbles{display:flex;flex-wrap:wrap;gap:1em;margin:.5em 0}
.d7nb figure{margin:0;max-width:22em}
.d7nb figcaption{margin-bottom:.25em}
.d7nb .bubble{border:1px solid var(--jp-border-color1,rgba(127,127,127,.6));border-radius:.8em;padding:.5em .8em;
 white-space:pre-wrap;overflow-wrap:anywhere;max-height:18em;overflow:auto;background:rgba(37,211,102,.12)}
</style>
"""


@cache
def _environment() -> Any:
    from jinja2 import Environment  # noqa: PLC0415  (a notebook that shows nothing needs no templates)

    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


def html(template: str, **values: Any) -> str:
    """Fill a template in; every value is escaped.

    Example:
        >>> html("<p>{{ text }}</p>", text="<script>")
        '<p>&lt;script&gt;</p>'
    """
    return str(_environment().from_string(template).render(**values))


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> plural(1243, "row")
        '1,243 rows'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
