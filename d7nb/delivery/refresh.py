"""Follow up on a delivery: read the statuses that the ledger has, and ask D7 for reports of what is still open."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.api.client import Client
from d7nb.api.destinations import BASE_URL
from d7nb.api.error_codes import with_advice
from d7nb.api.statuses import FINAL
from d7nb.delivery.eligibility import find_ready_states
from d7nb.delivery.ledger_outcomes import outcomes_from_states
from d7nb.delivery.outcomes import STATUS_COLUMNS
from d7nb.delivery.polling import fetch_reports
from d7nb.display.text import plural
from d7nb.errors import Forbidden, PlanError, Unauthorized
from d7nb.hints import Call, Hint
from d7nb.store.incoming import take_in
from d7nb.store.message_status import find_statuses
from d7nb.store.schema import HEARD

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from d7nb.api.statuses import StatusUpdate
    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.errors import ApiError
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.lookup import RowStates
    from d7nb.store.message_status import MessageStatuses

_UPDATES_PER_COMMIT = 5_000
"""Status updates that are written in one transaction; larger ones would keep other writers waiting."""


class FollowUp(NamedTuple):
    """What the ledger knows of a mailing's messages after they were sent.

    Attributes:
        statuses: The status of each row of the frame.
        open_requests: D7's ids of the requests whose messages do not all have a final status.
        request_numbers: For each ready row, the ledger's number of the request that decides about it; 0 for none.
    """

    statuses: MessageStatuses
    open_requests: list[str]
    request_numbers: np.ndarray


class PollSummary(NamedTuple):
    """The result of asking D7 for reports.

    Attributes:
        pending: The number of requests of which D7 has no report yet.
        faults: Why other reports could not be read.
        unmatched: The number of messages reported on that belong to no row of the ledger.
    """

    pending: int
    faults: list[ApiError]
    unmatched: int

    def warnings(self) -> list[str]:
        """Return a sentence for each kind of report that is missing or could not be matched."""
        sentences: list[str] = []
        again = Call("delivery.refresh")
        if self.pending:
            no_report = f"D7 has no report on {plural(self.pending, 'request')} yet: call "
            sentences.append(Hint(no_report, again, " again later"))
        if self.faults:
            unreadable = f"{plural(len(self.faults), 'report')} could not be read: {self.faults[0].message}; "
            sentences.append(Hint(unreadable, again, " asks for them again"))
        if self.unmatched:
            not_in_ledger = f"D7 reported on {plural(self.unmatched, 'message')} not in this ledger: "
            sentences.append(Hint(not_in_ledger, Call("d7nb.Ledger().aside"), " lists them"))
        return sentences


def load_follow_up(
    mailing: Mailing,
    outcomes: OutcomeTable,
    campaign: CampaignLedger,
    *,
    update_outcomes: bool = True,
    states: RowStates | None = None,
) -> FollowUp:
    """Read from the ledger what became of a mailing's messages.

    Args:
        mailing: The plan's rows.
        outcomes: Their outcomes.
        campaign: The campaign in the ledger.
        update_outcomes: Whether to set rows to ``accepted`` that were in doubt, or sent again, and that the ledger now
            knows as accepted.
        states: What `find_ready_states` returns, where that was just called.
    """
    ready, states = mailing.ready, states or find_ready_states(mailing, campaign)
    statuses = find_statuses(campaign, mailing.keys[ready], states.request)
    if update_outcomes:
        is_new = ~outcomes.is_accepted()[ready] | (outcomes.request_ids()[ready] != states.request_id)
        changed = np.flatnonzero(is_new & (states.outcome == "accepted"))
        if len(changed):
            outcomes.update_from_ledger(ready[changed], outcomes_from_states(states, changed))
    is_final = np.isin(statuses.status.astype("str"), list(FINAL))
    if len(outcomes.rows_with("unknown")):
        is_final &= states.code != HEARD  # the request's report may also tell of its rows that are still in doubt
    request_ids = outcomes.request_ids()[ready][outcomes.is_accepted()[ready] & ~is_final]
    open_requests = [request_id for request_id in dict.fromkeys(request_ids) if request_id]
    return FollowUp(statuses.expand(ready, len(mailing.frame)), open_requests, states.request)


def reload_statuses(
    follow_up: FollowUp,
    mailing: Mailing,
    outcomes: OutcomeTable,
    campaign: CampaignLedger,
    *,
    update_outcomes: bool = True,
) -> FollowUp:
    """Read the statuses again after only reports have come in; the arguments are those of `load_follow_up`.

    Where no row is in doubt, reports can't change which request decides about a row.
    """
    if len(outcomes.rows_with("unknown")):
        return load_follow_up(mailing, outcomes, campaign, update_outcomes=update_outcomes)
    statuses = find_statuses(campaign, mailing.keys[mailing.ready], follow_up.request_numbers)
    return follow_up._replace(statuses=statuses.expand(mailing.ready, len(mailing.frame)))


def check_refresh_client(client: Client | None, destination: str) -> Client:
    """Return the client that asks D7 about messages: the one given, or a new one of the real API.

    Args:
        client: The client, if there is one.
        destination: The address that the messages were sent to.

    Raises:
        PlanError: The client is missing or none, or its address is another.
    """
    if client is None and destination != BASE_URL:
        raise PlanError(
            "these messages were not sent to the real API: give the client that sent them, such as refresh(client)"
        )
    client = Client() if client is None else client
    if not isinstance(client, Client):
        raise PlanError("client= takes d7nb.Client(), or the client() of a sandbox")
    if client.destination != destination:
        raise PlanError(f"these messages went to {destination}, but this client's address is {client.destination}")
    return client


def store_reports(
    client: Client,
    request_ids: list[str],
    campaign: CampaignLedger,
    clock: Callable[[], datetime],
    *,
    step: Callable[[int], None],
) -> PollSummary:
    """Ask D7 for the reports of requests, and write them to the ledger as they come.

    Args:
        client: Asks.
        request_ids: D7's ids of the requests.
        campaign: The requests' campaign in the ledger.
        clock: Returns the current time.
        step: Called with the number of requests that are done.

    Raises:
        ApiError: The token was refused, or no report at all could be read; reports read before are in the ledger.
    """
    unwritten: list[StatusUpdate] = []
    faults: list[ApiError] = []
    done = pending = unmatched = 0

    def write() -> int:
        """Write what has come, and return the number of updates that belong to no row."""
        updates, unwritten[:] = unwritten[:], []
        if not updates:
            return 0
        return len(updates) - take_in(campaign.database, campaign.destination, updates=updates, at=clock())

    try:
        with closing(fetch_reports(client, request_ids)) as batches:
            for results in batches:
                for result in results:
                    unwritten += result.updates
                    pending += result.pending
                    faults += [result.fault] if result.fault else []
                done += len(results)
                step(done)
                unmatched += write() if len(unwritten) >= _UPDATES_PER_COMMIT else 0
    finally:
        unmatched += write()
    refused = [fault for fault in faults if isinstance(fault, Unauthorized | Forbidden)]
    if refused or (faults and len(faults) == done):
        raise (refused or faults)[0]
    return PollSummary(pending, faults, unmatched)


def status_columns(statuses: MessageStatuses) -> dict[str, Any]:
    """Return the status of each row as columns that are joined to the user's frame."""
    texts = (pd.array(column, dtype="str") for column in (statuses.msg_id, statuses.status, statuses.reason))
    reached = pd.Series(statuses.reached).dt.tz_localize("UTC").array
    return dict(zip(STATUS_COLUMNS, (*texts, reached), strict=True))


def add_failure_reasons(columns: dict[str, Any], accepted: np.ndarray) -> None:
    """Add a reason to rows that D7 accepted and that failed later.

    Args:
        columns: A delivery's columns by name; changed in place.
        accepted: For each row, whether D7 accepted it.
    """
    failed = _failed_rows(columns, accepted)
    if len(failed):
        status_reasons = pd.Series(columns["d7_status_reason"].take(failed))
        earlier = pd.Series(columns["d7_reason"].take(failed))
        reasons = status_reasons.map({reason: _failure_sentence(reason) for reason in status_reasons.unique()})
        reasons = reasons.where(earlier.isna(), earlier + "; " + reasons)
        for name, values in (("d7_reason", reasons), ("d7_decided_by", "D7")):
            columns[name] = columns[name].copy()
            columns[name][failed] = values


def failure_counts(columns: dict[str, Any], accepted: np.ndarray) -> list[tuple[str, str, str, int]]:
    """Return the outcome, decider and reason of rows that failed later with their number, the most frequent first."""
    failed = _failed_rows(columns, accepted)
    rows = pd.DataFrame({name: columns[f"d7_{name}"].take(failed) for name in ("outcome", "decided_by", "reason")})
    counts = rows.astype("str").value_counts().reset_index()
    return list(zip(*(counts[name].tolist() for name in counts), strict=True))


def _failed_rows(columns: dict[str, Any], accepted: np.ndarray) -> np.ndarray:
    return np.flatnonzero(accepted & (columns["d7_status"] == "failed"))


def _failure_sentence(reason: Any) -> str:
    sentence = "failed after D7 accepted it"
    return with_advice(f"{sentence}: {reason}") if isinstance(reason, str) else sentence
