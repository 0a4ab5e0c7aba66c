"""Processes that claim, record, settle, hear and forget the same rows of a ledger at once, and what must come of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from d7nb.api.statuses import StatusUpdate
from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.keys import base32
from d7nb.store.settle import settle
from tests.support.ledgers import CAMPAIGN, DESTINATION, LATER, NOW, claim, keys, look_up, start_run

ROOT = Path(__file__).parents[2]
ROWS = 3_000
WINDOW = 60
"""Rows that are worked on at a time: all processes move on together, so that they meet."""
BEFORE = NOW + timedelta(minutes=30)
"""Rejections are recorded before this moment, all else after it: only what is rejected is ever forgotten."""
WORK = """
import sys
from tests.support.concurrent_ledger import work
work(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
"""


def work_at_once(place: str, seed: int, *, seconds: float = 60) -> str:
    """Let processes work on one ledger for some time: no row is sent twice, or without a trace, and none fails."""
    Ledger(place).close()
    command = [sys.executable, "-c", WORK, place]
    children = [
        subprocess.Popen([*command, str(seed * 10 + number), str(seconds)], cwd=ROOT, text=True, stdout=subprocess.PIPE)
        for number in range(2)
    ]
    said = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    reports = [json.loads(words) for words in said]
    failures = [failure for report in reports for failure in report["failures"]]
    assert not failures, failures
    sent = Counter(row for report in reports for row in report["sent"])
    assert sent, "nothing was sent"
    assert not [row for row, count in sent.items() if count > 1]
    with Ledger(place) as ledger:
        outcomes = look_up(ledger, sorted(sent), LATER).outcome.tolist()
    assert set(outcomes) <= {"accepted", "unknown"}, Counter(outcomes)
    counts = sum((Counter(report["counts"]) for report in reports), Counter())
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


def work(place: str, seed: int, seconds: float) -> None:
    """Work on a ledger in several threads, each with connections of its own, and print what came of it."""
    roles = [_send, _send, _settle, _hear, _forget]
    end = time.monotonic() + seconds
    report: dict[str, list[object]] = {"sent": [], "failures": []}
    counts: Counter[str] = Counter()

    def run(number: int) -> None:
        draw = random.Random(seed * 100 + number)
        try:
            with Ledger(place) as ledger:
                while time.monotonic() < end:
                    progress = max(0.0, 1 - (end - time.monotonic()) / seconds)
                    start = min(int(progress * ROWS) // WINDOW * WINDOW, ROWS - WINDOW)
                    roles[number](ledger, draw, range(start, start + WINDOW), report["sent"], counts)
        except Exception as failure:  # noqa: BLE001  (whatever it is, it is told)
            report["failures"].append(f"{roles[number].__name__}: {failure!r}")

    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(run, range(len(roles))))
    print(json.dumps(report | {"counts": counts}))


def _send(ledger: Ledger, draw: random.Random, rows: range, sent: list[object], counts: Counter[str]) -> None:
    """Claim two requests in any order, and record them together, in parts."""
    with start_run(ledger) as run:
        for _ in range(3):
            parts = [draw.sample(rows, draw.randrange(2, 12)) for _ in range(2)]
            claims = [(part, claim(run, part, LATER)) for part in parts]
            kept: list[int] = []
            with run.together([claimed for _, claimed in claims]):
                for part, claimed in claims:
                    places = [place for place in range(len(part)) if claimed.open[place]]
                    draw.shuffle(places)
                    refused, rest = places[: len(places) // 2], places[len(places) // 2 :]
                    if refused:
                        reasons = [draw.choice("abc") for _ in refused]
                        run.record(claimed, "rejected", rows=refused, reasons=reasons, at=NOW)
                    if rest:
                        outcome = draw.choice(["accepted", "accepted", "unknown"])
                        run.record(claimed, outcome, rows=rest, request_id=f"id-{run.id}-{claimed.request}", at=LATER)
                        kept += [part[place] for place in rest]
            sent += kept
            counts["sent"] += len(kept)


def _settle(ledger: Ledger, draw: random.Random, rows: range, _: list[object], counts: Counter[str]) -> None:
    try:
        some = draw.sample(rows, 20)
        campaign = ledger.campaign(DESTINATION, CAMPAIGN)
        counts["settled"] += settle(campaign, keys(some, CAMPAIGN), "sent", LATER).settled
    except LedgerError as error:
        if "being sent right now" not in str(error):
            raise


def _hear(ledger: Ledger, draw: random.Random, rows: range, _: list[object], counts: Counter[str]) -> None:
    some = draw.sample(rows, 10)
    updates = [
        StatusUpdate(
            f"heard-{draw.randrange(9)}", draw.choice(["sent", "delivered", "failed"]), LATER, "m", "", (mark,)
        )
        for mark in base32(keys(some, CAMPAIGN))
    ]
    counts["heard"] += ledger.take_in(DESTINATION, updates=updates, at=LATER)


def _forget(ledger: Ledger, _: random.Random, __: range, ___: list[object], counts: Counter[str]) -> None:
    counts["forgotten"] += ledger.forget(CAMPAIGN, BEFORE)
