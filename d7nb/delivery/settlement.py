"""Settle rows in doubt: record in the ledger what a person found out about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from d7nb.delivery.ledger_outcomes import outcomes_from_states
from d7nb.display.text import plural
from d7nb.errors import PlanError
from d7nb.hints import Call, Hint
from d7nb.store.lookup import find_row_states
from d7nb.store.schema import SETTLED
from d7nb.store.settle import OUTCOME_OF_DECISION, settle
from d7nb.tables.frames import positions

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.store.campaign import CampaignLedger


def settle_rows(
    mailing: Mailing,
    outcomes: OutcomeTable,
    campaign: AbstractContextManager[CampaignLedger],
    decision: Literal["sent", "not_sent"],
    rows: Any,
) -> str:
    """Record a person's decision about rows in doubt, in the ledger and in a delivery's outcomes.

    Args:
        mailing: The plan's rows.
        outcomes: Their outcomes; updated.
        campaign: Opens the campaign in the ledger.
        decision: Whether the rows were sent.
        rows: As for `Delivery.settle`.

    Returns:
        How many rows were settled, as a sentence.

    Raises:
        PlanError: A row is not in doubt, or the ledger has another decision about it.
        LedgerError: Some rows are being sent, or the ledger can't be used; no row is settled then.
    """
    settled = _rows_to_settle(mailing, outcomes, decision, rows)
    keys, people, now = mailing.keys[settled], mailing.people[settled].tolist(), mailing.clock()
    with campaign as campaign_ledger:
        result = settle(campaign_ledger, keys, decision, now)
        states = find_row_states(campaign_ledger, keys, people, at=now)
    has_outcome = np.flatnonzero(states.outcome.astype(bool))
    outcomes.update_from_ledger(settled[has_outcome], outcomes_from_states(states, has_outcome))
    is_settled = f"{plural(result.settled, 'row')} settled as {decision.replace('_', ' ')}"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(result.not_settled.items()))
    if conflicts := int((states.outcome != OUTCOME_OF_DECISION[decision]).sum()):
        settled_before = (
            f"{plural(conflicts, 'row')} had been settled differently before, and nothing was changed there: "
        )
        shows_which = Hint(Call("delivery.frame", arguments=None), " shows which")
        raise PlanError(Hint(settled_before, shows_which, f"; {is_settled}, and these not: {reasons}"))
    return f"{is_settled}; not settled: {reasons}" if reasons else is_settled


def _rows_to_settle(mailing: Mailing, outcomes: OutcomeTable, decision: str, rows: Any) -> np.ndarray:
    """Return the positions of the rows to settle, and check that they may be.

    Rows settled as not sent may be settled again as sent: that can only prevent a second message.
    """
    unknown = outcomes.rows_with("unknown")
    if rows is None:
        return unknown
    settled_as_unsent = np.intersect1d(outcomes.rows_with("unsent"), outcomes.rows_decided_by(SETTLED))
    allowed = np.union1d(unknown, settled_as_unsent) if decision == "sent" else unknown
    chosen = np.unique(positions(rows, mailing.frame))
    if len(others := np.setdiff1d(chosen, allowed)):
        needs_none = f"the row at position {others[0]} needs no settling, since its outcome is already known: see "
        raise PlanError(Hint(needs_none, Call("delivery.frame", arguments=None)))
    return chosen
