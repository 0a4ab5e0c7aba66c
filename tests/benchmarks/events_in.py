"""How many events a second the receiver takes in, each on the disk when it is answered; the aim is 2,000 on one core.

Run from the repository's root, on a machine with two cores and nothing else to do:
``python -m tests.benchmarks.events_in``. The receiver has one core for all that it does, the sender the other.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ledgers import postgres
from tests.support.receiver_process import (
    STATUSES,
    check_statuses,
    load_statuses,
    post_all,
    record_accepted,
    remote_receiver,
    shuffled_bodies,
)


def measure(place: str, events: int, connections: int) -> None:
    """Post events about every row, and find all of them in the ledger."""
    rows = events // len(STATUSES)
    bodies, told = shuffled_bodies(record_accepted(place, rows), seed=1)
    first, *others = sorted(os.sched_getaffinity(0))
    with remote_receiver(place, cores={first}) as receiver:
        os.sched_setaffinity(0, others)
        before = os.times()
        took = post_all(receiver.port, bodies, connections)
        after = os.times()
        os.sched_setaffinity(0, {first, *others})
        ticks = Path(f"/proc/{receiver.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        used = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    check_statuses(load_statuses(place, rows), told)
    sender = after.user + after.system - before.user - before.system
    print(
        f"  {connections:4} connections: {events:,} events in {took:5.1f} s, {events / took:6,.0f} a second"
        f" (processor: receiver {used / took:4.0%}, its start included, sender {sender / took:4.0%})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.events_in", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--postgresql", action="store_true", help="keep the ledger there, and not in SQLite")
    options = parser.parse_args()
    print("PostgreSQL:" if options.postgresql else "SQLite, WAL, synchronous = FULL:")
    for connections in options.connections or (64, 16, 256):
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="d7nb-"))
            place = stack.enter_context(postgres()) if options.postgresql else f"{folder}/ledger.sqlite3"
            measure(place, options.events, connections)


if __name__ == "__main__":
    main()
