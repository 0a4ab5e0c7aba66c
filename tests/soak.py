"""Kills, storms and rivals, with a new seed each time, for as long as you like.

``python -m tests.soak --minutes N`` ends with 1 at the first thing that is not as promised, and names its seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.support.concurrent_ledger import work_at_once
from tests.support.event_fuzz import post_random_bodies
from tests.support.ledger_model import run_model
from tests.support.ledgers import postgres
from tests.support.receiver_process import kill_while_receiving
from tests.support.sender_process import kill_repeatedly, send_from_two_processes, send_through_faults
from tests.support.upgrades import kill_fifty_upgrades

Trial = Callable[[str, int], str]

TRIALS: dict[str, Trial] = {
    "kill": kill_repeatedly,
    "storm": send_through_faults,
    "two": send_from_two_processes,
    "two, one killed": lambda place, seed: send_from_two_processes(place, seed, kill=True),
    "events": kill_while_receiving,
    "fuzz": post_random_bodies,
    "at once": work_at_once,
    "upgrade": kill_fifty_upgrades,
    "model": run_model,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--only", choices=TRIALS, action="append")
    parser.add_argument("--postgresql", action="store_true", help="keep the ledger there, and not in SQLite")
    options = parser.parse_args()
    end, seed = time.monotonic() + 60 * options.minutes, options.seed
    while time.monotonic() < end:
        for name in options.only or TRIALS:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="d7nb-")))
                place = stack.enter_context(postgres()) if options.postgresql else str(folder / "ledger.sqlite3")
                try:
                    print(f"{name}, seed {seed}: {TRIALS[name](place, seed)}", flush=True)
                except AssertionError:
                    traceback.print_exc()
                    print(f"{name}, seed {seed}: not as promised", flush=True)
                    return 1
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
