"""The settling of rows in doubt by a person who found out what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import bindparam, update

from d7nb.errors import LedgerError
from d7nb.store.keys import key_bytes
from d7nb.store.request_state import find_rows, split_off
from d7nb.store.schema import SETTLED, rows, to_number

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np

    from d7nb.store.campaign import CampaignLedger

OUTCOME_OF_DECISION = {"sent": "accepted", "not_sent": "unsent"}
"""The outcome of rows that a person settled."""
_REASONS = {"sent": "you said that it was sent", "not_sent": "you said that it was not sent"}
_MOVE = (
    update(rows)
    .where(rows.c.destination == bindparam("destination_id"), rows.c.key == bindparam("row"))
    .values(request=bindparam("new_request"), sent=bindparam("new_sent"))
)


def settle(campaign: CampaignLedger, keys: np.ndarray, decision: Literal["sent", "not_sent"], at: datetime) -> int:
    """Settle rows of which it is unknown whether they went out, as a person says.

    Args:
        campaign: The campaign whose rows these are.
        keys: Each row's key; those with another outcome are passed over, but for those of which a person said
            that they were not sent: that can be taken back.
        decision: ``sent``: they count as sent; ``not_sent``: they are free.
        at: Now.

    Returns:
        How many rows were settled.

    Raises:
        LedgerError: Some are just being sent; none was settled.
    """
    if decision not in OUTCOME_OF_DECISION:
        raise ValueError(f"decision is 'sent' or 'not_sent', not {decision!r}")
    destination_id = campaign.destination_id
    if destination_id is None:
        return 0
    outcome, reason = OUTCOME_OF_DECISION[decision], _REASONS[decision]
    changes = {"outcome": outcome, "code": SETTLED, "reason": reason, "recorded_at": to_number(at)}
    with campaign.database.writing() as connection:
        stored_rows = list(find_rows(connection, destination_id, key_bytes(keys), at))
        sending = sum(row.request.outcome is None for row in stored_rows)
        if sending:
            rows_are = "1 row is" if sending == 1 else f"{sending:,} rows are"
            raise LedgerError(f"{rows_are} being sent right now: settle again when that send has ended")
        doubtful = [
            row
            for row in stored_rows
            if row.request.outcome == "unknown" or (outcome == "accepted" and row.request.settled_as_not_sent)
        ]
        numbers = {row.request.id for row in doubtful}
        settled = {number: split_off(connection, number, changes) for number in sorted(numbers)}
        moves = [
            {
                "destination_id": destination_id,
                "row": row.key,
                "new_request": settled[row.request.id],
                "new_sent": row.earlier_request,
            }
            for row in doubtful
        ]
        if moves:
            connection.execute(_MOVE, moves)
    return len(doubtful)
