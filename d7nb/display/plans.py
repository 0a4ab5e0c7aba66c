"""The display of a plan: how many rows would be sent, how long that takes, the problems, and what filters skipped.

Numbers in it are always masked, and the content is shown unfilled: `Plan.preview` shows the filled messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import column_name, duration_text, in_terminal, plural, with_hint
from d7nb.hints import Call, Hint, render

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd

MAX_PROBLEMS = 5
"""Most problems that the display lists."""
MAX_FILTERS = 12
"""Most filters that the display lists."""

VERDICT_MEANINGS = {
    "ready": "would be sent",
    "invalid": "with an error: correct the table",
    "held": "on hold until you decide",
    "skipped": "left out by a filter",
}
_COLOURS = {"ready": "good", "invalid": "bad", "held": "doubt", "skipped": "out"}


class PlanView(NamedTuple):
    """The data that a plan's display needs.

    Attributes:
        campaign: The name of the mailing.
        content: The content as Python, unfilled.
        recipient_column: The column with the recipients' numbers.
        originators: How many rows would be sent from each originator.
        rate: Recipients a second for one originator; None for no limit.
        summary: Counts by verdict.
        problems: The frame of all problems.
        filters: For each filter its name, how many rows it was given, and how many it skipped.
    """

    campaign: str
    content: str
    recipient_column: Hashable
    originators: Mapping[str, int]
    rate: int | None
    summary: Mapping[str, int]
    problems: pd.DataFrame
    filters: list[tuple[str, int, int]]

    @property
    def ready(self) -> int:
        """The number of rows that would be sent."""
        return self.summary["ready"]

    @property
    def total(self) -> int:
        """The number of rows in the table."""
        return sum(self.summary.values())

    @property
    def duration(self) -> str:
        """The time that the send would take, in words; the rate limit is per originator."""
        most = max(self.originators.values(), default=0)
        if self.rate is None or not most:
            return ""
        per_originator = "" if len(self.originators) == 1 else f" for each of {len(self.originators)} originators"
        return f"{duration_text(most / self.rate)} at {self.rate} a second{per_originator}"

    @property
    def senders(self) -> str:
        """The originators, shortened to the first and how many others there are."""
        first, *others = self.originators or [""]
        return first + f" and {len(others)} more" * bool(others)


_TEMPLATE = """
<div class="d7nb">
<div class="d7nb-title">Plan of campaign <bdi>{{ plan.campaign|masked(100) }}</bdi>
{{- ": %s of %s would be sent"|format(plan.ready|count, rows) }}</div>
<div><code>{{ plan.content|masked(400) }}</code></div>
<div class="d7nb-aside">to the numbers in column <bdi>{{ column|masked(60) }}</bdi>
{%- if plan.senders %}, from {{ plan.senders|masked(60) }}{% endif %}</div>
{% if plan.duration %}<div class="d7nb-aside">takes {{ plan.duration }}</div>{% endif %}
{% if plan.total %}
<div class="d7nb-bar" aria-hidden="true">
{%- for verdict, count in plan.summary.items() if count %}
<i class="d7nb-{{ colours[verdict] }}" style="flex-grow:{{ count }}"></i>
{%- endfor %}</div>
{% endif %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Rows</caption>
<thead><tr><th scope="col">verdict</th><th scope="col" class="d7nb-n">rows</th><th scope="col">meaning</th></tr></thead>
<tbody>
{% for verdict, count in plan.summary.items() %}
<tr><th scope="row"><span class="d7nb-dot d7nb-{{ colours[verdict] }}" aria-hidden="true"></span>{{ verdict }}</th>
<td class="d7nb-n">{{ count|count }}</td><td>{{ meaning[verdict] }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if problems %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>{{ heading }}</caption>
<thead><tr><th scope="col" class="d7nb-n">row</th><th scope="col">column</th><th scope="col">value</th>
<th scope="col">what is wrong</th><th scope="col">what to do</th>
<th scope="col" class="d7nb-n">more like it</th></tr></thead>
<tbody>
{% for problem in problems %}
<tr><td class="d7nb-n">{{ problem.row }}</td><td class="d7nb-own" dir="auto">{{ problem.column|masked(60) }}</td>
<td class="d7nb-own d7nb-value" dir="auto">{{ problem.value|masked }}</td>
<td class="d7nb-cell"><strong>{{ problem.severity }}:</strong> {{ problem.message|masked }}</td>
<td class="d7nb-cell">{{ problem.hint|masked }}</td><td class="d7nb-n">{{ problem.like_it }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if plan.filters %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Filters, in their order</caption>
<thead><tr><th scope="col">filter</th><th scope="col" class="d7nb-n">rows checked</th>
<th scope="col" class="d7nb-n">skipped</th></tr></thead>
<tbody>
{% for name, checked, skipped in plan.filters[:max_filters] %}
<tr><th scope="row">{{ name|masked(60) }}</th><td class="d7nb-n">{{ checked|count }}</td>
<td class="d7nb-n">{{ skipped|count }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if plan.filters|length > max_filters %}
<div class="d7nb-aside">{{ more_filters }}</div>
{% endif %}
{% endif %}
</div>
"""


def plan_html(plan: PlanView) -> str:
    """Return a plan's display as HTML."""
    return STYLE + html(
        _TEMPLATE,
        plan=plan,
        rows=plural(plan.total, "row"),
        column=column_name(plan.recipient_column),
        heading=_heading(plan.problems),
        problems=_problems_to_show(plan.problems),
        meaning=VERDICT_MEANINGS,
        colours=_COLOURS,
        max_filters=MAX_FILTERS,
        more_filters=_more_filters(len(plan.filters) - MAX_FILTERS),
    )


def plan_text(plan: PlanView) -> str:
    """Return a plan's display as text for a terminal."""
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in plan.summary.items() if count)
    lines = [f"Plan of campaign {in_terminal(plan.campaign, 100)}: {counts or 'no rows'}"]
    lines.append(f"  {in_terminal(plan.content, 400)}")
    senders = f", from {in_terminal(plan.senders, 60)}" * bool(plan.senders)
    lines.append(f"  to the numbers in column {in_terminal(column_name(plan.recipient_column), 60)}{senders}")
    if plan.duration:
        lines.append(f"  takes {plan.duration}")
    if len(plan.problems):
        lines.append(f"  {_heading(plan.problems)}:")
    for problem in _problems_to_show(plan.problems):
        location = f"row {problem['row']}, {in_terminal(problem['column'], 60)}" if problem["row"] else "every row"
        value = f" [{in_terminal(problem['value'])}]" * bool(problem["value"])
        like_it = f"; {problem['like_it']} more like it" * bool(problem["like_it"])
        sentence = with_hint(in_terminal(problem["message"]), in_terminal(problem["hint"]))
        lines.append(f"    {location}{value}: {problem['severity']}: {sentence}{like_it}")
    for name, checked, skipped in plan.filters[:MAX_FILTERS]:
        lines.append(f"  filter {in_terminal(name, 60)} skipped {skipped:,} of {checked:,}")
    if (more := len(plan.filters) - MAX_FILTERS) > 0:
        lines.append(f"  {_more_filters(more)}")
    return "\n".join(lines)


def _heading(problems: pd.DataFrame) -> str:
    rest = len(problems) - MAX_PROBLEMS
    if rest <= 0:
        return plural(len(problems), "problem")
    all_of_them = Call("plan.problems", arguments=None)
    return render(Hint(f"{plural(len(problems), 'problem')}, the first {MAX_PROBLEMS} (for all: ", all_of_them, ")"))


def _more_filters(count: int) -> str:
    return render(Hint(f"… {count} more (for all: ", Call("plan.filters", arguments=None), ")"))


def _problems_to_show(problems: pd.DataFrame) -> list[dict[str, str]]:
    """Pick the first problem of each kind and, if there is room, the next ones; in the order of their rows."""
    if not len(problems):
        return []
    kinds = problems.groupby(["severity", "code", "column"], sort=False, dropna=False).ngroup()
    rank_in_kind = kinds.groupby(kinds).cumcount()
    chosen = np.sort(np.argsort(rank_in_kind.to_numpy(), kind="stable")[:MAX_PROBLEMS])
    hidden_counts = kinds.drop(kinds.index[chosen]).value_counts().to_dict()
    shown = problems.iloc[chosen].astype("object")
    shown["like_it"] = [hidden_counts.pop(kind, 0) for kind in kinds.iloc[chosen]]  # counted at its first problem only
    return [_problem_texts(problem) for problem in shown.where(shown.notna(), None).to_dict("records")]


def _problem_texts(problem: dict[Hashable, Any]) -> dict[str, str]:
    row, column, like_it = problem["row"], problem["column"], problem["like_it"]
    texts = {name: problem[name] or "" for name in ("value", "severity", "message", "hint")}
    return {
        **texts,
        "row": "" if row is None else f"{row:,}",
        "column": "" if column is None else column_name(column),
        "like_it": f"{like_it:,}" if like_it else "",
    }
