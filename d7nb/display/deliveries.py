"""The display of a delivery: outcomes, statuses, reasons, requests, and what to do next, always masked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from d7nb.api.error_codes import advice_for, without_advice
from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import in_terminal, plural, with_hint
from d7nb.hints import SEND_AGAIN, Call, Hint, Option, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTCOME_MEANINGS = {
    "accepted": "D7 took it",
    "rejected": "D7 refused it",
    "unknown": "may have been sent: check that before sending it again",
    "unsent": "not sent yet: send the plan again",
    "already_sent": Hint(
        "an earlier run sent it; to send it again on purpose, use another ",
        Option("campaign"),
        " or ",
        Option("resend"),
    ),
    "invalid": "has an error: correct the table",
    "held": "needs your decision: see the reason",
    "skipped": "left out by a filter",
}
MEANINGS_WHILE_SENDING = {"unsent": "waiting for its turn", "unknown": "on its way, or not answered yet"}
"""Meanings that differ while the send is running."""
NO_STATUS = "no status yet"
STATUS_MEANINGS = {
    NO_STATUS: "D7 has not reported on it",
    "scheduled": "waiting for its scheduled time",
    "queued": "D7 is about to send it",
    "sent": "it went to WhatsApp",
    "delivered": "it is on the phone",
    "read": "it was read",
    "failed": "it did not arrive; the reasons say why",
}
UNKNOWN_STATUS_MEANING = Hint("a status of D7's that d7nb does not know; ", Call("delivery.refresh"), " asks again")
_FINAL_STATUSES = frozenset({"delivered", "read", "failed"})
_STATUS_COLOURS = {"sent": "wait", "delivered": "good", "read": "good", "failed": "bad"}
_OUTCOMES_WITH_D7_ANSWER = frozenset({"accepted", "already_sent", "rejected", "unknown", "unsent"})
"""Outcomes whose reason may quote D7's answer."""
MAX_REASONS = 8
"""Most reasons that the display lists."""
MAX_WARNINGS = 5
"""Most warnings that the display lists."""
_OUTCOME_COLOURS = {
    "accepted": "good",
    "already_sent": "good",
    "rejected": "bad",
    "invalid": "bad",
    "unknown": "doubt",
    "held": "doubt",
    "unsent": "wait",
    "skipped": "out",
}
_NAMES_AND_NUMBERS = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\d.,]*")


class Reason(NamedTuple):
    """Why some rows have their outcome.

    Attributes:
        outcome: The outcome.
        decided_by: Who decided.
        reason: The sentence in the delivery's frame.
        rows: How many rows have this outcome for this reason.
        advice: What to do, where it is known; `group_reasons` fills it in.
    """

    outcome: str
    decided_by: str
    reason: str
    rows: int
    advice: str = ""


class RequestCounts(NamedTuple):
    """How many HTTP requests a delivery made.

    Attributes:
        total: All requests, including those that were split.
        retried: Requests posted more than once, because D7 asked for it or could not be reached.
        split: Requests that were refused as a whole and sent again in smaller parts.
    """

    total: int
    retried: int
    split: int


class DeliveryView(NamedTuple):
    """The data that a delivery's display needs.

    Attributes:
        summary: Counts by outcome.
        reasons: The distinct reasons.
        requests: Counts of its requests; None where nothing was sent and the ledger was read.
        done: Whether the send has ended.
        warnings: What went wrong apart from single rows.
        statuses: How many of the accepted rows have each status, the most frequent first; rows without a status are
            counted under an empty text. None where no status was asked for.
        settled: What `Delivery.settle` did last; empty where it was not called.
    """

    summary: Mapping[str, int]
    reasons: Sequence[Reason]
    requests: RequestCounts | None
    done: bool
    warnings: Sequence[str]
    statuses: Mapping[str, int] | None = None
    settled: str = ""


class Step(NamedTuple):
    """What to do about some rows: an instruction, and the calls or options that do it, one or the other."""

    instruction: str
    ways: tuple[Call | Option, ...] = ()

    @property
    def code(self) -> list[str]:
        """The calls and options, in the language of the place where the display is read."""
        return [render(Hint(way)) for way in self.ways]


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
<td class="d7nb-n">{{ count|count }}</td><td>{{ meanings[outcome] }}</td></tr>
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
<td class="d7nb-n">{{ count|count }}</td><td>{{ status_meanings.get(status, unknown_status) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if reasons %}
<div class="d7nb-scroll"><table class="d7nb-table"><caption>{{ heading }}</caption>
<thead><tr><th scope="col">outcome</th><th scope="col" class="d7nb-n">rows</th><th scope="col">reason</th>
<th scope="col">decided by</th>{% if any_advice %}<th scope="col">what to do</th>{% endif %}</tr></thead>
<tbody>
{% for reason in reasons %}
<tr><th scope="row">{{ reason.outcome }}</th><td class="d7nb-n">{{ reason.rows|count }}</td>
<td class="d7nb-cell" dir="auto">{{ reason.reason|masked }}</td><td>{{ reason.decided_by|masked(60) }}</td>
{%- if any_advice %}<td>{{ reason.advice }}</td>{% endif %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if steps %}
<div><strong>What to do next</strong></div>
<ul class="d7nb-steps">
{% for step in steps %}<li>{{ step.instruction }} {{ codes(step) }}</li>{% endfor %}
</ul>
{% endif %}
{% if settled %}
<div>{{ settled }}</div>
{% endif %}
{% for warning in warnings %}
<div><strong>warning:</strong> {{ warning|masked }}</div>
{% endfor %}
</div>
"""


def delivery_html(delivery: DeliveryView) -> str:
    """Return a delivery's display as HTML."""
    reasons = group_reasons(delivery.reasons)[:MAX_REASONS]
    return STYLE + html(
        _TEMPLATE,
        title=_title(delivery),
        requests=_request_counts(delivery),
        counts=_outcome_counts(delivery),
        meanings=_outcome_meanings(delivery),
        colours=_OUTCOME_COLOURS,
        statuses=_status_counts(delivery),
        status_meanings=STATUS_MEANINGS,
        status_colours=_STATUS_COLOURS,
        unknown_status=render(UNKNOWN_STATUS_MEANING),
        reasons=reasons,
        any_advice=any(reason.advice for reason in reasons),
        heading=_reasons_heading(delivery),
        steps=next_steps(delivery),
        settled=delivery.settled,
        warnings=_warnings(delivery),
    )


def delivery_text(delivery: DeliveryView) -> str:
    """Return a delivery's display as text for a terminal."""
    lines = [_title(delivery), f"  {_request_counts(delivery)}"]
    meanings = _outcome_meanings(delivery)
    lines += [f"  {count:>9,} {outcome}: {meanings[outcome]}" for outcome, count in _outcome_counts(delivery)]
    statuses = _status_counts(delivery)
    lines += ["  status of accepted rows:"] * bool(statuses)
    for status, count in statuses:
        meaning = render(STATUS_MEANINGS.get(status, UNKNOWN_STATUS_MEANING))
        lines.append(f"  {count:>9,} {in_terminal(status, 60)}: {meaning}")
    if delivery.reasons:
        lines.append(f"  {_reasons_heading(delivery)}:")
    for reason in group_reasons(delivery.reasons)[:MAX_REASONS]:
        decider = f" [{in_terminal(reason.decided_by, 60)}]" * bool(reason.decided_by)
        sentence = with_hint(in_terminal(reason.reason), reason.advice)
        lines.append(f"    {reason.rows:,} {reason.outcome}: {sentence}{decider}")
    steps = next_steps(delivery)
    lines += ["  what to do next:"] * bool(steps)
    lines += [f"    {' '.join((step.instruction, ' or '.join(step.code))).strip()}" for step in steps]
    lines += [f"  {delivery.settled}"] * bool(delivery.settled)
    lines += [f"  warning: {in_terminal(warning)}" for warning in _warnings(delivery)]
    return "\n".join(lines)


def group_reasons(reasons: Sequence[Reason]) -> list[Reason]:
    """Join reasons that differ only in names and numbers, the most frequent first.

    Example:
        >>> reasons = [Reason("skipped", "x", "the same as row 3", 1), Reason("skipped", "x", "the same as row 7", 1)]
        >>> [(reason.reason, reason.rows) for reason in group_reasons(reasons)]
        [('the same as row 3 (and 1 reason like it)', 2)]
    """
    alike: dict[tuple[str, str, str, str], list[Reason]] = {}
    for reason in map(_with_advice, reasons):
        key = (reason.outcome, reason.decided_by, reason.advice, _NAMES_AND_NUMBERS.sub("…", reason.reason))
        alike.setdefault(key, []).append(reason)
    joined = []
    for first, *others in alike.values():
        like_it = f" (and {plural(len(others), 'reason')} like it)" if others else ""
        rows = first.rows + sum(other.rows for other in others)
        joined.append(first._replace(reason=first.reason + like_it, rows=rows))
    return sorted(joined, key=lambda reason: -reason.rows)


def _with_advice(reason: Reason) -> Reason:
    """Move the advice out of a reason that quotes D7. Numbers in a filter's or rule's reason are never error codes."""
    sentence = render(reason.reason)
    advice = advice_for(sentence) if reason.outcome in _OUTCOMES_WITH_D7_ANSWER else None
    if not advice:
        return reason._replace(reason=sentence)
    return reason._replace(reason=without_advice(sentence), advice=advice)


def next_steps(delivery: DeliveryView) -> list[Step]:
    """Return what to do about the rows that were not simply sent."""
    if not delivery.done:
        return [Step(_STEP_WHILE_SENDING, (Call("delivery.wait"), Call("delivery.stop")))]
    changed = sum(
        reason.rows for reason in delivery.reasons if (reason.outcome, reason.decided_by) == ("held", "ledger")
    )
    statuses = {"": delivery.summary["accepted"]} if delivery.statuses is None else delivery.statuses
    counts = {
        **delivery.summary,
        "open": sum(count for status, count in statuses.items() if status not in _FINAL_STATUSES),
        "failed": statuses.get("failed", 0),
        "changed": changed,
        "held": delivery.summary["held"] - changed,
    }
    return [
        step._replace(instruction=step.instruction.format(rows=plural(counts[case], "row")))
        for case, step in _STEPS.items()
        if counts[case]
    ]


def _send_with(option: Option) -> Call:
    return Call("plan.send", (option,), ("client",))


_STEP_WHILE_SENDING = "The send goes on in the background. To wait for it, or to end it:"
_STEPS: dict[str, Step] = {
    "unknown": Step(
        "{rows} may have been sent, and will not be sent again until you record what happened. "
        "Look for the message in D7's dashboard, or ask a recipient. Then record it:",
        (Call("delivery.settle", arguments=('"sent"',)), Call("delivery.settle", arguments=('"not_sent"',))),
    ),
    "open": Step(
        "{rows} accepted by D7, which does not mean delivered. To ask D7 for the status, once or again and again:",
        (Call("delivery.refresh"), Call("delivery.watch")),
    ),
    "failed": Step(
        "{rows} failed after D7 accepted the message. To send again where a second try may succeed:",
        (_send_with(Option("resend", "failed")),),
    ),
    "unsent": Step("{rows} not sent yet. To send only what is left:", (SEND_AGAIN,)),
    "rejected": Step(
        "{rows} refused by D7. Correct the table, plan and send again; whoever got the message is left out. Reasons:",
        (Call("delivery.frame", arguments=None),),
    ),
    "changed": Step(
        "{rows} held: another text already went to the same recipient in this campaign. To send this one too:",
        (_send_with(Option("resend", "changed")),),
    ),
    "held": Step("{rows} held until you decide. See the reasons, then:", (Call("plan.release"),)),
    "invalid": Step(
        "{rows} with errors. To see each problem by row and column:", (Call("plan.problems", arguments=None),)
    ),
    "already_sent": Step(
        "{rows} already sent, so not sent again. To send again on purpose, use another campaign or name the rows:",
        (Option("campaign", "..."), Call("plan.send", arguments=("client", "resend=rows"))),
    ),
}


def _status_counts(delivery: DeliveryView) -> list[tuple[str, int]]:
    """Return each status with its count; nothing where no row has a status."""
    if not delivery.statuses or set(delivery.statuses) == {""}:
        return []
    return [(status or NO_STATUS, count) for status, count in delivery.statuses.items()]


def _title(delivery: DeliveryView) -> str:
    total = sum(delivery.summary.values())
    running = "" if delivery.done else ", still being sent"
    return f"Delivery of {plural(total, 'row')}: {delivery.summary['accepted']:,} accepted{running}"


def _request_counts(delivery: DeliveryView) -> str:
    if delivery.requests is None:
        return "from the ledger; nothing was sent just now"
    total, retried, split = delivery.requests
    counts = [plural(total, "request")]
    counts += [f"{retried:,} tried again"] * bool(retried)
    counts += [f"{split:,} split into smaller ones"] * bool(split)
    return ", ".join(counts)


def _outcome_meanings(delivery: DeliveryView) -> dict[str, str]:
    meanings = OUTCOME_MEANINGS if delivery.done else OUTCOME_MEANINGS | MEANINGS_WHILE_SENDING
    return {outcome: render(meaning) for outcome, meaning in meanings.items()}


def _outcome_counts(delivery: DeliveryView) -> list[tuple[str, int]]:
    return [(outcome, count) for outcome, count in delivery.summary.items() if count]


def _reasons_heading(delivery: DeliveryView) -> str:
    count = len(group_reasons(delivery.reasons))
    if count <= MAX_REASONS:
        return plural(count, "reason")
    every_row = Call("delivery.frame", arguments=None)
    return render(Hint(f"{plural(count, 'reason')}, the {MAX_REASONS} most frequent (for all: ", every_row, ")"))


def _warnings(delivery: DeliveryView) -> list[str]:
    rest = len(delivery.warnings) - MAX_WARNINGS
    all_of_them = Call("delivery.warnings", arguments=None)
    more = [render(Hint(f"… {rest:,} more (for all: ", all_of_them, ")"))] if rest > 0 else []
    return [*map(render, delivery.warnings[:MAX_WARNINGS]), *more]
