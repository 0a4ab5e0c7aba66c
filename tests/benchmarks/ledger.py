"""Target 7: what the ledger costs in a send, beside bare sqlite3 doing the same inserts and commits."""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.ledger import Ledger
from d7nb.store.runs import Run
from tests.benchmarks.measuring import Result, Target

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, REQUEST = 100_000, 100
PLACE, CAMPAIGN = "https://api.d7networks.com", "balance-2026-11"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
ANSWER = {"request_id": "0012c7f5-2ba5-49db-8901-4ee9be6dc8d1", "created_at": "2026-11-23T09:00:00Z", "status": 200}


def people(rows: int) -> list[str]:
    """Numbers that nobody has: +1 202 555 01xx, told apart by digits after them."""
    return [f"+120255501{row:07d}" for row in range(rows)]


def keys_of(rows: int) -> np.ndarray:
    return np.frombuffer(os.urandom(rows * 16), dtype=np.uint8).reshape(-1, 16)


def send(ledger: Ledger, rows: int, size: int = REQUEST, campaign: str = CAMPAIGN) -> np.ndarray:
    """Claim and record as a send does."""
    keys, numbers = keys_of(rows), people(rows)
    with Run(ledger.campaign(PLACE, campaign), last_request_seen=0) as run:
        for start in range(0, rows, size):
            part = slice(start, start + size)
            claim = run.claim(keys[part], numbers[part], numbers[part], at=NOW, is_own_key=lambda _: True)
            run.record(claim, "accepted", **ANSWER, at=NOW)
    return keys


def schema_of(folder: Path) -> list[str]:
    """The statements that make a ledger's tables and indexes."""
    with Ledger(folder / "schema.sqlite3"):
        pass
    reader = sqlite3.connect(folder / "schema.sqlite3")
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    found = [text for (text,) in reader.execute(query)]
    reader.close()
    return found


def bare(path: Path, schema: list[str], rows: int, size: int = REQUEST) -> None:
    """The same rows into the same tables, sorted as ours, without a question asked: hashes and masks are ready-made."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for statement in schema:
        connection.execute(statement)
    keys, hashes = ([row.tobytes() for row in keys_of(rows)] for _ in range(2))
    masked = "+120•••••••••23"
    begin = (
        "INSERT INTO d7nb_ledger_requests (run, campaign, claimed_at, lifetime, code, reason) VALUES (?, ?, ?, ?, ?, ?)"
    )
    insert = (
        "INSERT INTO d7nb_ledger_rows (campaign, key, request, sent, person, recipient) VALUES (?, ?, ?, NULL, ?, ?)"
    )
    record = (
        "UPDATE d7nb_ledger_requests SET outcome='accepted', request_id=?, created_at=?, status=?, recorded_at=?"
        " WHERE id = ?"
    )
    for start in range(0, rows, size):
        part = slice(start, start + size)
        connection.execute("BEGIN IMMEDIATE")
        number = connection.execute(begin, ("0123456789abcdef", 1, 10**15, 10**8, "", "")).lastrowid
        new = [(1, key, number, person, masked) for key, person in zip(keys[part], hashes[part], strict=True)]
        connection.executemany(insert, sorted(new))
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(record, (*ANSWER.values(), 10**15, number))
        connection.execute("COMMIT")
    connection.close()


def both_clocks(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """By the clock, which counts the disk, and of the processor alone."""
    clock, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - clock, time.process_time() - processor


class Compared(NamedTuple):
    """Two ways of the same work, by both clocks, run after run."""

    taken: list[tuple[tuple[float, float], tuple[float, float]]]

    @property
    def ratios(self) -> list[float]:
        """Of the clock, which counts the disk."""
        return [ours[0] / theirs[0] for ours, theirs in self.taken]

    def said(self) -> str:
        clocks = [statistics.median(column) for column in zip(*((o[0], t[0]) for o, t in self.taken), strict=True)]
        processor = statistics.median(ours[1] / theirs[1] for ours, theirs in self.taken)
        return f"{clocks[0]:.2f} s against {clocks[1]:.2f} s; {processor:.2f} x of the processor"


def against_bare(rows: int, size: int, runs: int) -> Compared:
    """Both in turns, each into a new file."""
    with TemporaryDirectory(prefix="d7nb-") as place:
        folder = Path(place)
        schema = schema_of(folder)
        taken = []
        for run in range(runs):
            with Ledger(folder / f"ledger{run}.sqlite3") as ledger:
                ours = both_clocks(send, ledger, rows, size)
            taken.append((ours, both_clocks(bare, folder / f"bare{run}.sqlite3", schema, rows, size)))
    return Compared(taken)


def against_bare_sqlite(rows: int | None, runs: int) -> Result:
    """By the clock, since most of it is the disk's. The processor's part is told beside it."""
    rows = min(rows or ROWS, ROWS)
    compared = against_bare(rows, REQUEST, runs)
    return Result(compared.ratios, f"{rows:,} rows: {compared.said()}")


TARGETS = (Target(7, "the ledger, against bare sqlite3", 1.5, 1.2, "x", False, against_bare_sqlite),)
