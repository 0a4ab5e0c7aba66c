"""The settling of rows in doubt by a person who found out what became of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import bindparam, update

from d7nb.errors import LedgerError
from d7nb.store.request_state import find_rows, lock_requests, split_off
from d7nb.store.schema import SETTLED, requests, rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np
    from sqlalchemy import Connection

    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.request_state import StoredRow

OUTCOME_OF_DECISION = {"sent": "accepted", "not_sent": "unsent"}
"""The outcome of rows that a person settled."""
_REASONS = {"sent": "you said that it was sent", "not_sent": "you said that it was not sent"}
_NOT_CLAIMED = "never tried"
_WHY_NOT = {"accepted": "accepted by D7 already", "rejected": "refused by D7", "unsent": "not sent, and free to go"}
_MOVE = (
    update(rows)
    .where(rows.c.campaign == bindparam("campaign_id"), rows.c.key == bindparam("row"))
    .values(request=bindparam("new_request"), sent=bindparam("new_sent"))
)


class Settled(NamedTuple):
    """What became of the rows that a person wanted to settle.

    Attributes:
        settled: How many were settled.
        not_settled: How many were not, by the reason.
    """

    settled: int
    not_settled: dict[str, int]


def settle(campaign: CampaignLedger, keys: np.ndarray, decision: Literal["sent", "not_sent"], at: datetime) -> Settled:
    """Settle rows of which it is unknown whether they went out, as a person says.

    Args:
        campaign: The campaign whose rows these are.
        keys: Each row's key; those with another outcome are passed over, but for those of which a person said
            that they were not sent: that can be taken back.
        decision: ``sent``: they count as sent; ``not_sent``: they are free.
        at: Now.

    Returns:
        How many rows were settled, and why the others were not.

    Raises:
        LedgerError: Some are just being sent; none was settled.
    """
    if decision not in OUTCOME_OF_DECISION:
        raise ValueError(f"decision is 'sent' or 'not_sent', not {decision!r}")
    campaign_id, database = campaign.id, campaign.database
    if campaign_id is None:
        return Settled(0, {_NOT_CLAIMED: len(keys)} if len(keys) else {})
    outcome, reason = OUTCOME_OF_DECISION[decision], _REASONS[decision]
    with database.writing() as connection:
        now = database.now(connection, at)
        changes = {"outcome": outcome, "code": SETTLED, "reason": reason, "recorded_at": now}
        stored_rows = find_rows(connection, campaign_id, campaign.row_keys(keys), now)
        _check_not_sending(connection, stored_rows)
        doubtful, others = [], Counter[str]()
        for row in stored_rows:
            if row.request.outcome == "unknown" or (outcome == "accepted" and row.request.settled_as_not_sent):
                doubtful.append(row)
            else:
                others[_WHY_NOT[row.request.outcome or ""]] += 1
        _move(connection, campaign_id, doubtful, changes)
    if missing := len(set(campaign.row_keys(keys))) - len(stored_rows):
        others[_NOT_CLAIMED] = missing
    return Settled(len(doubtful), dict(others))


def _check_not_sending(connection: Connection, stored_rows: Sequence[StoredRow]) -> None:
    """Check that nobody is sending rows, or recording what became of them, and keep it so.

    Raises:
        LedgerError: Somebody is.
    """
    of_unknown = {row.request.id for row in stored_rows if row.request.outcome == "unknown"}
    being_recorded = of_unknown - lock_requests(connection, list(of_unknown), requests.c.outcome == "unknown")
    sending = sum(row.request.outcome is None or row.request.id in being_recorded for row in stored_rows)
    if sending:
        rows_are = "1 row is" if sending == 1 else f"{sending:,} rows are"
        raise LedgerError(f"{rows_are} being sent right now: settle again when that send has ended")


def _move(connection: Connection, campaign_id: int, stored_rows: Sequence[StoredRow], changes: dict[str, Any]) -> None:
    """Move rows to copies of their requests that have another outcome."""
    numbers = {row.request.id for row in stored_rows}
    settled = {number: split_off(connection, number, changes) for number in sorted(numbers)}
    moves = [
        {
            "campaign_id": campaign_id,
            "row": row.key,
            "new_request": settled[row.request.id],
            "new_sent": row.earlier_request,
        }
        for row in stored_rows
    ]
    if moves:
        connection.execute(_MOVE, moves)
