"""The deletion of what was recorded of a campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, tuple_

from d7nb.errors import LedgerError
from d7nb.hints import Call, Hint, Option
from d7nb.store.incoming import wait_for_incoming
from d7nb.store.questions import hashes_table, numbers_table, rows_table
from d7nb.store.request_state import lock_rows
from d7nb.store.schema import campaigns, decided, deciding, messages, requests, rows, statuses, to_number

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from d7nb.store.database import Database

_ROWS_AT_ONCE = 10_000
"""Rows that are deleted in one transaction: other writers need not wait long, and memory is bounded."""


def forget(database: Database, campaign: str, before: datetime, destination: str | None, *, force: bool) -> int:
    """Delete what was recorded of a campaign before a time; see `Ledger.forget`."""
    moment, deleted = to_number(before), 0
    ids = _campaign_ids(database, campaign, destination)
    in_doubt = deciding.c.outcome.is_(None) | (deciding.c.outcome == "unknown")
    is_old = func.coalesce(deciding.c.recorded_at, deciding.c.claimed_at) < moment
    if not force:
        counting = select(func.count()).select_from(decided).where(rows.c.campaign.in_(ids), is_old, in_doubt)
        with database.reading() as connection:
            count = connection.execute(counting).scalar_one()
        if count:
            raise LedgerError(_refusal(count))
        is_old &= ~in_doubt
    for campaign_id in ids:
        old_rows = select(rows.c.key).select_from(decided).where(rows.c.campaign == campaign_id, is_old)
        while (forgotten := _forget_slice(database, campaign_id, old_rows)) is not None:
            deleted += forgotten
        while _forget_requests(database, campaign_id, moment, force=force):
            pass
    if deleted:
        database.shrink()
    return deleted


def _forget_slice(database: Database, campaign_id: int, old_rows: Select[bytes]) -> int | None:
    """Delete some of a campaign's old rows, in a transaction of their own.

    Returns:
        How many were deleted; None where there is no old row left.
    """
    with database.writing() as connection:
        wait_for_incoming(connection)
        keys = list(connection.execute(old_rows.limit(_ROWS_AT_ONCE)).scalars())
        if not keys:
            return None
        locked = lock_rows(connection, campaign_id, keys)
        if not locked:
            return 0
        # Read again: in PostgreSQL, a run may have claimed some of them meanwhile.
        still_old = old_rows.where(rows.c.key.in_(select(hashes_table(connection, locked).c.value)))
        return _delete_rows(connection, campaign_id, list(connection.execute(still_old).scalars()))


def _campaign_ids(database: Database, campaign: str, destination: str | None) -> list[int]:
    query = select(campaigns.c.id).where(campaigns.c.name == campaign)
    if destination is not None:
        query = query.where(campaigns.c.destination == database.destination_id(destination))
    with database.reading() as connection:
        return list(connection.execute(query).scalars())


def _delete_rows(connection: Connection, campaign_id: int, keys: list[bytes]) -> int:
    """Delete rows and their messages' statuses; return how many rows there were."""
    if not keys:
        return 0
    these = rows.c.campaign == campaign_id, rows.c.key.in_(select(hashes_table(connection, keys).c.value))
    found = connection.execute(select(rows.c.key, rows.c.request, rows.c.sent).where(*these)).all()
    if not found:  # somebody else deleted them meanwhile
        return 0
    pairs = [(key, number) for key, *numbers in found for number in numbers if number is not None]
    asked = rows_table(connection, *zip(*pairs, strict=True))
    for followed in (statuses, messages):
        is_asked = tuple_(followed.c.request, followed.c.key).in_(select(asked.c.request, asked.c.key))
        connection.execute(delete(followed).where(is_asked))
    return connection.execute(delete(rows).where(*these)).rowcount


def _forget_requests(database: Database, campaign_id: int, moment: int, *, force: bool) -> bool:
    """Delete some requests that no row points to, and what was heard of them; return whether there were any."""
    unused = (
        select(requests.c.id)
        .where(
            requests.c.campaign == campaign_id,
            func.coalesce(requests.c.recorded_at, requests.c.claimed_at) < moment,
            requests.c.outcome.is_not(None) | force,
            ~select(rows.c.key).where(rows.c.request == requests.c.id).exists(),
            ~select(rows.c.key).where(rows.c.sent == requests.c.id, rows.c.sent.is_not(None)).exists(),
        )
        .order_by(requests.c.id)
        .limit(_ROWS_AT_ONCE)
    )
    with database.writing() as connection:
        wait_for_incoming(connection)
        numbers = list(connection.execute(unused).scalars())
        if not numbers:
            return False
        asked = select(numbers_table(connection, numbers).c.value)
        for followed in (statuses, messages):
            connection.execute(delete(followed).where(followed.c.request.in_(asked)))
        connection.execute(delete(requests).where(requests.c.id.in_(asked)))
    return True


def _refusal(count: int) -> Hint:
    rows_of, are, them = ("1 row", "is", "it") if count == 1 else (f"{count:,} rows", "are", "them")
    return Hint(
        f"{rows_of} of this campaign may have been sent, or {are} being sent: first record what happened (",
        Call("delivery.settle", arguments=None),
        "), or give ",
        Option("force", True),
        f" to delete {them} anyway",
    )
