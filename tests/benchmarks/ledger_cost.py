"""What the ledger costs in a send, beside bare sqlite3 doing the same inserts and commits (speed.md, target 7).

Run from the repository's root, on a machine with nothing else to do: ``python -m tests.benchmarks.ledger_cost``.
"""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from d7nb.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, REQUEST, RUNS = 100_000, 100, 5
KNOWN = 1_000_000
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
    with ledger.run(seen=0) as run:
        for start in range(0, rows, size):
            part = slice(start, start + size)
            claim = run.claim(PLACE, campaign, keys[part], numbers[part], numbers[part], at=NOW, ours=lambda _: True)
            run.record(claim, "accepted", **ANSWER, at=NOW)
    return keys


def bare(path: Path, schema: list[str]) -> None:
    """The same rows into the same tables, without a question asked: hashes and masks are ready-made."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for statement in schema:
        connection.execute(statement)
    keys, hashes = ([row.tobytes() for row in keys_of(ROWS)] for _ in range(2))
    masked = "+120•••••••••23"
    begin = (
        "INSERT INTO d7nb_requests (run, destination, campaign, claimed_at, lifetime, code, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    insert = "INSERT INTO d7nb_rows (destination, key, request, sent, person, recipient) VALUES (?, ?, ?, NULL, ?, ?)"
    record = (
        "UPDATE d7nb_requests SET outcome='accepted', request_id=?, created_at=?, status=?, recorded_at=? WHERE id = ?"
    )
    for start in range(0, ROWS, REQUEST):
        part = slice(start, start + REQUEST)
        connection.execute("BEGIN IMMEDIATE")
        number = connection.execute(begin, ("0123456789abcdef", 1, CAMPAIGN, 10**15, 10**8, "", "")).lastrowid
        new = [(1, key, number, person, masked) for key, person in zip(keys[part], hashes[part], strict=True)]
        connection.executemany(insert, new)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(record, (*ANSWER.values(), 10**15, number))
        connection.execute("COMMIT")
    connection.close()


def seconds(work: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """By the clock, which counts the disk, and of the processor alone."""
    clock, processor = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - clock, time.process_time() - processor


def cost(folder: Path) -> None:
    """Both in turns; the median of the ratios, since a disk's mood changes from minute to minute."""
    with Ledger(folder / "schema.sqlite3"):
        pass
    reader = sqlite3.connect(folder / "schema.sqlite3")
    schema = [text for (text,) in reader.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
    reader.close()
    ratios = []
    for run in range(RUNS):
        with Ledger(folder / f"ledger{run}.sqlite3") as ledger:
            ours = seconds(send, ledger, ROWS)
        theirs = seconds(bare, folder / f"bare{run}.sqlite3", schema)
        ratios.append([ours[0] / theirs[0], ours[1] / theirs[1]])
        print(
            f"  ledger {ours[0]:5.2f} s ({ours[1]:4.2f} s of processor)   bare {theirs[0]:5.2f} s ({theirs[1]:4.2f} s)"
            f"   {ratios[-1][0]:4.2f} x ({ratios[-1][1]:4.2f} x)",
            flush=True,
        )
    clock, processor = np.median(ratios, axis=0)
    print(f"  median {clock:4.2f} x by the clock, {processor:4.2f} x of the processor; the target is 1.5 x")


def looking_up(folder: Path) -> None:
    with Ledger(folder / "known.sqlite3") as ledger:
        keys, numbers = send(ledger, KNOWN, size=5_000), people(KNOWN)
        other = keys_of(KNOWN)
        for name, asked, campaign in (
            ("all known", keys, CAMPAIGN),
            ("everybody got another text", other, CAMPAIGN),
            ("an unknown campaign", keys, "new"),
        ):
            took = seconds(lambda: ledger.look_up(PLACE, campaign, asked, numbers, at=NOW))  # noqa: B023
            print(f"  {len(asked):>9,} rows, {name:<28} {took[0]:6.3f} s")
        took = seconds(lambda: ledger.look_up(PLACE, CAMPAIGN, keys[:100], numbers[:100], at=NOW))
        print(f"  {100:>9,} rows, {'all known':<28} {took[0]:6.3f} s")


def main() -> None:
    with TemporaryDirectory(prefix="d7nb-") as folder:
        print(f"{ROWS:,} rows in requests of {REQUEST}, WAL, synchronous = FULL:")
        cost(Path(folder))
        print(f"Looking up in a ledger of {KNOWN:,} rows of one campaign:")
        looking_up(Path(folder))


if __name__ == "__main__":
    main()
