"""A delivery's own display: outcomes, the reasons behind them, its requests, and what to do next. It stays masked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from d7nb.api.error_codes import advice_for, without_advice
from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import in_terminal, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
RUNNING = {"unsent": "its turn has not come yet", "unknown": "on its way, or nobody knows yet"}
"""What two of them mean while the send goes on."""
UNHEARD = "nothing heard"
STATUS_MEANING = {
    UNHEARD: "D7 has said nothing of it yet",
    "scheduled": "it waits for its time",
    "queued": "D7 is about to send it",
    "sent": "it went to WhatsApp",
    "delivered": "it is on the phone",
    "read": "it was read",
    "failed": "it did not arrive; the reasons say why",
}
FOREIGN = "D7's own word; d7nb does not know it, and asks on"
_ARRIVED = frozenset({"delivered", "read", "failed"})
_STATUS_COLOURS = {"sent": "wait", "delivered": "good", "read": "good", "failed": "bad"}
_OF_D7 = frozenset({"accepted", "already_sent", "rejected", "unknown", "unsent"})
"""Outcomes whose reasons are, or hold, an answer of D7."""
SHOWN_REASONS = 8
SHOWN_WARNINGS = 5
_COLOURS = {
    "accepted": "good",
    "already_sent": "good",
    "rejected": "bad",
    "invalid": "bad",
    "unknown": "doubt",
    "held": "doubt",
    "unsent": "wait",
    "skipped": "out",
}
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


class Reason(NamedTuple):
    """Why rows came to an outcome.

    Attributes:
        outcome: The outcome.
        decided_by: Who decided.
        reason: Why.
        rows: How many rows it is.
        verb: What to do, where we know it; `grouped` finds it out.
    """

    outcome: str
    decided_by: str
    reason: str
    rows: int
    verb: str = ""


class Requests(NamedTuple):
    """What a delivery's requests came to.

    Attributes:
        made: How many there were; those that were taken apart are among them.
        tried_again: How many of them were posted more than once, because D7 asked for it or was not reached.
        taken_apart: How many were refused as a whole, and went again in pieces.
    """

    made: int
    tried_again: int
    taken_apart: int


class ShownDelivery(NamedTuple):
    """What a delivery shows of itself.

    Attributes:
        summary: Counts by outcome.
        reasons: Each distinct reason.
        requests: What its requests came to; None where it made none, and tells what the ledger knows.
        done: Whether its send has come to an end.
        warnings: What went wrong beside the rows.
        statuses: How many of the accepted rows have each status, the most frequent first; those of which nothing was
            heard are under an empty word. None where nobody asked.
    """

    summary: Mapping[str, int]
    reasons: Sequence[Reason]
    requests: Requests | None
    done: bool
    warnings: Sequence[str]
    statuses: Mapping[str, int] | None = None


class Step(NamedTuple):
    """What to do about some rows: words, and the code for it."""

    words: str
    code: tuple[str, ...] = ()


_TEMPLATE = """
{% macro codes(step) %}
{% for code in step.code %}{{ " or " if not loop.first }}<code>{{ code }}</code>{% endfor %}
{% endmacro %}
<div class="d7nb">
<div class="d7nb-title">{{ title }}</div>
<div class="d7nb-aside">{{ requests }}</div>
{% if counts %}
<div class="d7nb-bar" aria-hidden="true">
{%- for outcome, count in counts %}
<i class="d7nb-{{ colours[outcome] }}" style="flex-grow:{{ count }}"></i>
{%- endfor %}</div>
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Rows</caption>
<thead><tr><th scope="col">outcome</th><th scope="col" class="d7nb-n">rows</th><th scope="col">meaning</th></tr></thead>
<tbody>
{% for outcome, count in counts %}
<tr><th scope="row"><span class="d7nb-dot d7nb-{{ colours[outcome] }}" aria-hidden="true"></span>{{ outcome }}</th>
<td class="d7nb-n">{{ count|count }}</td><td>{{ meaning[outcome] }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if statuses %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Accepted rows</caption>
<thead><tr><th scope="col">status</th><th scope="col" class="d7nb-n">rows</th><th scope="col">meaning</th></tr></thead>
<tbody>
{% for status, count in statuses %}
<tr><th scope="row"><span class="d7nb-dot d7nb-{{ status_colours.get(status, "wait") }}" aria-hidden="true"></span>
{{- status|masked(60) }}</th>
<td class="d7nb-n">{{ count|count }}</td><td>{{ status_meaning.get(status, foreign) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if reasons %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>{{ heading }}</caption>
<thead><tr><th scope="col">outcome</th><th scope="col" class="d7nb-n">rows</th><th scope="col">reason</th>
<th scope="col">decided by</th>{% if verbs %}<th scope="col">what to do</th>{% endif %}</tr></thead>
<tbody>
{% for reason in reasons %}
<tr><th scope="row">{{ reason.outcome }}</th><td class="d7nb-n">{{ reason.rows|count }}</td>
<td class="d7nb-cell" dir="auto">{{ reason.reason|masked }}</td><td>{{ reason.decided_by|masked(60) }}</td>
{%- if verbs %}<td>{{ reason.verb }}</td>{% endif %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if steps %}
<div><strong>What to do next</strong></div>
<ul class="d7nb-steps">
{% for step in steps %}<li>{{ step.words }} {{ codes(step) }}</li>{% endfor %}
</ul>
{% endif %}
{% for warning in warnings %}
<div><strong>warning:</strong> {{ warning|masked }}</div>
{% endfor %}
</div>
"""


def delivery_html(delivery: ShownDelivery) -> str:
    """A delivery as HTML."""
    reasons = grouped(delivery.reasons)[:SHOWN_REASONS]
    return STYLE + html(
        _TEMPLATE,
        title=_title(delivery),
        requests=_requests(delivery),
        counts=_counts(delivery),
        meaning=_meaning(delivery),
        colours=_COLOURS,
        statuses=_statuses(delivery),
        status_meaning=STATUS_MEANING,
        status_colours=_STATUS_COLOURS,
        foreign=FOREIGN,
        reasons=reasons,
        verbs=any(reason.verb for reason in reasons),
        heading=_heading(delivery),
        steps=next_steps(delivery),
        warnings=_warnings(delivery),
    )


def delivery_text(delivery: ShownDelivery) -> str:
    """A delivery as text, for a terminal."""
    lines = [_title(delivery), f"  {_requests(delivery)}"]
    lines += [f"  {count:>9,} {outcome}: {_meaning(delivery)[outcome]}" for outcome, count in _counts(delivery)]
    told = _statuses(delivery)
    lines += ["  status of accepted rows:"] * bool(told)
    for status, count in told:
        lines.append(f"  {count:>9,} {in_terminal(status, 60)}: {STATUS_MEANING.get(status, FOREIGN)}")
    if delivery.reasons:
        lines.append(f"  {_heading(delivery)}:")
    for reason in grouped(delivery.reasons)[:SHOWN_REASONS]:
        decider = f" [{in_terminal(reason.decided_by, 60)}]" * bool(reason.decided_by)
        verb = f" ({reason.verb})" * bool(reason.verb)
        lines.append(f"    {reason.rows:,} {reason.outcome}: {in_terminal(reason.reason)}{verb}{decider}")
    steps = next_steps(delivery)
    lines += ["  what to do next:"] * bool(steps)
    lines += [f"    {' '.join((step.words, ' or '.join(step.code))).strip()}" for step in steps]
    lines += [f"  warning: {in_terminal(warning)}" for warning in _warnings(delivery)]
    return "\n".join(lines)


def grouped(reasons: Sequence[Reason]) -> list[Reason]:
    """Reasons that differ only in names and numbers become one, the most frequent first.

    Example:
        >>> grouped([Reason("skipped", "x", "the same as row 3", 1), Reason("skipped", "x", "the same as row 7", 1)])
        [Reason(outcome='skipped', decided_by='x', reason='the same as row 3 (and 1 reason like it)', rows=2, verb='')]
    """
    alike: dict[tuple[str, str, str, str], list[Reason]] = {}
    for each in map(_advised, reasons):
        key = (each.outcome, each.decided_by, each.verb, _PARTICULARS.sub("…", each.reason))
        alike.setdefault(key, []).append(each)
    joined = []
    for first, *others in alike.values():
        like_it = f" (and {plural(len(others), 'reason')} like it)" if others else ""
        rows = first.rows + sum(other.rows for other in others)
        joined.append(first._replace(reason=first.reason + like_it, rows=rows))
    return sorted(joined, key=lambda each: -each.rows)


def _advised(reason: Reason) -> Reason:
    """A reason with the verb of what D7 said in it; what a filter or a rule says is no code, whatever it looks like."""
    verb = advice_for(reason.reason) if reason.outcome in _OF_D7 else None
    return reason._replace(reason=without_advice(reason.reason), verb=verb) if verb else reason


def next_steps(delivery: ShownDelivery) -> list[Step]:
    """What a person can do about the rows that did not simply go."""
    if not delivery.done:
        words = "The send goes on in the background. To wait for it, or to end it:"
        return [Step(words, ("delivery.wait()", "delivery.stop()"))]
    by_ledger = sum(each.rows for each in delivery.reasons if (each.outcome, each.decided_by) == ("held", "ledger"))
    counts = {**delivery.summary, "changed": by_ledger, "held": delivery.summary["held"] - by_ledger}
    statuses = delivery.statuses
    on_the_way = sum(count for status, count in (statuses or {}).items() if status not in _ARRIVED)
    counts["open"] = delivery.summary["accepted"] if statuses is None else on_the_way
    counts["failed"] = (statuses or {}).get("failed", 0)
    return [_STEPS[word](plural(counts[word], "row")) for word in _STEPS if counts[word]]


_STEPS = {
    "unknown": lambda rows: Step(
        f"{rows} may have gone out, and will not go again before you say what became of them. Find out, then:",
        ('delivery.settle("sent")', 'delivery.settle("not_sent")'),
    ),
    "open": lambda rows: Step(
        f"{rows} accepted, which is not delivered yet. To ask D7 what became of them, once or until they have arrived:",
        ("delivery.refresh()", "delivery.watch()"),
    ),
    "failed": lambda rows: Step(
        f"{rows} failed after D7 accepted them. To send those again that may arrive the next time:",
        ('plan.send(client, resend="failed")',),
    ),
    "unsent": lambda rows: Step(f"{rows} not tried: run it again, and only what is left goes.", ("plan.send(client)",)),
    "rejected": lambda rows: Step(
        f"{rows} refused: the reasons say why. Correct the table, plan again and send: who already got it is left out.",
        ("delivery.frame",),
    ),
    "changed": lambda rows: Step(
        f"{rows} held by the ledger: these people got another text in this campaign. To send this one too:",
        ('plan.send(client, resend="changed")',),
    ),
    "held": lambda rows: Step(f"{rows} held for your word: see why, and release them.", ("plan.release()",)),
    "invalid": lambda rows: Step(f"{rows} to correct: each problem by row and column.", ("plan.problems",)),
    "already_sent": lambda rows: Step(
        f"{rows} already sent, so not sent again. To send on purpose, plan with another name or say which rows:",
        ('campaign="..."', "plan.send(client, resend=rows)"),
    ),
}


def _statuses(delivery: ShownDelivery) -> list[tuple[str, int]]:
    """Each status with its count; nothing where nothing was heard at all."""
    if not delivery.statuses or set(delivery.statuses) == {""}:
        return []
    return [(status or UNHEARD, count) for status, count in delivery.statuses.items()]


def _title(delivery: ShownDelivery) -> str:
    total = sum(delivery.summary.values())
    running = "" if delivery.done else ", still being sent"
    return f"Delivery of {plural(total, 'row')}: {delivery.summary['accepted']:,} accepted{running}"


def _requests(delivery: ShownDelivery) -> str:
    if delivery.requests is None:
        return "nothing was sent for this: it is what the ledger knows"
    made, tried_again, taken_apart = delivery.requests
    told = [plural(made, "request")]
    told += [f"{tried_again:,} tried again"] * bool(tried_again)
    told += [f"{taken_apart:,} taken apart"] * bool(taken_apart)
    return ", ".join(told)


def _meaning(delivery: ShownDelivery) -> dict[str, str]:
    return MEANING if delivery.done else MEANING | RUNNING


def _counts(delivery: ShownDelivery) -> list[tuple[str, int]]:
    return [(outcome, count) for outcome, count in delivery.summary.items() if count]


def _heading(delivery: ShownDelivery) -> str:
    count = len(grouped(delivery.reasons))
    more = f", the {SHOWN_REASONS} most frequent (all are in .frame)" if count > SHOWN_REASONS else ""
    return plural(count, "reason") + more


def _warnings(delivery: ShownDelivery) -> list[str]:
    rest = len(delivery.warnings) - SHOWN_WARNINGS
    more = [f"… {rest:,} more in .warnings"] if rest > 0 else []
    return [*delivery.warnings[:SHOWN_WARNINGS], *more]
