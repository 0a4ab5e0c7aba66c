"""Target 12: the memory that a large ledger takes when it is shown, exported, counted, and forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from d7nb.ledger import Ledger
from tests.benchmarks.measuring import Result, Target, alone
from tests.benchmarks.old_rows import fill

MANY = 1_000_000
JOINED = 10_000

COST = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
import pandas as pd
import openpyxl
import d7nb, d7nb.cli.ledger, d7nb.delivery
from d7nb.ledger import Ledger
from tests.benchmarks.ledger import people
from tests.benchmarks.measuring import forget_peak, peak, resident
path, what, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])

def export(ledger, ending):
    out = Path(path).with_name("export" + ending)
    d7nb.cli.ledger.export.main([str(out), "--ledger", path], standalone_mode=False)

works = {
    "frame": lambda ledger: ledger.frame(),
    "csv": lambda ledger: export(ledger, ".csv"),
    "xlsx": lambda ledger: export(ledger, ".xlsx"),
    "campaigns": lambda ledger: ledger.campaigns(),
    "delivery": lambda ledger: ledger.delivery(
        pd.DataFrame({"to": people(rows)}), campaign="old", to="to", country="+"
    ),
    "forget": lambda ledger: ledger.forget("old", datetime(2100, 1, 1, tzinfo=UTC)),
}
with Ledger(path) as ledger:
    if what != "forget":
        pd.DataFrame({"a": pd.Series(["text"], dtype="str"), "at": pd.to_datetime(["2026-11-30"], utc=True)})
    forget_peak()
    before, clock = resident(), time.process_time()
    found = works[what](ledger)
    clock = time.process_time() - clock
    size = int(found.memory_usage(deep=True).sum()) if isinstance(found, pd.DataFrame) else 0
    print()
    print(peak() - before, size, clock)
"""
"""Prints the peak above what was there before, the size of the result, and the seconds of the processor."""


def cost_of(path: Path, what: str, rows: int = 0) -> tuple[int, int, float]:
    """Do one thing with a ledger in a process of its own."""
    peak, size, clock = alone(COST, path, what, rows).splitlines()[-1].split()
    return int(peak), int(size), float(clock)


@contextmanager
def old_ledger(rows: int, *, with_statuses: bool = False) -> Iterator[Path]:
    with TemporaryDirectory(prefix="d7nb-") as place:
        path = Path(place) / "ledger.sqlite3"
        with Ledger(path) as ledger:
            fill(ledger, rows, "old", with_statuses=with_statuses)
        yield path


def frame(rows: int | None, runs: int) -> Result:
    rows = min(rows or MANY, MANY)
    with old_ledger(rows) as path:
        costs = [cost_of(path, "frame") for _ in range(runs)]
    peak, size, clock = costs[0]
    said = f"{rows:,} rows: {peak / 1e6:.0f} MB for a frame of {size / 1e6:.0f} MB; {clock:.1f} s of the processor"
    return Result([peak / size for peak, size, _ in costs], said)


def slices(rows: int | None, runs: int) -> Result:
    """What works in slices: its peak in MB, however many rows there are; told for each, the worst counts."""
    rows = min(rows or MANY, MANY)
    worst, said = [], ""
    for _ in range(min(runs, 2)):
        with old_ledger(rows, with_statuses=True) as path:
            costs = {what: cost_of(path, what, JOINED) for what in ("campaigns", "delivery", "csv", "xlsx")}
            before = path.stat().st_size
            costs["forget"] = cost_of(path, "forget")
            after = path.stat().st_size
        told = (f"{what} {peak / 1e6:.0f} MB, {clock:.1f} s" for what, (peak, _, clock) in costs.items())
        said = f"{rows:,} rows: {'; '.join(told)}; the file {before / 1e6:.0f} MB, then {after / 1e6:.1f}"
        worst.append(max(peak for peak, _, _ in costs.values()) / 1e6)
    return Result(worst, said)


TARGETS = (
    Target(12, "peak of Ledger.frame(), against its result", 2, 1.5, "x", False, frame, "a"),
    Target(12, "peak of exports, counts, a look-up and forget()", 150, 100, "MB", False, slices, "b"),
)
