"""Target 11: what the ledger costs once it is large, and where several processes write."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from d7nb.ledger import Ledger
from d7nb.store.lookup import find_row_states
from d7nb.store.message_status import find_statuses
from tests.benchmarks.ledger import NOW, PLACE, Compared, against_bare, both_clocks, people, send
from tests.benchmarks.measuring import ROOT, Result, Target
from tests.benchmarks.old_rows import fill
from tests.support.ledgers import postgres

if TYPE_CHECKING:
    from collections.abc import Callable

OLD, SENT = 1_000_000, 10_000
SIZES = (100, 1_000)
PROCESSES = 4
TURNS = 2
"""How often short sends are compared in each run: single ones differ as much as the disk does."""


def with_old_rows(rows: int | None, runs: int) -> Result:
    """The same send into a ledger full of other campaigns, and into a new one; the worse of two sizes of requests."""
    old, count = min(rows or OLD, OLD), min(rows or SENT, SENT)
    found = []
    with TemporaryDirectory(prefix="d7nb-") as place:
        path = Path(place) / "old.sqlite3"
        with Ledger(path) as ledger:
            fill(ledger, old, "old")
        for size in SIZES:
            taken = []
            for turn in range(TURNS * runs):
                with Ledger(Path(place) / f"new-{size}-{turn}.sqlite3") as new:
                    theirs = both_clocks(send, new, count, size)
                with Ledger(path) as ledger:
                    ours = both_clocks(send, ledger, count, size, f"campaign-{size}-{turn}")
                taken.append((ours, theirs))
            found.append(Compared(taken))
    said = "; ".join(f"{size:,} a request {each.said()}" for size, each in zip(SIZES, found, strict=True))
    return Result(_worst(found), f"{count:,} rows, {old:,} old ones: {said}")


def fresh_against_bare(rows: int | None, runs: int) -> Result:
    """A new file, and bare sqlite3; the worse of two sizes of requests."""
    count = min(rows or SENT, SENT)
    found = [against_bare(count, size, TURNS * runs) for size in SIZES]
    said = "; ".join(f"{size:,} a request {each.said()}" for size, each in zip(SIZES, found, strict=True))
    return Result(_worst(found), f"{count:,} rows: {said}")


def _worst(found: list[Compared]) -> list[float]:
    return max((each.ratios for each in found), key=statistics.median)


def look_up(rows: int | None, runs: int) -> Result:
    """States and statuses of some rows, of a campaign that has a hundred times as many, and of one that has no more."""
    large = min(rows or OLD, OLD)
    asked = large // 100
    with TemporaryDirectory(prefix="d7nb-") as place, Ledger(Path(place) / "ledger.sqlite3") as ledger:
        works = [_look_up_of(ledger, name, count, asked) for name, count in (("large", large), ("small", asked))]
        for work in works:
            work()
        compared = Compared([(both_clocks(works[0]), both_clocks(works[1])) for _ in range(runs)])
    said = f"{asked:,} rows of {large:,}: {compared.said()}"
    return Result([ours[1] / theirs[1] for ours, theirs in compared.taken], said)


def _look_up_of(ledger: Ledger, campaign: str, count: int, asked: int) -> Callable[[], None]:
    """Fill a campaign, and return a function that looks some of its rows up."""
    stored = fill(ledger, count, campaign, with_statuses=True)
    numbers = people(count)
    chosen = np.random.default_rng(1).choice(count, asked, replace=False).tolist()
    keys = np.frombuffer(b"".join(stored[row] for row in chosen), dtype=np.uint8).reshape(-1, 16)
    persons = [numbers[row] for row in chosen]
    part = ledger.campaign(PLACE, campaign, keys_are_hashed=True)

    def work() -> None:
        states = find_row_states(part, keys, persons, at=NOW)
        assert (find_statuses(part, keys, states.request).status == "read").all()

    return work


SENDER = """
import sys
from d7nb.ledger import Ledger
from tests.benchmarks.ledger import send
with Ledger(sys.argv[1]) as ledger:
    send(ledger, 100, 100)
    print("ready", flush=True)
    sys.stdin.readline()
    send(ledger, int(sys.argv[2]), 100)
    print("sent", flush=True)
"""


def several_processes(rows: int | None, runs: int) -> Result:
    """Rows a second that four processes send into one ledger of PostgreSQL, against those of one."""
    count, taken = min(rows or SENT, SENT) // 2, []
    with postgres() as url:
        with Ledger(url):
            pass
        for _ in range(runs):
            alone = count / _seconds_of(1, url, count)
            taken.append((PROCESSES * count / _seconds_of(PROCESSES, url, count), alone))
    rates = [statistics.median(column) for column in zip(*taken, strict=True)]
    said = f"{rates[0]:,.0f} rows/s by {PROCESSES} processes, {rates[1]:,.0f} by one"
    return Result([together / alone for together, alone in taken], said)


def _seconds_of(processes: int, url: str, count: int) -> float:
    """Let processes send at once, and return how long it takes until all have."""
    command = [sys.executable, "-c", SENDER, url, str(count)]
    started = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "sent\n"
    taken = time.perf_counter() - began
    for process in started:
        process.communicate()
        assert process.returncode == 0
    return taken


def size(rows: int | None, _: int) -> Result:
    """Megabytes of a million rows as they are sent; with statuses and ids of messages it is told beside it."""
    count, found = min(rows or OLD // 5, OLD), {}
    with TemporaryDirectory(prefix="d7nb-") as place, postgres() as url:
        for name, address in (("SQLite", f"{place}/ledger.sqlite3"), ("PostgreSQL", url)):
            with Ledger(address) as ledger:
                sizes = [_size_of(ledger)]
                for campaign, with_statuses in (("plain", False), ("followed", True)):
                    fill(ledger, count, campaign, with_statuses=with_statuses)
                    sizes.append(_size_of(ledger))
            found[name] = [(sizes[place + 1] - sizes[place]) / count for place in (0, 1)]
    told = (f"{name} {plain:.0f} MB, with statuses {followed:.0f}" for name, (plain, followed) in found.items())
    return Result([found["SQLite"][0]], f"a million rows, from {count:,}: {'; '.join(told)}")


def _size_of(ledger: Ledger) -> int:
    """Bytes of all tables and indexes."""
    asks = {
        "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "postgresql": "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND"
        " relnamespace = current_schema()::regnamespace",
    }
    with ledger._database.reading() as connection:
        return int(connection.execute(text(asks[ledger._database.dialect])).scalar_one())


TARGETS = (
    Target(11, "the ledger with 1 M old rows, against a new one", 1.1, 1.05, "x", False, with_old_rows, "a"),
    Target(11, "a new ledger, against bare sqlite3", 1.3, 1.1, "x", False, fresh_against_bare, "b"),
    Target(11, "looking up 1 % of a campaign, against a small one", 3, 1.5, "x", False, look_up, "c"),
    Target(11, "four senders in PostgreSQL, against one", 1.5, 1.9, "x", True, several_processes, "d"),
    Target(11, "the size of a million rows in SQLite", 200, 150, "MB", False, size, "e"),
)
