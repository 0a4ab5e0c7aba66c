"""A delivery's own display: outcomes, the reasons behind them, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.display.page import STYLE, html, plural
from d7nb.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping

MEANING = {
    "accepted": "D7 took it",
    "rejected": "D7 refused it",
    "unknown": "it may have gone out: don't send it again before you know",
    "unsent": "not tried: send the plan again",
    "already_sent": "an earlier run sent it; to send it again on purpose, name another campaign=, or say resend=",
    "invalid": "it breaks a rule: correct the table",
    "held": "a person must decide",
    "skipped": "a filter said no",
}
SHOWN_REASONS = 8

_TEMPLATE = (
    STYLE
    + """
<div class="d7nb">
<div class="title">{{ title }}</div>
<table><caption>Rows</caption>
<tr><th scope="col">outcome</th><th scope="col" class="n">rows</th><th scope="col">meaning</th></tr>
{% for outcome, count in counts %}
<tr><th scope="row">{{ outcome }}</th><td class="n">{{ "{:,}".format(count) }}</td><td>{{ meaning[outcome] }}</td></tr>
{% endfor %}
</table>
{% if reasons %}
<table><caption>{{ heading }}</caption>
<tr><th scope="col">outcome</th><th scope="col" class="n">rows</th><th scope="col">reason</th></tr>
{% for outcome, reason, count in reasons %}
<tr><td>{{ outcome }}</td><td class="n">{{ "{:,}".format(count) }}</td><td>{{ reason }}</td></tr>
{% endfor %}
</table>
{% endif %}
{% for warning in warnings %}
<div>warning: {{ warning }}</div>
{% endfor %}
</div>
"""
)


def delivery_html(shown: Mapping[str, Any]) -> str:
    """A delivery as HTML.

    Args:
        shown: ``summary``, ``done``, ``warnings``, and ``reasons``, a list of (outcome, reason, rows).
    """
    return html(
        _TEMPLATE,
        title=_title(shown),
        counts=_counts(shown),
        meaning=MEANING,
        reasons=_reasons(shown),
        heading=_heading(shown),
        warnings=[mask_text(warning) for warning in shown["warnings"]],
    )


def delivery_text(shown: Mapping[str, Any]) -> str:
    """A delivery as text, for a terminal."""
    lines = [_title(shown)]
    lines += [f"  {count:>9,} {outcome}: {MEANING[outcome]}" for outcome, count in _counts(shown)]
    if shown["reasons"]:
        lines.append(f"  {_heading(shown)}:")
    lines += [f"    {count:,} {outcome}: {reason}" for outcome, reason, count in _reasons(shown)]
    lines += [f"  warning: {mask_text(warning)}" for warning in shown["warnings"]]
    return "\n".join(lines)


def _title(shown: Mapping[str, Any]) -> str:
    total = sum(shown["summary"].values())
    running = "" if shown["done"] else ", still being sent"
    return f"Delivery of {plural(total, 'row')}: {shown['summary']['accepted']:,} accepted{running}"


def _counts(shown: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(outcome, count) for outcome, count in shown["summary"].items() if count]


def _heading(shown: Mapping[str, Any]) -> str:
    count = len(shown["reasons"])
    more = f", the {SHOWN_REASONS} most frequent (all are in .frame)" if count > SHOWN_REASONS else ""
    return plural(count, "reason") + more


def _reasons(shown: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    return [(outcome, mask_text(reason), count) for outcome, reason, count in shown["reasons"][:SHOWN_REASONS]]
