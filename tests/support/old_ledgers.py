"""Ledgers of versions 1 and 2, written by the statements that those versions used."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, text

from d7nb.privacy import mask_number
from d7nb.store.schema import to_number
from tests.support.ledgers import CAMPAIGN, DESTINATION, NOW, keys, people

DATA = Path(__file__).parents[1] / "data"
SECRET = bytes(range(32))
ROWS_IN_REQUEST = 100
INSERT_RUN = (
    "INSERT INTO d7nb_runs (id, host, machine, pid, process, ended) VALUES (:id, 'here', 'a boot', 1, '12', :ended)"
)
INSERT_REQUEST = (
    "INSERT INTO d7nb_requests (id, run, destination, campaign, claimed_at, lifetime, outcome, request_id, created_at,"
    " status, code, reason, recorded_at) VALUES (:id, :run, :destination, :campaign, :at, 180000000, :outcome,"
    " :request_id, :created_at, :status, '', :reason, :recorded_at)"
)
INSERT_ROW = (
    "INSERT INTO d7nb_rows (destination, key, request, sent, person, recipient)"
    " VALUES (:destination, :key, :request, :sent, :person, :recipient)"
)
INSERT_STATUS = (
    "INSERT INTO d7nb_statuses (request, key, status, at, msg_id, reason)"
    " VALUES (:request, :key, :status, :at, :msg_id, :reason)"
)


def url_of(place: str) -> str:
    """Return the URL of a ledger for SQLAlchemy."""
    return place if "://" in place else f"sqlite:///{place}"


@contextmanager
def connected(place: str) -> Iterator[Connection]:
    """Open a transaction in a ledger's database, past d7nb."""
    engine = sqlalchemy.create_engine(url_of(place))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def version_of(place: str) -> str:
    """Return the version that a ledger says it has, past d7nb."""
    with connected(place) as connection:
        return str(connection.execute(text("SELECT value FROM d7nb_meta WHERE name = 'schema_version'")).scalar_one())


def statements(version: int, dialect: str) -> list[str]:
    """Return the statements that make the tables of a version."""
    sql = (DATA / f"ledger-{version}.sql").read_text(encoding="utf-8")
    if dialect == "postgresql":
        sql = sql.replace("BLOB", "BYTEA").replace("WITHOUT ROWID", "")
        sql = re.sub(r"(?m)^  id (INTEGER|BIGINT) NOT NULL", "  id BIGSERIAL NOT NULL", sql)
    return [statement for statement in map(str.strip, sql.split(";")) if statement]


def make_old_ledger(place: str, version: int = 2, rows: int = 5, *, campaign: str = CAMPAIGN) -> None:
    """Make a ledger of an old version with sent rows, the last of each hundred in doubt, each third row read.

    Args:
        place: A path, or the URL of an empty PostgreSQL schema.
        version: 1 or 2.
        rows: How many rows were sent, by hundreds.
        campaign: Their campaign.
    """
    secret_notes = {"secret": SECRET.hex()}
    if "://" not in place:
        Path(f"{place}.secret").write_bytes(SECRET)
        secret_notes = {"secret_check": hmac.digest(SECRET, b"d7nb ledger secret", "sha256").hex()}
    with connected(place) as connection:
        for statement in statements(version, connection.dialect.name):
            connection.execute(text(statement))
        notes = {"schema_version": str(version), **secret_notes}
        insert = text("INSERT INTO d7nb_meta (name, value) VALUES (:name, :value)")
        connection.execute(insert, [{"name": name, "value": value} for name, value in notes.items()])
        connection.execute(
            text("INSERT INTO d7nb_destinations (id, origin) VALUES (1, :origin)"), {"origin": DESTINATION}
        )
        connection.execute(text(INSERT_RUN), {"id": "run-1", "ended": True})
        for start in range(0, rows, ROWS_IN_REQUEST):
            _send(connection, campaign, range(start, min(start + ROWS_IN_REQUEST, rows)), has_statuses=version > 1)
        if version > 1:
            _hear(connection)


def _send(connection: Connection, campaign: str, rows: range, *, has_statuses: bool) -> None:
    at, number = to_number(NOW), rows[0] // ROWS_IN_REQUEST * 2 + 1
    request: dict[str, Any] = {"run": "run-1", "destination": 1, "campaign": campaign, "at": at}
    accepted = {"id": number, "outcome": "accepted", "request_id": f"request-{number}", "reason": ""}
    doubtful = {"id": number + 1, "outcome": "unknown", "request_id": None, "reason": "no answer"}
    answer = {"created_at": "2026-11-23T09:30:05Z", "status": 200, "recorded_at": at}
    no_answer = {"created_at": None, "status": None, "recorded_at": at}
    connection.execute(text(INSERT_REQUEST), [request | accepted | answer, request | doubtful | no_answer])
    row_keys, numbers = keys(rows, campaign), people(rows)
    values = [
        {
            "destination": 1,
            "key": key.tobytes(),
            "request": number + (row == rows[-1]),
            "sent": None,
            "person": hmac.digest(SECRET, person.encode(), "sha256")[:16],
            "recipient": mask_number(person),
        }
        for row, key, person in zip(rows, row_keys, numbers, strict=True)
    ]
    connection.execute(text(INSERT_ROW), values)
    if has_statuses:
        followed = [
            {
                "request": number,
                "key": key.tobytes(),
                "status": status,
                "at": at + 1_000_000 * place,
                "msg_id": f"message-{row}",
                "reason": "",
            }
            for row, key in zip(rows[:-1:3], row_keys[:-1:3], strict=True)
            for place, status in enumerate(("sent", "delivered", "read"))
        ]
        if followed:
            connection.execute(text(INSERT_STATUS), followed)


def _hear(connection: Connection) -> None:
    """Write down an inbound message, an opt-out and a dead letter."""
    person = hmac.digest(SECRET, people([0])[0].encode(), "sha256")[:16]
    moment = to_number(NOW + timedelta(minutes=1))
    heard = {"destination": 1, "person": person, "at": moment}
    stopped = {"recipient": "+120••••••00", "stopped": True, "word": "STOP"}
    tables = {
        "inbound": heard | {"originator": b""},
        "opt_outs": heard | stopped,
        "aside": {"at": moment, "why": "no JSON", "text": "what is this"},
    }
    for name, values in tables.items():
        columns = sqlalchemy.table(f"d7nb_{name}", *map(sqlalchemy.column, values))
        connection.execute(sqlalchemy.insert(columns), values)
