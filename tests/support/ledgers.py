"""Helpers for tests of the ledger: fictional people, keys, runs, and a PostgreSQL schema where there is a server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import numpy as np
import sqlalchemy

from d7nb.ledger import Ledger
from d7nb.store.claims import Claim
from d7nb.store.lookup import RowStates, find_row_states
from d7nb.store.runs import Run
from tests.support.requirements import lacking

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DESTINATION = "https://api.d7networks.com"
CAMPAIGN = "balance-2026-11"
POSTGRES = os.environ.get("D7NB_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/test")
AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)


def people(rows: list[int] | range) -> list[str]:
    """Return numbers from the range reserved for fiction, +1 NPA 555 01xx; two thousand of them, then again."""
    return [f"+1{AREAS[row // 100 % len(AREAS)]}55501{row % 100:02d}" for row in rows]


def keys(rows: list[int] | range, text: str = "") -> np.ndarray:
    """Return a key for each row and text, as evenly distributed as real ones."""
    digests = b"".join(blake2b(f"{row} {text}".encode(), digest_size=16).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


def start_run(ledger: Ledger, *, campaign: str = CAMPAIGN, destination: str = DESTINATION, **options: Any) -> Run:
    """Return a run of a campaign, to be used as a context manager."""
    return Run(ledger.campaign(destination, campaign), **options)


def claim(
    run: Run,
    rows: list[int] | range,
    at: datetime = NOW,
    *,
    again: list[bool] | None = None,
    text: str = "",
) -> Claim:
    """Claim rows in one request, those with `again` even though they were sent before."""
    numbers, row_keys = people(rows), keys(rows, text + run.campaign.name)
    states = find_row_states(run.campaign, row_keys, numbers, at=at)
    override_of = None if again is None else np.where(again, states.request, 0)
    return run.claim(row_keys, numbers, numbers, at=at, override_of=override_of)


def look_up(
    ledger: Ledger,
    rows: list[int] | range,
    at: datetime = NOW,
    *,
    text: str = "",
    campaign: str = CAMPAIGN,
    destination: str = DESTINATION,
) -> RowStates:
    """Look up rows of a campaign."""
    row_keys = keys(rows, text + campaign)
    return find_row_states(ledger.campaign(destination, campaign), row_keys, people(rows), at=at)


def send(
    ledger: Ledger,
    rows: list[int] | range,
    outcome: str = "accepted",
    at: datetime = NOW,
    *,
    campaign: str = CAMPAIGN,
    destination: str = DESTINATION,
) -> None:
    """Send one request, from claim to record."""
    answer: dict[str, Any] = {"reason": f"told {outcome}"}
    if outcome == "accepted":
        answer = {"request_id": "request-1", "created_at": "2026-11-23T09:30:05Z", "status": 200}
    with start_run(ledger, campaign=campaign, destination=destination) as run:
        claimed = claim(run, rows, at)
        assert claimed.granted.all()
        run.record(claimed, outcome, at=at, **answer)


@contextmanager
def postgres() -> Iterator[str]:
    """Yield the URL of a new PostgreSQL schema, which is dropped afterwards."""
    try:
        engine = sqlalchemy.create_engine(POSTGRES, connect_args={"connect_timeout": 3})
        letters = secrets.token_hex(6).translate(str.maketrans("0123456789", "ghijklmnop"))  # digits would be masked
        schema = f"d7nb_test_{letters}"
        with engine.begin() as connection:
            connection.execute(sqlalchemy.schema.CreateSchema(schema))
    except (ImportError, sqlalchemy.exc.OperationalError):
        lacking("postgresql", "PostgreSQL is not reachable: set D7NB_TEST_POSTGRES to a database to try these with")
    try:
        yield f"{POSTGRES}?options=-csearch_path%3D{schema}"
    finally:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.schema.DropSchema(schema, cascade=True))
        engine.dispose()
