"""A person's word on rows in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import bindparam, update

from d7nb.errors import LedgerError
from d7nb.store.keys import key_bytes
from d7nb.store.request_state import held, split_off
from d7nb.store.schema import SETTLED, rows, to_number

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np

    from d7nb.store.campaign import CampaignLedger

_SETTLED = {"sent": ("accepted", "you said that it was sent"), "not_sent": ("unsent", "you said that it was not sent")}
_MOVE = (
    update(rows)
    .where(rows.c.destination == bindparam("destination_id"), rows.c.key == bindparam("row"))
    .values(request=bindparam("new_request"), sent=bindparam("new_sent"))
)


def settle(campaign: CampaignLedger, keys: np.ndarray, word: Literal["sent", "not_sent"], at: datetime) -> int:
    """Write down a person's word on rows of which it is unknown whether they went out.

    Args:
        campaign: The campaign whose rows these are.
        keys: Each row's key; those with another outcome are passed over, but for those of which a person said
            that they were not sent: that can be taken back.
        word: ``sent``: they count as sent; ``not_sent``: they are free.
        at: Now.

    Returns:
        How many rows were settled.

    Raises:
        LedgerError: Some are just being sent; none was settled.
    """
    if word not in _SETTLED:
        raise ValueError(f"word is 'sent' or 'not_sent', not {word!r}")
    destination_id = campaign.destination_id
    if destination_id is None:
        return 0
    outcome, reason = _SETTLED[word]
    said = {"outcome": outcome, "code": SETTLED, "reason": reason, "recorded_at": to_number(at)}
    with campaign.database.writing() as connection:
        found = list(held(connection, destination_id, key_bytes(keys), at))
        going = sum(known.request.outcome is None for known in found)
        if going:
            message = f"{going} of the rows are just being sent: settle them when that has ended"
            raise LedgerError(message)
        doubtful = [
            known
            for known in found
            if known.request.outcome == "unknown" or (outcome == "accepted" and known.request.taken_back)
        ]
        numbers = {known.request.id for known in doubtful}
        split = {number: split_off(connection, number, said) for number in sorted(numbers)}
        moves = [
            {
                "destination_id": destination_id,
                "row": known.key,
                "new_request": split[known.request.id],
                "new_sent": known.earlier,
            }
            for known in doubtful
        ]
        if moves:
            connection.execute(_MOVE, moves)
    return len(doubtful)
