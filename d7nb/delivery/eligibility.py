"""Which rows of a plan may go, given what the ledger knows of them, and what a person says against that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.api.error_codes import NEVER, advice_for
from d7nb.delivery.outcomes import LedgerOutcomes
from d7nb.errors import PlanError
from d7nb.store.claims import OTHER_TEXT
from d7nb.store.lookup import find_row_states, has_earlier_request_in_doubt
from d7nb.store.message_status import find_statuses
from d7nb.store.schema import SETTLED
from d7nb.tables.arrays import group_codes, take_ordered
from d7nb.tables.frames import positions

if TYPE_CHECKING:
    from d7nb.delivery.mailing import Mailing
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.claims import Claim
    from d7nb.store.lookup import RowStates
    from d7nb.store.message_status import MessageStatuses

LEDGER = "ledger"
RESENDS = ("failed", "changed")
_DECIDER = {"accepted": LEDGER, "rejected": "D7", "unknown": "d7nb", "unsent": "d7nb"}


def says(resend: Any, word: str) -> bool:
    """Whether ``resend=`` is a word; a series would be compared element by element."""
    return isinstance(resend, str) and resend == word


class Eligibility(NamedTuple):
    """What the ledger makes of a plan.

    Attributes:
        going: Positions of the rows that would go.
        again: For every row, the number of the request that does not stand in its way although it may have sent it.
        seen: As `d7nb.store.lookup.RowStates` has it.
        kept: Positions of the rows that are ready, and do not go.
        told: What is told of those.
    """

    going: np.ndarray
    again: np.ndarray
    seen: int
    kept: np.ndarray
    told: LedgerOutcomes


def look_up(mailing: Mailing, campaign: CampaignLedger) -> tuple[np.ndarray, RowStates]:
    """What the ledger knows of a plan's ready rows.

    Returns:
        For each ready row its place among those that have a key, and what is known of all these: which text a person
        already got is a question to the whole plan.
    """
    keyed, now = mailing.keyed, mailing.clock()
    keys, people = take_ordered(mailing.keys, keyed), take_ordered(mailing.people, keyed).tolist()
    known = find_row_states(campaign, keys, people, at=now)
    every = len(keyed) == len(mailing.ready)
    return np.arange(len(keyed)) if every else np.searchsorted(keyed, mailing.ready), known


def check_eligibility(mailing: Mailing, campaign: CampaignLedger, resend: Any) -> Eligibility:
    """Say which rows of a plan may go now.

    Args:
        mailing: The plan's rows.
        campaign: The campaign in the ledger, which knows of earlier sends.
        resend: As `Plan.send` explains.
    """
    places, known = look_up(mailing, campaign)
    ready = mailing.ready
    chosen = _chosen(resend, mailing)[ready]
    again = np.zeros(len(mailing.frame), dtype=np.int64)
    if not known.last_request_seen:  # the campaign has not begun: nothing speaks against anybody
        return Eligibility(ready, again, 0, ready[:0], outcomes_known(known, places[:0]))
    if says(resend, "failed"):
        heard = find_statuses(campaign, mailing.keys[ready], known.request[places])
        chosen |= _may_arrive(heard) & ~has_earlier_request_in_doubt(campaign, mailing.keys[ready])
    outcome, sending = known.outcome[places], known.sending[places]
    sent, doubtful = outcome == "accepted", outcome == "unknown"
    changed = _other_text(mailing, known, places) & ~sent & ~doubtful & ~sending
    lifted = chosen | changed if says(resend, "changed") else chosen
    stays = ((sent | doubtful | changed) & ~lifted) | sending
    kept = np.flatnonzero(stays)
    told = outcomes_known(known, places[kept], already=True)
    _hold(told, changed[kept])
    again[ready] = np.where(chosen, known.request[places], 0)
    return Eligibility(ready[~stays], again, known.last_request_seen, ready[kept], told)


def with_sent_rows_ready(mailing: Mailing, campaign: CampaignLedger) -> Mailing:
    """The rows as they were when they went out, whatever filters and clocks say against sending them today.

    Of rows that are the same, the first is the one that went.

    Args:
        mailing: The plan's rows.
        campaign: The campaign in the ledger, which knows of earlier sends.
    """
    spared = np.setdiff1d(mailing.keyed, mailing.ready)
    if not len(spared):
        return mailing
    keyed, now = mailing.keyed, mailing.clock()
    known = find_row_states(campaign, mailing.keys[keyed], mailing.people[keyed].tolist(), at=now)
    in_turn = np.concatenate([mailing.ready, spared])
    firsts = in_turn[np.unique(group_codes(mailing.keys[in_turn]), return_index=True)[1]]
    went = keyed[np.isin(known.outcome, np.array(["accepted", "unknown"], dtype=object)) | known.sending]
    gone = np.zeros(len(mailing.frame), dtype=bool)
    gone[np.intersect1d(np.intersect1d(spared, firsts), went)] = True
    return replace(mailing, verdicts=mailing.verdicts.assign(verdict=mailing.verdicts["verdict"].mask(gone, "ready")))


def recall(mailing: Mailing, places: np.ndarray, known: RowStates) -> tuple[np.ndarray, LedgerOutcomes]:
    """What became of a plan's rows so far: positions of those that the ledger has a word on, and that word.

    Args:
        mailing: The rows.
        places: As `look_up` gives it.
        known: Likewise.
    """
    told = outcomes_known(known, places)
    other = _other_text(mailing, known, places)
    went = np.isin(told.outcome, np.array(["accepted", "unknown"], dtype=object)) | known.sending[places]
    _hold(told, other & ~went)
    has_word = np.flatnonzero(told.outcome.astype(bool))
    return mailing.ready[has_word], told.take(has_word)


def _may_arrive(heard: MessageStatuses) -> np.ndarray:
    """Which messages failed after D7 accepted them, for a reason that is not for ever."""
    failed = (heard.status == "failed").astype(bool)
    never = {reason for reason in set(heard.reason[failed]) if reason is not None and advice_for(reason) == NEVER}
    hopeful = np.array([reason not in never for reason in heard.reason.tolist()], dtype=bool)
    going: np.ndarray = failed & hopeful
    return going


def outcomes_known(
    known: RowStates, places: np.ndarray | slice = slice(None), *, already: bool = False
) -> LedgerOutcomes:
    """The ledger's word on rows, as a delivery tells it.

    Args:
        known: What it knows.
        places: Which of these rows are asked about, all of them unless given.
        already: Whether to say of what went out that it did so before, as a run does; otherwise that it was accepted.
    """
    columns = known.outcome, known.reason, known.request_id, known.created_at
    outcome, reason, request_id, created_at = (column[places].copy() for column in columns)
    sent, settled = outcome == "accepted", known.code[places] == SETTLED
    decided_by = np.array([_DECIDER.get(word) for word in outcome.tolist()], dtype=object)
    if already:
        outcome[sent] = "already_sent"
    else:
        reason[sent & ~settled] = None
        decided_by[sent] = None
    decided_by[settled] = SETTLED
    return LedgerOutcomes(outcome, reason, decided_by, request_id, created_at)


def outcomes_refused(claim: Claim) -> LedgerOutcomes:
    """Why rows were not granted at the last moment."""
    outcome, reason = (np.array(column, dtype=object) for column in (claim.outcome, claim.reason))
    decided_by = np.where(outcome == "unknown", "d7nb", LEDGER).astype(object)
    ids, times = (np.array(column, dtype=object) for column in (claim.request_id, claim.created_at))
    return LedgerOutcomes(outcome, reason, decided_by, ids, times)


def _other_text(mailing: Mailing, known: RowStates, places: np.ndarray) -> np.ndarray:
    """Who already got another text. With ``key=`` columns a corrected text is the same row, so nobody did."""
    return known.other_text[places] if mailing.by_content else np.zeros(len(places), dtype=bool)


def _hold(told: LedgerOutcomes, rows: np.ndarray) -> None:
    for column, value in zip(told, ("held", OTHER_TEXT, LEDGER, None, None), strict=True):
        column[rows] = value


def _chosen(resend: Any, mailing: Mailing) -> np.ndarray:
    """For every row, whether the user wants it to go whatever became of it.

    Raises:
        PlanError: ``resend=`` is none of the forms that it has.
    """
    chosen = np.zeros(len(mailing.frame), dtype=bool)
    if resend is True:
        return ~chosen
    if isinstance(resend, str):
        if resend not in RESENDS:
            raise PlanError(f"resend= takes 'failed', 'changed', True, or a boolean for each row, not {resend!r}")
        if resend == "changed" and not mailing.by_content:
            raise PlanError(
                "resend='changed' means nothing with key=: a corrected text is the same row; say which rows"
            )
    elif resend is not None and resend is not False:
        chosen[positions(resend, mailing.frame, "resend")] = True
    return chosen
