"""Decide which rows of a plan may be sent, by what the ledger knows of earlier sends and what ``resend=`` allows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.api.error_codes import NEVER, advice_for
from d7nb.delivery.ledger_outcomes import (
    hold_for_other_text,
    may_be_sent,
    outcomes_from_states,
)
from d7nb.errors import PlanError
from d7nb.hints import Hint, Option
from d7nb.store.lookup import find_row_states, has_earlier_request_in_doubt
from d7nb.store.message_status import find_statuses
from d7nb.store.recipes import BY_CONTENT
from d7nb.tables.arrays import group_codes, take_ordered
from d7nb.tables.frames import positions

if TYPE_CHECKING:
    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.outcomes import LedgerOutcomes
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.lookup import RowStates

RESENDS = ("failed", "changed")


def resend_is(resend: Any, option: str) -> bool:
    """Return whether ``resend=`` is one of its options by name; a series would be compared value by value."""
    return isinstance(resend, str) and resend == option


class Eligibility(NamedTuple):
    """Which ready rows of a plan may be sent, and what became of the others.

    Attributes:
        to_send: Positions of the rows to send.
        override_of: For every row, the number of the earlier request that ``resend=`` allows to repeat; 0 for none.
        other_requests: For every row, what `RowStates.other_request` says of other texts to its person.
        last_request_seen: The number of the campaign's last request that this decision is based on.
        adopts_recipe: Whether the plan's way to tell rows apart is the campaign's from now on, if that was not known.
        excluded: Positions of the ready rows that are not sent.
        excluded_outcomes: Their outcomes.
    """

    to_send: np.ndarray
    override_of: np.ndarray
    other_requests: np.ndarray
    last_request_seen: int
    adopts_recipe: bool
    excluded: np.ndarray
    excluded_outcomes: LedgerOutcomes


def find_ready_states(mailing: Mailing, campaign: CampaignLedger) -> RowStates:
    """Look up what the ledger knows of a plan's ready rows, in their order.

    All rows that have a key are looked up together, since a person who got another row of the same plan did not get
    another text.
    """
    states = _find_keyed_states(mailing, campaign)
    if len(mailing.keyed) == len(mailing.ready):
        return states
    indices = np.searchsorted(mailing.keyed, mailing.ready)
    columns = {name: column for name, column in vars(states).items() if isinstance(column, np.ndarray)}
    of_ready: dict[str, Any] = {name: column[indices] for name, column in columns.items()}
    return replace(states, **of_ready)


def _find_keyed_states(mailing: Mailing, campaign: CampaignLedger) -> RowStates:
    keys, people = take_ordered(mailing.keys, mailing.keyed), take_ordered(mailing.people, mailing.keyed)
    return find_row_states(campaign, keys, people.tolist(), at=mailing.clock())


def check_eligibility(mailing: Mailing, campaign: CampaignLedger, resend: Any) -> Eligibility:
    """Decide which rows of a plan may be sent now.

    Args:
        mailing: The plan's rows.
        campaign: The campaign in the ledger.
        resend: The argument of `Plan.send`.

    Raises:
        PlanError: ``resend`` makes no sense.
        LedgerError: The ledger can't be used.
    """
    ready, states = mailing.ready, find_ready_states(mailing, campaign)
    requested = _requested_rows(resend, mailing, states)[ready]
    override_of, other_requests = (np.zeros(len(mailing.frame), dtype=np.int64) for _ in range(2))
    if not states.last_request_seen:  # nothing was sent in this campaign yet
        nothing = outcomes_from_states(states, slice(0))
        return Eligibility(ready, override_of, other_requests, 0, False, ready[:0], nothing)
    if resend_is(resend, "failed"):
        requested |= _may_arrive_next_time(mailing, campaign, states)
    maybe_sent = may_be_sent(states.outcome)
    changed = states.other_text & ~maybe_sent & ~states.sending
    allowed = requested | changed if resend_is(resend, "changed") else requested
    is_excluded = ((maybe_sent | changed) & ~allowed) | states.sending
    excluded = np.flatnonzero(is_excluded)
    excluded_outcomes = outcomes_from_states(states, excluded, by_earlier_run=True)
    hold_for_other_text(excluded_outcomes, changed[excluded])
    override_of[ready] = np.where(requested, states.request, 0)
    other_requests[ready] = states.other_request
    return Eligibility(
        ready[~is_excluded],
        override_of,
        other_requests,
        states.last_request_seen,
        states.recipe == mailing.recipe or resend_is(resend, "changed"),
        ready[excluded],
        excluded_outcomes,
    )


def with_sent_rows_ready(mailing: Mailing, campaign: CampaignLedger) -> Mailing:
    """Return a mailing in which skipped rows that were sent before count as ready, as they were when they were sent.

    Of several rows with the same key, the first one was sent.

    Args:
        mailing: The plan's rows.
        campaign: The campaign in the ledger.
    """
    skipped = np.setdiff1d(mailing.keyed, mailing.ready)
    if not len(skipped):
        return mailing
    states = _find_keyed_states(mailing, campaign)
    sent = mailing.keyed[may_be_sent(states.outcome) | states.sending]
    by_precedence = np.concatenate([mailing.ready, skipped])
    first_of_key = by_precedence[np.unique(group_codes(mailing.keys[by_precedence]), return_index=True)[1]]
    becomes_ready = np.zeros(len(mailing.frame), dtype=bool)
    becomes_ready[np.intersect1d(np.intersect1d(skipped, first_of_key), sent)] = True
    verdicts = mailing.verdicts.assign(verdict=mailing.verdicts["verdict"].mask(becomes_ready, "ready"))
    return replace(mailing, verdicts=verdicts)


def _may_arrive_next_time(mailing: Mailing, campaign: CampaignLedger, states: RowStates) -> np.ndarray:
    """Return which ready rows failed after D7 accepted them, for a reason that may pass, with no message in doubt."""
    keys = mailing.keys[mailing.ready]
    statuses = find_statuses(campaign, keys, states.request)
    failed = (statuses.status == "failed").astype(bool)
    reasons = {reason for reason in set(statuses.reason[failed]) if reason is not None}
    permanent = {reason for reason in reasons if advice_for(reason) == NEVER}
    may_pass = np.array([reason not in permanent for reason in statuses.reason.tolist()], dtype=bool)
    may_arrive: np.ndarray = failed & may_pass & ~has_earlier_request_in_doubt(campaign, keys)
    return may_arrive


def _requested_rows(resend: Any, mailing: Mailing, states: RowStates) -> np.ndarray:
    """Return for every row whether the user asks by row to send it, whatever became of it.

    Raises:
        PlanError: ``resend=`` has none of its forms.
    """
    requested = np.zeros(len(mailing.frame), dtype=bool)
    if resend is True:
        return ~requested
    if isinstance(resend, str):
        if resend not in RESENDS:
            raise PlanError(f"resend= takes 'failed', 'changed', True, or a boolean for each row, not {resend!r}")
        if resend == "changed" and mailing.recipe not in {BY_CONTENT, None} and states.recipe == mailing.recipe:
            same_row = ", since a row with a changed text is the same row: give a boolean for each row to send again"
            raise PlanError(Hint(Option("resend", "changed"), " does nothing with ", Option("key"), same_row))
    elif resend is not None and resend is not False:
        requested[positions(resend, mailing.frame, "resend")] = True
    return requested
