"""People whom another tool wrote to: they are written down as rows that D7 accepted."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from d7nb.privacy import mask_number
from d7nb.store.other_texts import ADOPT_RECIPE
from d7nb.store.processes import this_process
from d7nb.store.request_state import insert_request
from d7nb.store.schema import IMPORTED, INSERT, rows, runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy as np

    from d7nb.store.campaign import CampaignLedger

_PROCESS = ("id", "host", "machine", "pid", "process", "ended", "recipe")
_REASON = "another tool sent it, by the list that you imported"


def record_sent_elsewhere(
    campaign: CampaignLedger,
    keys: np.ndarray | None,
    people: Sequence[str],
    numbers: Sequence[str],
    *,
    at: datetime,
) -> int:
    """Write down that people got a message of a campaign; rows that the ledger has stay as they are.

    Args:
        campaign: The campaign; with keys, its rows are told apart by its recipe from now on, if that was not known.
        keys: Each row's key, ``uint8`` of shape (rows, 16); None where only the people are known.
        people: Each row's recipient, one form for all national variants.
        numbers: Each row's number; only a masked form is stored.
        at: When they got it.

    Returns:
        How many rows are new.

    Raises:
        LedgerError: Nothing was written.
    """
    if not len(people):
        return 0
    database, campaign_id, run = campaign.database, campaign.make_id(), secrets.token_hex(8)
    hashes = database.hash_recipients(people)
    # Whom another tool wrote to has a row of their own, which no plan has: so they got another text.
    row_keys = database.hash_keys(map(_key_of_person, hashes)) if keys is None else campaign.row_keys(keys)
    with database.writing() as connection:
        database.begin_run(connection)
        recipe = None if keys is None else campaign.recipe
        connection.execute(insert(runs), dict(zip(_PROCESS, (run, *this_process(), True, recipe), strict=True)))
        moment = database.now(connection, at)
        values = {"run": run, "campaign": campaign_id, "claimed_at": moment, "lifetime": 0, "recorded_at": moment}
        answer = {"outcome": "accepted", "code": IMPORTED if keys is None else "", "reason": _REASON}
        request = insert_request(connection, values | answer)
        new_rows = sorted(
            (key, person, mask_number(number)) for key, person, number in zip(row_keys, hashes, numbers, strict=True)
        )
        shared = {"campaign": campaign_id, "request": request, "sent": None}
        adding = INSERT[database.dialect](rows).on_conflict_do_nothing()
        connection.execute(
            adding, [shared | dict(zip(("key", "person", "recipient"), row, strict=True)) for row in new_rows]
        )
        added = connection.execute(select(func.count()).where(rows.c.request == request)).scalar_one()
        if keys is not None:
            connection.execute(ADOPT_RECIPE, {"campaign_id": campaign_id, "new_recipe": campaign.recipe})
    database.note_run(run)
    database.note_request(request)
    return int(added)


def _key_of_person(person: bytes | None) -> bytes:
    return b"imported" + (person or b"")
