"""Deletion of what was recorded of a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, tuple_

from d7nb.errors import LedgerError
from d7nb.store.schema import decided, deciding, last, requests, rows, statuses, to_number

if TYPE_CHECKING:
    from datetime import datetime

    from d7nb.store.database import Database


def forget(database: Database, campaign: str, before: datetime, destination: str | None, *, force: bool) -> int:
    """Delete what was recorded of a campaign before a time; see `Ledger.forget`."""
    old = func.coalesce(deciding.c.recorded_at, deciding.c.claimed_at) < to_number(before)
    these = [last.c.campaign == campaign, old]
    unused = [
        requests.c.campaign == campaign,
        func.coalesce(requests.c.recorded_at, requests.c.claimed_at) < to_number(before),
        requests.c.outcome.is_not(None) | force,
        requests.c.id.not_in(select(rows.c.request)),
        requests.c.id.not_in(select(rows.c.sent).where(rows.c.sent.is_not(None))),
    ]
    if destination is not None:
        place = database.destination_id(destination)
        these.append(rows.c.destination == place)
        unused.append(requests.c.destination == place)
    doubtful = deciding.c.outcome.is_(None) | (deciding.c.outcome == "unknown")
    with database.writing() as connection:
        count = connection.execute(select(func.count()).select_from(decided).where(*these, doubtful)).scalar_one()
        if count and not force:
            message = f"{count} rows of this campaign are unknown or being sent: settle them first, or say force=True"
            raise LedgerError(message)
        chosen = select(rows.c.destination, rows.c.key).select_from(decided).where(*these).correlate(None)
        of_campaign = select(requests.c.id).where(requests.c.campaign == campaign)
        where = select(requests.c.destination).where(requests.c.id == statuses.c.request).scalar_subquery()
        told_of = tuple_(where, statuses.c.key).in_(chosen)  # the same key may have gone elsewhere, too
        connection.execute(delete(statuses).where(statuses.c.request.in_(of_campaign), told_of))
        deleted = connection.execute(delete(rows).where(tuple_(rows.c.destination, rows.c.key).in_(chosen))).rowcount
        of_unused = select(requests.c.id).where(*unused)
        connection.execute(delete(statuses).where(statuses.c.request.in_(of_unused)))
        connection.execute(delete(requests).where(*unused))
    return deleted
