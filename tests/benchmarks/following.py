"""What `refresh` costs, beside fetching and parsing the same reports with bare requests; both of the processor alone.

Alone, it prints each run: ``python -m tests.benchmarks.following [rows]``. Each run begins as a first refresh does,
with nothing heard yet. The sandbox answers, from a process of its own.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

import d7nb
from tests.benchmarks.measuring import RUNS, in_turns
from tests.benchmarks.tables import people, planned
from tests.support.sender_process import remote_sandbox

ROWS = 100_000


def refreshing(rows: int | None = None, runs: int = RUNS) -> list[float]:
    """Our seconds for each of theirs, run after run."""
    with TemporaryDirectory(prefix="d7nb-") as folder, remote_sandbox() as sandbox:
        plan, place = planned(people(rows or ROWS)), Path(folder) / "sent.sqlite3"
        with sandbox.client(batch_size=100, workers=8) as client:
            sent = plan.send(client, ledger=place, progress=False)
            ids = sent.requests["request_id"].tolist()
            fresh = iter(_copies(place, runs, client, plan))

            def ours() -> None:
                delivery = next(fresh).refresh()
                assert delivery.frame["d7_status"].notna().all()

            def theirs() -> None:
                with requests.Session() as session:
                    session.headers["Authorization"] = "Bearer sandbox"
                    told = [session.get(f"{sandbox.url}/whatsapp/v2/report/{each}", timeout=60).json() for each in ids]
                assert sum(len(each["messages"]) for each in told) == len(sent)

            return [our / their for our, their in in_turns(ours, theirs, runs=runs)]


def _copies(place: Path, runs: int, client: d7nb.Client, plan: d7nb.Plan) -> list[d7nb.Delivery]:
    """The delivery as many times, each with a ledger of its own that has heard nothing."""
    with d7nb.Ledger(place) as ledger:
        ledger.frame()  # makes sure that all of it is in one file once it is closed
    copies = []
    for run in range(runs):
        copy = place.with_name(f"copy{run}.sqlite3")
        for end in ("", ".companion"):
            Path(f"{copy}{end}").write_bytes(Path(f"{place}{end}").read_bytes())
            Path(f"{copy}{end}").chmod(0o600)
        copies.append(plan.delivery(client, ledger=copy))
    return copies


if __name__ == "__main__":
    os.environ.pop("D7NB_LEDGER", None)
    ratios = refreshing(int(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(", ".join(f"{ratio:.2f}" for ratio in ratios))
    print(f"refresh() takes {statistics.median(ratios):.2f} times the processor that fetching and parsing takes")
