"""Frames of what the ledger holds, for a person to look at: rows, campaigns, opt-outs and dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from d7nb.store.keys import base32
from d7nb.store.schema import KEY_SIZE, RECORDED, aside, decided, deciding, destinations, last, opt_outs, rows

if TYPE_CHECKING:
    from d7nb.store.database import Database

_REQUEST_COLUMNS = (
    *("outcome", "request_id", "created_at", "status", "code", "reason"),
    *("claimed_at", "recorded_at"),
)
_WITH_DESTINATION = decided.join(destinations, destinations.c.id == rows.c.destination)


def all_rows(database: Database) -> pd.DataFrame:
    """Return every row of the ledger; see `Ledger.frame`."""
    request_columns = [deciding.c[name] for name in _REQUEST_COLUMNS]
    query = select(last.c.campaign, destinations.c.origin, rows.c.key, rows.c.recipient, *request_columns)
    query = query.select_from(_WITH_DESTINATION).order_by(rows.c.request, rows.c.key)
    with database.reading() as connection:
        results = connection.execute(query).all()
    frame = pd.DataFrame(results, columns=["campaign", "destination", "key", "recipient", *_REQUEST_COLUMNS])
    if results:
        frame["key"] = base32(np.frombuffer(b"".join(frame["key"]), dtype=np.uint8).reshape(-1, KEY_SIZE))
    created = pd.to_datetime(frame["created_at"].astype("str"), utc=True, errors="coerce", format="ISO8601")
    frame["created_at"] = created.dt.as_unit("us")
    for name in ("claimed_at", "recorded_at"):
        frame[name] = _times(frame[name])
    texts = ("campaign", "destination", "key", "recipient", "outcome", "request_id", "code", "reason")
    return frame.astype(dict.fromkeys(texts, "str") | {"status": "Int64"})


def campaign_counts(database: Database) -> pd.DataFrame:
    """Count rows by campaign, destination and outcome; see `Ledger.campaigns`."""
    query = select(
        last.c.campaign, destinations.c.origin, deciding.c.outcome, func.count(), func.max(last.c.claimed_at)
    )
    query = query.select_from(_WITH_DESTINATION).group_by(last.c.campaign, destinations.c.origin, deciding.c.outcome)
    with database.reading() as connection:
        results = connection.execute(query).all()
    counts = pd.DataFrame(results, columns=["campaign", "destination", "outcome", "rows", "last"])
    counts = counts.fillna({"outcome": "claimed"})
    by = ["campaign", "destination"]
    wide = counts.pivot_table("rows", by, "outcome", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=[*RECORDED, "claimed"], fill_value=0).astype("int64")
    wide["last"] = _times(counts.groupby(by)["last"].max())
    return wide.rename_axis(columns=None).reset_index().astype({"campaign": "str", "destination": "str"})


def opt_out_list(database: Database) -> pd.DataFrame:
    """Return who opted out, or opted in again; see `Ledger.opt_outs`."""
    columns = [opt_outs.c[name] for name in ("recipient", "stopped", "at", "word")]
    query = select(*columns, destinations.c.origin).join(destinations, destinations.c.id == opt_outs.c.destination)
    with database.reading() as connection:
        results = connection.execute(query.order_by(opt_outs.c.at, opt_outs.c.person)).all()
    frame = pd.DataFrame(results, columns=["recipient", "stopped", "at", "word", "destination"])
    frame["at"] = _times(frame["at"])
    return frame.astype({"recipient": "str", "stopped": "bool", "word": "str", "destination": "str"})


def dead_letter_list(database: Database) -> pd.DataFrame:
    """Return the events that could not be used; see `Ledger.aside`."""
    query = select(aside.c.at, aside.c.why, aside.c.text).order_by(aside.c.id)
    with database.reading() as connection:
        frame = pd.DataFrame(connection.execute(query).all(), columns=["at", "why", "text"])
    frame["at"] = _times(frame["at"])
    return frame.astype({"why": "str", "text": "str"})


def _times(numbers: pd.Series) -> pd.Series:
    return pd.to_datetime(numbers.astype("Int64"), unit="us", utc=True).dt.as_unit("us")
