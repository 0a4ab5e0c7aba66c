"""What the ledger's tests share: people who do not exist, keys, and a PostgreSQL to try where there is one."""

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
from d7nb.store.claims import Claim, Run
from d7nb.store.lookup import RowStates, find_row_states
from tests.support.requirements import lacking

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DESTINATION = "https://api.d7networks.com"
CAMPAIGN = "balance-2026-11"
POSTGRES = os.environ.get("D7NB_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/test")
AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)


def people(rows: list[int] | range) -> list[str]:
    """Numbers from the range that is kept for fiction, +1 NPA 555 01xx; two thousand of them, then again."""
    return [f"+1{AREAS[row // 100 % len(AREAS)]}55501{row % 100:02d}" for row in rows]


def keys(rows: list[int] | range, text: str = "") -> np.ndarray:
    """A key for each row and text, as evenly spread as real ones."""
    digests = b"".join(blake2b(f"{row} {text}".encode(), digest_size=16).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


def start_run(ledger: Ledger, *, campaign: str = CAMPAIGN, destination: str = DESTINATION, **options: Any) -> Run:
    return Run(ledger.campaign(destination, campaign), **options)


def claim(
    run: Run,
    rows: list[int] | range,
    at: datetime = NOW,
    *,
    again: list[bool] | None = None,
    text: str = "",
) -> Claim:
    numbers, own = people(rows), keys(rows, text + run.campaign.name)
    known = find_row_states(run.campaign, own, numbers, at=at)
    wanted = None if again is None else np.where(again, known.request, 0)
    return run.claim(own, numbers, numbers, at=at, override_of=wanted)


def look_up(
    ledger: Ledger,
    rows: list[int] | range,
    at: datetime = NOW,
    *,
    text: str = "",
    campaign: str = CAMPAIGN,
    destination: str = DESTINATION,
) -> RowStates:
    own = ledger.campaign(destination, campaign)
    return find_row_states(own, keys(rows, text + campaign), people(rows), at=at)


def send(
    ledger: Ledger,
    rows: list[int] | range,
    outcome: str = "accepted",
    at: datetime = NOW,
    *,
    campaign: str = CAMPAIGN,
    destination: str = DESTINATION,
) -> None:
    """A send of one request, from claim to record."""
    answer: dict[str, Any] = {"reason": f"told {outcome}"}
    if outcome == "accepted":
        answer = {"request_id": "request-1", "created_at": "2026-11-23T09:30:05Z", "status": 200}
    with start_run(ledger, campaign=campaign, destination=destination) as run:
        claimed = claim(run, rows, at)
        assert claimed.granted.all()
        run.record(claimed, outcome, at=at, **answer)


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL schema of one's own, which is gone afterwards."""
    try:
        engine = sqlalchemy.create_engine(POSTGRES, connect_args={"connect_timeout": 3})
        schema = f"d7nb_test_{secrets.token_hex(6)}"
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
