"""A plan's own display: what would go, when it would be through, what is wrong, and whom filters spared.

It stays masked, and shows the content unfilled: what each row would say is for `Plan.preview`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import about, in_terminal, name_of, plural

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import pandas as pd

SHOWN_PROBLEMS = 5
SHOWN_FILTERS = 12

MEANING = {
    "ready": "would go",
    "invalid": "break a rule: correct the table",
    "held": "wait for a person's word",
    "skipped": "a filter said no",
}
_COLOURS = {"ready": "good", "invalid": "bad", "held": "doubt", "skipped": "out"}


class ShownPlan(NamedTuple):
    """What a plan shows of itself.

    Attributes:
        campaign: The name of the mailing.
        content: What the messages say, unfilled.
        to: The column with the numbers.
        originators: How many rows would go from each number.
        rate: Recipients a second for one originator; None for no limit.
        summary: Counts by verdict.
        problems: The frame of all problems.
        filters: Name, how many rows it saw, how many it skipped.
    """

    campaign: str
    content: str
    to: Hashable
    originators: Mapping[str, int]
    rate: int | None
    summary: Mapping[str, int]
    problems: pd.DataFrame
    filters: list[tuple[str, int, int]]

    @property
    def ready(self) -> int:
        """How many rows would go."""
        return self.summary["ready"]

    @property
    def total(self) -> int:
        """How many rows there are."""
        return sum(self.summary.values())

    @property
    def time(self) -> str:
        """How long the send would take; each originator has the rate for itself."""
        most = max(self.originators.values(), default=0)
        each = "" if len(self.originators) == 1 else f" for each of {len(self.originators)} originators"
        if self.rate is None:
            return ""
        return f"{about(most / self.rate)} at {self.rate} a second{each}" if most else ""

    @property
    def senders(self) -> str:
        """The numbers that messages come from."""
        first, *others = self.originators or [""]
        return first + f" and {len(others)} more" * bool(others)


_TEMPLATE = """
<div class="d7nb">
<div class="d7nb-title">Plan of campaign <bdi>{{ plan.campaign|masked(100) }}</bdi>
{{- ": %s of %s would go"|format(plan.ready|count, rows) }}</div>
<div><code>{{ plan.content|masked(400) }}</code></div>
<div class="d7nb-aside">to the numbers in column <bdi>{{ to|masked(60) }}</bdi>
{%- if plan.senders %}, from {{ plan.senders|masked(60) }}{% endif %}</div>
{% if plan.time %}<div class="d7nb-aside">takes {{ plan.time }}</div>{% endif %}
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
<th scope="col">what is wrong</th><th scope="col">the way out</th>
<th scope="col" class="d7nb-n">more like it</th></tr></thead>
<tbody>
{% for problem in problems %}
<tr><td class="d7nb-n">{{ problem.where }}</td><td class="d7nb-own" dir="auto">{{ problem.column|masked(60) }}</td>
<td class="d7nb-own d7nb-value" dir="auto">{{ problem.value|masked }}</td>
<td class="d7nb-cell"><strong>{{ problem.severity }}:</strong> {{ problem.message|masked }}</td>
<td class="d7nb-cell">{{ problem.hint|masked }}</td><td class="d7nb-n">{{ problem.like_it }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if plan.filters %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Filters, in their order</caption>
<thead><tr><th scope="col">filter</th><th scope="col" class="d7nb-n">rows seen</th>
<th scope="col" class="d7nb-n">skipped</th></tr></thead>
<tbody>
{% for name, saw, skipped in plan.filters[:shown_filters] %}
<tr><th scope="row">{{ name|masked(60) }}</th><td class="d7nb-n">{{ saw|count }}</td>
<td class="d7nb-n">{{ skipped|count }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if plan.filters|length > shown_filters %}
<div class="d7nb-aside">… {{ plan.filters|length - shown_filters }} more in .filters</div>
{% endif %}
{% endif %}
</div>
"""


def plan_html(plan: ShownPlan) -> str:
    """A plan as HTML."""
    return STYLE + html(
        _TEMPLATE,
        plan=plan,
        rows=plural(plan.total, "row"),
        to=name_of(plan.to),
        heading=_heading(plan.problems),
        problems=_first(plan.problems),
        meaning=MEANING,
        colours=_COLOURS,
        shown_filters=SHOWN_FILTERS,
    )


def plan_text(plan: ShownPlan) -> str:
    """A plan as text, for a terminal."""
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in plan.summary.items() if count)
    lines = [f"Plan of campaign {in_terminal(plan.campaign, 100)}: {counts or 'no rows'}"]
    lines.append(f"  {in_terminal(plan.content, 400)}")
    senders = f", from {in_terminal(plan.senders, 60)}" * bool(plan.senders)
    lines.append(f"  to the numbers in column {in_terminal(name_of(plan.to), 60)}{senders}")
    if plan.time:
        lines.append(f"  takes {plan.time}")
    if len(plan.problems):
        lines.append(f"  {_heading(plan.problems)}:")
    for problem in _first(plan.problems):
        place = f"row {problem['where']}, {in_terminal(problem['column'], 60)}" if problem["where"] else "every row"
        value = f" [{in_terminal(problem['value'])}]" * bool(problem["value"])
        like_it = f"; {problem['like_it']} more like it" * bool(problem["like_it"])
        message, hint = in_terminal(problem["message"]), in_terminal(problem["hint"])
        lines.append(f"    {place}{value}: {problem['severity']}: {message} ({hint}){like_it}")
    for name, saw, skipped in plan.filters[:SHOWN_FILTERS]:
        lines.append(f"  filter {in_terminal(name, 60)} skipped {skipped:,} of {saw:,}")
    if (more := len(plan.filters) - SHOWN_FILTERS) > 0:
        lines.append(f"  … {more} more in .filters")
    return "\n".join(lines)


def _heading(problems: pd.DataFrame) -> str:
    rest = len(problems) - SHOWN_PROBLEMS
    more = f", the first {SHOWN_PROBLEMS} (the other {rest:,} are in .problems)" if rest > 0 else ""
    return plural(len(problems), "problem") + more


def _first(problems: pd.DataFrame) -> list[dict[str, str]]:
    """The problems to show: the first of each kind, and if there is room, the next ones; in the order of their rows."""
    if not len(problems):
        return []
    kinds = problems.groupby(["severity", "code", "column"], sort=False, dropna=False).ngroup()
    place_in_kind = kinds.groupby(kinds).cumcount()
    chosen = np.sort(np.argsort(place_in_kind.to_numpy(), kind="stable")[:SHOWN_PROBLEMS])
    unseen = kinds.drop(kinds.index[chosen]).value_counts().to_dict()
    first = problems.iloc[chosen].astype("object")
    first["like_it"] = [unseen.pop(kind, 0) for kind in kinds.iloc[chosen]]  # said once for each kind
    return [_shown(problem) for problem in first.where(first.notna(), None).to_dict("records")]


def _shown(problem: dict[Hashable, Any]) -> dict[str, str]:
    row, column, like_it = problem["row"], problem["column"], problem["like_it"]
    texts = {name: problem[name] or "" for name in ("value", "severity", "message", "hint")}
    return {
        **texts,
        "where": "" if row is None else f"{row:,}",
        "column": "" if column is None else name_of(column),
        "like_it": f"{like_it:,}" if like_it else "",
    }
