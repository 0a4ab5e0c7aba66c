"""Frames of what the ledger holds, for a person to look at: rows, campaigns, opt-outs and dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from d7nb.store.keys import base32, from_base32
from d7nb.store.questions import hashes_table
from d7nb.store.schema import (
    KEY_SIZE,
    RECORDED,
    aside,
    campaigns,
    decided,
    deciding,
    destinations,
    last,
    opt_outs,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from d7nb.store.database import Database

ROWS_AT_ONCE = 20_000
"""Rows that are read and turned into columns together."""
_REQUEST_COLUMNS = (
    *("outcome", "request_id", "created_at", "status", "code", "reason"),
    *("claimed_at", "recorded_at"),
)
_COLUMNS = ("campaign", "destination", "key", "recipient", *_REQUEST_COLUMNS)
_TEXTS = ("campaign", "destination", "key", "recipient", "outcome", "request_id", "code", "reason")
_WITH_CAMPAIGN = decided.join(campaigns, campaigns.c.id == rows.c.campaign).join(
    destinations, destinations.c.id == campaigns.c.destination
)
_ROWS = (
    select(
        campaigns.c.name,
        destinations.c.origin,
        rows.c.key,
        rows.c.recipient,
        *(deciding.c[name] for name in _REQUEST_COLUMNS),
    )
    .select_from(_WITH_CAMPAIGN)
    .order_by(rows.c.request, rows.c.campaign, rows.c.key)
)


def all_rows(database: Database) -> pd.DataFrame:
    """Return every row of the ledger; see `Ledger.frame`."""
    slices = list(row_slices(database))
    return pd.concat(slices, ignore_index=True) if len(slices) > 1 else slices[0]


def row_slices(database: Database) -> Iterator[pd.DataFrame]:
    """Yield every row of the ledger in frames of at most `ROWS_AT_ONCE` rows; one that is empty where there is none."""
    is_empty = True
    with database.reading() as connection:
        results = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(_ROWS)
        for partition in results.partitions():
            is_empty = False
            yield _rows_frame(partition)
    if is_empty:
        yield _rows_frame([])


def find_marks(database: Database, marks: Iterable[str]) -> pd.DataFrame:
    """Return the rows that D7 knows by some marks; see `Ledger.find`."""
    listed = [marks] if isinstance(marks, str) else [str(mark).strip() for mark in marks]
    keys = from_base32(listed)
    hashes = database.hash_keys(key for key in keys if key is not None)
    given = [mark for mark, key in zip(listed, keys, strict=True) if key is not None]
    found: Sequence[Any] = []
    if hashes:
        with database.reading() as connection:
            asked = hashes_table(connection, hashes)
            # Rows lie by campaign: each campaign is looked through for each key.
            in_campaigns = (
                select(campaigns.c.id, asked.c.value, asked.c.position)
                .select_from(campaigns.join(asked, campaigns.c.id.is_not(None)))
                .subquery()
            )
            query = _ROWS.add_columns(in_campaigns.c.position).join(
                in_campaigns, (in_campaigns.c.id == rows.c.campaign) & (in_campaigns.c.value == rows.c.key)
            )
            found = connection.execute(query).all()
    frame = _rows_frame([row[:-1] for row in found])
    frame.insert(0, "mark", pd.Series([given[row[-1]] for row in found], dtype="str"))
    return frame


def _rows_frame(results: Sequence[Sequence[object]]) -> pd.DataFrame:
    rows_as_tuples = list(map(tuple, results))  # of each row that is none, pandas asks for attributes: twice as slow
    frame = pd.DataFrame(rows_as_tuples, columns=list(_COLUMNS))
    if len(results):
        frame["key"] = base32(np.frombuffer(b"".join(frame["key"]), dtype=np.uint8).reshape(-1, KEY_SIZE))
    created = pd.to_datetime(frame["created_at"].astype("str"), utc=True, errors="coerce", format="ISO8601")
    frame["created_at"] = created.dt.as_unit("us")
    for name in ("claimed_at", "recorded_at"):
        frame[name] = _times(frame[name])
    return frame.astype(dict.fromkeys(_TEXTS, "str") | {"status": "Int64"})


def campaign_counts(database: Database) -> pd.DataFrame:
    """Count rows by campaign, destination and outcome; see `Ledger.campaigns`."""
    query = select(
        campaigns.c.name, destinations.c.origin, deciding.c.outcome, func.count(), func.max(last.c.claimed_at)
    )
    query = query.select_from(_WITH_CAMPAIGN).group_by(campaigns.c.name, destinations.c.origin, deciding.c.outcome)
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
