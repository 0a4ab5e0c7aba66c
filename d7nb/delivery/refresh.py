"""Following up on a mailing: what the ledger has heard of its rows by now, and what D7 says when it is asked."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.api.error_codes import with_advice
from d7nb.api.statuses import FINAL
from d7nb.delivery.eligibility import look_up, outcomes_known
from d7nb.delivery.polling import ask
from d7nb.errors import Forbidden, Unauthorized
from d7nb.store.incoming import take_in
from d7nb.store.message_status import find_statuses
from d7nb.store.schema import HEARD

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from d7nb.api.client import Client
    from d7nb.api.statuses import StatusUpdate
    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.errors import ApiError
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.lookup import RowStates
    from d7nb.store.message_status import MessageStatuses

_AT_ONCE = 5_000
"""So many statuses are written in one transaction: others want to write, too."""


class FollowUp(NamedTuple):
    """What is known of a mailing's rows after they were sent.

    Attributes:
        heard: What was heard of each row of the frame.
        open: D7's ids of the requests of which more is to be expected.
        numbers: The request that decides about each ready row, as the ledger counts them.
    """

    heard: MessageStatuses
    open: list[str]
    numbers: np.ndarray


class PollSummary(NamedTuple):
    """What came of asking.

    Attributes:
        asked: How many requests were asked about.
        pending: How many of them D7 has no report of yet.
        faults: Why some gave none.
        strays: How many messages were reported on that are no row's.
    """

    asked: int
    pending: int
    faults: list[ApiError]
    strays: int


def load_follow_up(
    mailing: Mailing,
    outcomes: OutcomeTable,
    campaign: CampaignLedger,
    *,
    settle: bool = True,
    found: tuple[np.ndarray, RowStates] | None = None,
) -> FollowUp:
    """Say what the ledger knows by now.

    Rows in doubt that D7 has reported on become accepted; of rows that were sent again, the last message is told.

    Args:
        mailing: The rows.
        outcomes: Their books.
        campaign: The campaign in the ledger.
        settle: Whether to look for such rows.
        found: What `look_up` just gave; it is asked unless given.
    """
    ready, count = mailing.ready, len(mailing.frame)
    places, known = found or look_up(mailing, campaign)
    numbers, codes = known.request[places], known.code[places]
    heard = find_statuses(campaign, mailing.keys[ready], numbers)
    another = ~outcomes.went()[ready] | (outcomes.request_ids()[ready] != known.request_id[places])
    told = another & (known.outcome[places] == "accepted")  # what was in doubt, or what was sent again since
    if settle and told.any():
        outcomes.recall(ready[told], outcomes_known(known, places[told]))
    went, ids = outcomes.went()[ready], outcomes.request_ids()[ready]
    final = np.isin(heard.status.astype("str"), list(FINAL))
    if len(outcomes.rows_with("unknown")):
        final &= codes != HEARD  # its report may tell of its neighbours, which are in doubt
    open_ones = list(dict.fromkeys(each for each in ids[went & ~final] if each))
    return FollowUp(heard.expand(ready, count), open_ones, numbers)


def reload_statuses(
    past: FollowUp, mailing: Mailing, outcomes: OutcomeTable, campaign: CampaignLedger, *, settle: bool = True
) -> FollowUp:
    """The same again, when only reports have come since: where nothing is in doubt, no row has another request now."""
    if len(outcomes.rows_with("unknown")):
        return load_follow_up(mailing, outcomes, campaign, settle=settle)
    ready = mailing.ready
    heard = find_statuses(campaign, mailing.keys[ready], past.numbers)
    return past._replace(heard=heard.expand(ready, len(mailing.frame)))


def take_reports(
    client: Client,
    request_ids: list[str],
    campaign: CampaignLedger,
    clock: Callable[[], datetime],
    *,
    step: Callable[[int], None],
) -> PollSummary:
    """Ask D7 about requests, and write down what it says as it comes.

    Args:
        client: Asks.
        request_ids: Of which requests.
        campaign: Whose they are, in the ledger where it is written.
        clock: Tells the time.
        step: Is told how many are through.

    Raises:
        ApiError: The token was refused, or nothing at all could be had; what was heard before is written down.
    """
    waiting: list[StatusUpdate] = []
    faults: list[ApiError] = []
    through = pending = strays = 0

    def write() -> int:
        gone, waiting[:] = waiting[:], []
        if not gone:
            return 0
        return len(gone) - take_in(campaign.database, campaign.destination, updates=gone, at=clock())

    try:
        with closing(ask(client, request_ids)) as landing:
            for landed in landing:
                for asked in landed:
                    waiting += asked.updates
                    pending += asked.pending
                    faults += [asked.fault] if asked.fault else []
                through += len(landed)
                step(through)
                strays += write() if len(waiting) >= _AT_ONCE else 0
    finally:
        strays += write()
    refused = [fault for fault in faults if isinstance(fault, Unauthorized | Forbidden)]
    if refused or (faults and len(faults) == through):
        raise (refused or faults)[0]
    return PollSummary(through, pending, faults, strays)


def status_columns(heard: MessageStatuses) -> dict[str, Any]:
    """What was heard of each row, as columns that are joined to the user's frame."""
    return {
        "d7_msg_id": pd.array(heard.msg_id, dtype="str"),
        "d7_status": pd.array(heard.status, dtype="str"),
        "d7_status_reason": pd.array(heard.reason, dtype="str"),
        "d7_status_at": pd.Series(heard.reached).dt.tz_localize("UTC").array,
    }


def tell_failures(columns: dict[str, Any], went: np.ndarray) -> None:
    """Give a reason to rows that D7 accepted, and that failed later.

    Args:
        columns: A delivery's, by name; changed here.
        went: Which rows D7 accepted.
    """
    failed = _failed(columns, went)
    if len(failed):
        reasons = pd.Series(columns["d7_status_reason"].take(failed))
        before = pd.Series(columns["d7_reason"].take(failed))
        told = reasons.map({reason: _failure(reason) for reason in reasons.unique()})
        for name, values in (("d7_reason", told.where(before.isna(), before + "; " + told)), ("d7_decided_by", "D7")):
            columns[name] = columns[name].copy()
            columns[name][failed] = values


def failures(columns: dict[str, Any], went: np.ndarray) -> list[tuple[str, str, str, int]]:
    """Why rows failed later: outcome, who says so, reason, and how many rows; the most frequent first."""
    failed = _failed(columns, went)
    told = pd.DataFrame({name: columns[f"d7_{name}"].take(failed) for name in ("outcome", "decided_by", "reason")})
    counts = told.astype("str").value_counts().reset_index()
    return list(zip(*(counts[name].tolist() for name in counts), strict=True))


def _failed(columns: dict[str, Any], went: np.ndarray) -> np.ndarray:
    return np.flatnonzero(went & (columns["d7_status"] == "failed"))


def _failure(reason: Any) -> str:
    told = "failed after D7 accepted it"
    return with_advice(f"{told}: {reason}") if isinstance(reason, str) else told
