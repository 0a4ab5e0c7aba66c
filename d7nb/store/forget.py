"""The deletion of what was recorded of a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, tuple_

from d7nb.errors import LedgerError
from d7nb.hints import Call, Hint, Option
from d7nb.store.schema import decided, deciding, last, requests, rows, statuses, to_number

if TYPE_CHECKING:
    from datetime import datetime

    from d7nb.store.database import Database


def forget(database: Database, campaign: str, before: datetime, destination: str | None, *, force: bool) -> int:
    """Delete what was recorded of a campaign before a time; see `Ledger.forget`."""
    is_old = func.coalesce(deciding.c.recorded_at, deciding.c.claimed_at) < to_number(before)
    of_rows = [last.c.campaign == campaign, is_old]
    of_unused_requests = [
        requests.c.campaign == campaign,
        func.coalesce(requests.c.recorded_at, requests.c.claimed_at) < to_number(before),
        requests.c.outcome.is_not(None) | force,
        requests.c.id.not_in(select(rows.c.request)),
        requests.c.id.not_in(select(rows.c.sent).where(rows.c.sent.is_not(None))),
    ]
    if destination is not None:
        destination_id = database.destination_id(destination)
        of_rows.append(rows.c.destination == destination_id)
        of_unused_requests.append(requests.c.destination == destination_id)
    in_doubt = deciding.c.outcome.is_(None) | (deciding.c.outcome == "unknown")
    with database.writing() as connection:
        count = connection.execute(select(func.count()).select_from(decided).where(*of_rows, in_doubt)).scalar_one()
        if count and not force:
            raise LedgerError(_refusal(count))
        old_rows = select(rows.c.destination, rows.c.key).select_from(decided).where(*of_rows).correlate(None)
        of_campaign = select(requests.c.id).where(requests.c.campaign == campaign)
        its_destination = select(requests.c.destination).where(requests.c.id == statuses.c.request).scalar_subquery()
        of_old_rows = tuple_(its_destination, statuses.c.key).in_(old_rows)  # the same key may be used elsewhere, too
        connection.execute(delete(statuses).where(statuses.c.request.in_(of_campaign), of_old_rows))
        deleted = connection.execute(delete(rows).where(tuple_(rows.c.destination, rows.c.key).in_(old_rows))).rowcount
        unused_requests = select(requests.c.id).where(*of_unused_requests)
        connection.execute(delete(statuses).where(statuses.c.request.in_(unused_requests)))
        connection.execute(delete(requests).where(*of_unused_requests))
    return deleted


def _refusal(count: int) -> Hint:
    rows_of, are, them = ("1 row", "is", "it") if count == 1 else (f"{count:,} rows", "are", "them")
    return Hint(
        f"{rows_of} of this campaign may have been sent, or {are} being sent: first record what happened (",
        Call("delivery.settle", arguments=None),
        "), or give ",
        Option("force", True),
        f" to delete {them} anyway",
    )
