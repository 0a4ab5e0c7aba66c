"""A ledger that was used for years: rows of other campaigns, written past d7nb, since sending them takes minutes."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import insert

from d7nb.privacy import mask_number
from d7nb.store.recipes import BY_CONTENT
from d7nb.store.schema import campaigns, destinations, messages, requests, rows, runs, statuses
from tests.benchmarks.ledger import PLACE, people

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from d7nb.ledger import Ledger

NOW = 1_795_420_000_000_000
ROWS_IN_REQUEST = 100
ROWS_AT_ONCE = 100_000


def fill(ledger: Ledger, count: int, campaign: str, *, with_statuses: bool = False) -> list[bytes]:
    """Write down sent rows of a campaign, a hundred a request; return their keys as the ledger stores them.

    Args:
        ledger: The ledger.
        count: How many rows; their people are `people`.
        campaign: A campaign of which nothing was sent yet.
        with_statuses: Whether each has been sent, delivered and read, and its message an id.
    """
    database, own_keys = ledger._database, []
    with database.writing() as connection:
        if database.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA cache_size = -500000")
        campaign_id, run = _begin(connection, campaign)
        everybody = people(count)
        for start in range(0, count, ROWS_AT_ONCE):
            numbers = everybody[start : start + ROWS_AT_ONCE]
            first = _write_requests(connection, campaign_id, run, len(numbers))
            keys = [os.urandom(16) for _ in numbers]
            own_keys += keys
            persons = database.hash_recipients(numbers)
            of_row = [first + row // ROWS_IN_REQUEST for row in range(len(numbers))]
            masked = map(mask_number, numbers)
            values = zip(keys, of_row, persons, masked, strict=True)
            _write(connection, rows, ((campaign_id, key, of, None, who, shown) for key, of, who, shown in values))
            if with_statuses:
                _write_statuses(connection, keys, of_row)
    return own_keys


def _begin(connection: Connection, campaign: str) -> tuple[int, str]:
    """Write down a campaign and a run, and return their numbers."""
    name = secrets.token_hex(8)
    run = {"id": name, "host": "", "machine": "", "pid": 1, "process": "", "ended": True}
    connection.execute(insert(runs), run)
    destination = connection.execute(destinations.select()).scalar()
    if destination is None:
        destination = connection.execute(insert(destinations), {"origin": PLACE}).inserted_primary_key[0]
    values = {"destination": destination, "name": campaign, "recipe": BY_CONTENT}
    return int(connection.execute(insert(campaigns), values).inserted_primary_key[0]), name


def _write_requests(connection: Connection, campaign_id: int, run: str, count: int) -> int:
    """Write down the requests of some rows, and return the number of the first."""
    values = {"run": run, "campaign": campaign_id, "claimed_at": NOW, "lifetime": 1, "recorded_at": NOW, "status": 200}
    values |= {"outcome": "accepted", "created_at": "2026-11-23T09:00:00Z", "code": "", "reason": ""}
    requests_needed = -(-count // ROWS_IN_REQUEST)
    first = int(connection.exec_driver_sql("SELECT coalesce(max(id), 0) + 1 FROM d7nb_ledger_requests").scalar() or 1)
    ids = (f"0012c7f5-2ba5-49db-8901-{first + number:012d}" for number in range(requests_needed))
    connection.execute(insert(requests), [values | {"request_id": each} for each in ids])
    return first


def _write_statuses(connection: Connection, keys: list[bytes], of_row: list[int]) -> None:
    ids = ((of, key, f"0012c7f5-2ba5-49db-8901-{row:012d}") for row, (of, key) in enumerate(_pairs(of_row, keys)))
    _write(connection, messages, ids)
    stages = ("delivered", "read", "sent")
    each = ((of, key, status, NOW, "") for of, key in _pairs(of_row, keys) for status in stages)
    _write(connection, statuses, each)


def _pairs(of_row: list[int], keys: list[bytes]) -> Iterable[tuple[int, bytes]]:
    return zip(of_row, keys, strict=True)


def _write(connection: Connection, table: Table, values: Iterable[tuple[object, ...]]) -> None:
    """Write rows in the order of the table's columns."""
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(values))
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN") as copy:
        for row in values:
            copy.write_row(row)
