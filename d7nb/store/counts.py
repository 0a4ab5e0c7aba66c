"""Counts that the database makes: how far a campaign's messages came, and how many went out in a moving window."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from sqlalchemy import case, func, or_, select, union_all

from d7nb.api.statuses import ARRIVED, IMPLIED_BY
from d7nb.store.schema import NOTHING_SENT, campaigns, decided, deciding, requests, rows, statuses

if TYPE_CHECKING:
    from datetime import datetime

    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.database import Database

_MICROSECOND = timedelta(microseconds=1)


def campaign_funnel(campaign: CampaignLedger) -> pd.DataFrame:
    """Count a campaign's rows by stage; see `Ledger.funnel`."""
    has = {
        stage: func.max(case((statuses.c.status.in_(implying), 1), else_=0)) for stage, implying in IMPLIED_BY.items()
    }
    arrived = func.max(case((statuses.c.status.in_(ARRIVED), 1), else_=0))
    failed = func.max(case((statuses.c.status == "failed", 1), else_=0)) * (1 - arrived)
    reached = (
        select(
            statuses.c.request,
            statuses.c.key,
            *(flag.label(stage) for stage, flag in (has | {"failed": failed}).items()),
        )
        .join(requests, requests.c.id == statuses.c.request)
        .where(requests.c.campaign == campaign.id)
        .group_by(statuses.c.request, statuses.c.key)
        .subquery()
    )
    is_accepted = deciding.c.outcome == "accepted"
    counts = [func.coalesce(func.sum(case((is_accepted, reached.c[stage]), else_=0)), 0) for stage in [*has, "failed"]]
    query = (
        select(func.count(), func.coalesce(func.sum(case((is_accepted, 1), else_=0)), 0), *counts)
        .select_from(decided.outerjoin(reached, (reached.c.request == deciding.c.id) & (reached.c.key == rows.c.key)))
        .where(rows.c.campaign == campaign.id)
    )
    with campaign.database.reading() as connection:
        counted = connection.execute(query).one()
    return pd.DataFrame([[int(count) for count in counted]], columns=["rows", "accepted", *has, "failed"])


class Contacted(NamedTuple):
    """The count of what was sent, or may have been, in a window of time.

    Attributes:
        messages: The number of messages.
        people: The number of different people that they went to.
    """

    messages: int
    people: int


def count_in_window(database: Database, destination: str, *, until: datetime, length: timedelta) -> Contacted:
    """Count the messages that went to a destination in a window of time, whatever their campaign, and their people.

    A message counts from the moment at which its request was claimed. One that is being sent, or is in doubt, counts;
    one that D7 rejected, or that was not sent, does not.

    Args:
        database: The ledger's database.
        destination: Where the messages went, as a client's ``destination`` names it.
        until: The end of the window, which is part of it.
        length: How long it is; its first moment is not part of it.

    Raises:
        LedgerError: The ledger can't be used.
    """
    destination_id = database.destination_id(destination)
    if destination_id is None:
        return Contacted(0, 0)
    with database.reading() as connection:
        end = database.now(connection, until)
        start = end - length // _MICROSECOND
        went_out = (
            select(requests.c.id)
            .join(campaigns, campaigns.c.id == requests.c.campaign)
            .where(
                campaigns.c.destination == destination_id,
                requests.c.claimed_at > start,
                requests.c.claimed_at <= end,
                or_(requests.c.outcome.is_(None), requests.c.outcome.not_in(NOTHING_SENT)),
            )
        ).subquery()
        # A row that was sent again counts twice: it is two messages.
        sent = union_all(
            select(rows.c.person).join(went_out, went_out.c.id == rows.c.request),
            select(rows.c.person).join(went_out, went_out.c.id == rows.c.sent).where(rows.c.sent.is_not(None)),
        ).subquery()
        counted = connection.execute(
            select(func.count(), func.count(func.distinct(sent.c.person))).select_from(sent)
        ).one()
    return Contacted(int(counted[0]), int(counted[1]))
