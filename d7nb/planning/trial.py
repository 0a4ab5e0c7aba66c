"""A few rows of a plan sent to one's own phone: the same messages, outside the campaign."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from d7nb.errors import PlanError
from d7nb.planning.build import Decision, decide
from d7nb.tables.frames import with_columns

if TYPE_CHECKING:
    import numpy as np

OWN = "d7_test_to"


def rehearsed(decision: Decision, rows: np.ndarray, to: Any) -> Decision:
    """The decision about some rows of another, were their messages to go to one number.

    What they say is the same, and so is whom they come from. Nothing of them is the campaign's: they have another name,
    no reference, no report address and no schedule, and only the registered filters are asked.

    Args:
        decision: The plan's.
        rows: Positions of the rows.
        to: The number.

    Raises:
        PlanError: No message can go to that number.
    """
    frame = with_columns(decision.frame.take(rows), {OWN: [to] * len(rows)})
    terms = replace(
        decision.terms,
        to=OWN,
        campaign=f"{decision.terms.campaign} (test)",
        key=None,
        reference=None,
        report_url=None,
        schedule=None,
        filters=(),
    )
    made = decide(frame, decision.content, terms, {})
    if not len(made.verdicts.ready):
        reasons = made.verdicts.frame(frame.index, made.numbers["recipient"])["reason"].dropna()
        why = reasons.iloc[0] if len(reasons) else "no row of this plan is ready"
        raise PlanError(f"no test message can go: {why}")
    return made
