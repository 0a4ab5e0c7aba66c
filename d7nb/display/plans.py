"""A plan's own display: unfilled content, counts, the first problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.display.page import STYLE, html, plural
from d7nb.masking import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN_PROBLEMS = 5

_MEANING = {
    "ready": "would go",
    "invalid": "break a rule",
    "held": "wait for a person's word",
    "skipped": "a filter said no",
}

_TEMPLATE = (
    STYLE
    + """
<div class="d7nb">
<div class="title">Plan of campaign {{ campaign }}: {{ ready }} of {{ total }} would go</div>
<div>{{ content }}</div>
<table><caption>Rows</caption>
<tr><th scope="col">verdict</th><th scope="col" class="n">rows</th><th scope="col">meaning</th></tr>
{% for verdict, count in summary.items() %}
<tr><th scope="row">{{ verdict }}</th><td class="n">{{ "{:,}".format(count) }}</td><td>{{ meaning[verdict] }}</td></tr>
{% endfor %}
</table>
{% if problems %}
<table><caption>{{ heading }}</caption>
<tr><th scope="col" class="n">row</th><th scope="col">column</th><th scope="col">value</th>
<th scope="col">what is wrong</th><th scope="col">the way out</th></tr>
{% for problem in problems %}
<tr><td class="n">{{ problem.row }}</td><td>{{ problem.column }}</td><td dir="auto">{{ problem.value }}</td>
<td>{{ problem.severity }}: {{ problem.message }}</td><td>{{ problem.hint }}</td></tr>
{% endfor %}
</table>
{% endif %}
</div>
"""
)


def plan_html(shown: Mapping[str, Any]) -> str:
    """A plan as HTML.

    Args:
        shown: ``campaign``, ``content``, ``summary`` and the frame ``problems``.
    """
    return html(_TEMPLATE, meaning=_MEANING, **_prepared(shown))


def plan_text(shown: Mapping[str, Any]) -> str:
    """A plan as text, for a terminal."""
    values = _prepared(shown)
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in shown["summary"].items() if count)
    lines = [f"Plan of campaign {values['campaign']}: {counts or 'no rows'}", f"  {values['content']}"]
    if values["problems"]:
        lines.append(f"  {values['heading']}:")
        for problem in values["problems"]:
            where = f"row {problem['row']}, {problem['column']}" if problem["row"] != "" else "every row"
            value = f" [{problem['value']}]" if problem["value"] else ""
            lines.append(f"    {where}{value}: {problem['severity']}: {problem['message']} ({problem['hint']})")
    return "\n".join(lines)


def _prepared(shown: Mapping[str, Any]) -> dict[str, Any]:
    problems = shown["problems"]
    first = problems.head(SHOWN_PROBLEMS).astype("object")
    first = first.where(first.notna(), "")
    for name in ("column", "message", "hint"):
        first[name] = [mask_text(str(text)) for text in first[name]]
    rest = len(problems) - len(first)
    more = f", the first {len(first)} (all are in .problems)" if rest else ""
    return {
        "campaign": mask_text(shown["campaign"]),
        "content": mask_text(shown["content"]),
        "summary": shown["summary"],
        "ready": f"{shown['summary']['ready']:,}",
        "total": plural(sum(shown["summary"].values()), "row"),
        "problems": first.to_dict("records"),
        "heading": plural(len(problems), "problem") + more,
    }
