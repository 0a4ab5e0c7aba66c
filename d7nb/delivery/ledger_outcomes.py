"""Turn what the ledger knows of rows into the outcomes that a delivery shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from d7nb.delivery.outcomes import LedgerOutcomes
from d7nb.store.claims import OTHER_TEXT
from d7nb.store.schema import SETTLED

if TYPE_CHECKING:
    from d7nb.delivery.mailing import Mailing
    from d7nb.store.claims import Claim
    from d7nb.store.lookup import RowStates

LEDGER = "ledger"
_DECIDERS = {"accepted": LEDGER, "rejected": "D7", "unknown": "d7nb", "unsent": "d7nb"}


def outcomes_of_ready_rows(mailing: Mailing, states: RowStates) -> tuple[np.ndarray, LedgerOutcomes]:
    """Return the positions of the ready rows that have an outcome in the ledger, and these outcomes.

    Args:
        mailing: The plan's rows.
        states: What `find_ready_states` returned.
    """
    outcomes = outcomes_from_states(states)
    hold_for_other_text(outcomes, states.other_text & ~may_be_sent(outcomes.outcome) & ~states.sending)
    indices = np.flatnonzero(outcomes.outcome.astype(bool))
    return mailing.ready[indices], outcomes.take(indices)


def outcomes_from_states(
    states: RowStates, indices: np.ndarray | slice = slice(None), *, by_earlier_run: bool = False
) -> LedgerOutcomes:
    """Return what the ledger knows of rows, in the form in which a delivery shows it.

    Args:
        states: The rows' states in the ledger.
        indices: Which of these rows; all of them unless given.
        by_earlier_run: Whether sent rows are ``already_sent``, as seen from a new run; otherwise ``accepted``.
    """
    columns = states.outcome, states.reason, states.request_id, states.created_at
    outcome, reason, request_id, created_at = (column[indices].copy() for column in columns)
    is_sent, is_settled = outcome == "accepted", states.code[indices] == SETTLED
    decided_by = np.array([_DECIDERS.get(value) for value in outcome.tolist()], dtype=object)
    if by_earlier_run:
        outcome[is_sent] = "already_sent"
    else:
        reason[is_sent & ~is_settled] = None
        decided_by[is_sent] = None
    decided_by[is_settled] = SETTLED
    return LedgerOutcomes(outcome, reason, decided_by, request_id, created_at)


def outcomes_from_claim(claim: Claim) -> LedgerOutcomes:
    """Return the outcome of each row that a claim did not grant; rows that it granted have none."""
    outcome, reason = (np.array(column, dtype=object) for column in (claim.outcome, claim.reason))
    decided_by = np.where(outcome == "unknown", "d7nb", LEDGER).astype(object)
    request_id, created_at = (np.array(column, dtype=object) for column in (claim.request_id, claim.created_at))
    return LedgerOutcomes(outcome, reason, decided_by, request_id, created_at)


def may_be_sent(outcome: np.ndarray) -> np.ndarray:
    """Return for each outcome whether the row was sent, or may have been."""
    is_possible: np.ndarray = (outcome == "accepted") | (outcome == "unknown")
    return is_possible


def hold_for_other_text(outcomes: LedgerOutcomes, mask: np.ndarray) -> None:
    """Set rows to ``held``, since their person got another text."""
    for column, value in zip(outcomes, ("held", OTHER_TEXT, LEDGER, None, None), strict=True):
        column[mask] = value
