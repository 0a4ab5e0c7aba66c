"""A trial: a few messages of a plan to the user's own phone, outside the campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from d7nb.errors import PlanError
from d7nb.planning.build import Decision, build_plan
from d7nb.tables.frames import with_columns

_TO = "d7_test_to"


def build_trial(decision: Decision, rows: np.ndarray, to: Any) -> Decision:
    """Decide about some rows of a plan as if their messages went to one number; of those that say the same, about one.

    Contents and originators stay the same. Nothing else is the campaign's: it has another name, no reference, no report
    URL and no schedule, and only the registered filters are run.

    Args:
        decision: The plan's.
        rows: Positions of the rows.
        to: The number.

    Raises:
        PlanError: No message can go to that number.
    """
    contents = np.array(decision.request_builder.contents(rows), dtype=object)
    first_of_each = np.sort(np.unique(contents, return_index=True)[1])
    frame = decision.frame.take(rows[first_of_each])
    options = replace(
        decision.options,
        to=_TO,
        campaign=f"{decision.options.campaign} (test)",
        key=None,
        reference=None,
        report_url=None,
        schedule=None,
        filters=(),
    )
    trial = build_plan(with_columns(frame, {_TO: [to] * len(frame)}), decision.content, options, {})
    if not len(trial.ready):
        raise PlanError(_why_none_is_ready(trial))
    return trial


def _why_none_is_ready(trial: Decision) -> str:
    if not len(trial.frame):
        return "there is nothing to test: no row of this plan is ready"
    number = trial.numbers.iloc[0]
    if number["code"] == "missing":
        return "type your own number with '+' and the country code, such as +971..., to get a test message"
    if number["verdict"] in {"broken", "ambiguous"}:
        return f"the number to test with can't be used: {number['message']}"
    reason = trial.verdicts.frame(trial.frame.index, trial.numbers["recipient"])["reason"].iloc[0]
    return f"no test message may be sent to this number: {reason}"
