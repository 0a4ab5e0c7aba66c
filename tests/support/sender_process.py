"""Senders that can be killed, and a sandbox that outlives them, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import phonenumbers
import requests

import d7nb
from d7nb import Text

ROOT = Path(__file__).parents[2]
ORIGINATOR = "+12025550100"
CAMPAIGN = "soak"
WORKERS, BATCH = 3, 3


@cache
def fictional(count: int) -> list[str]:
    """Numbers that are valid and nobody's: +1 NPA 555 01xx, over all area codes."""
    areas = [area for area in range(201, 990) if phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}5550100"))]
    found = [f"+1{area}55501{last:02}" for area in areas for last in range(100)]
    assert len(found) >= count
    return found[:count]


def planned(rows: int) -> d7nb.Plan:
    """A plan in which some share a text and some do not."""
    frame = pd.DataFrame({"phone": fictional(rows), "name": [f"N{row % 700}" for row in range(rows)]})
    return d7nb.plan(frame, Text("Hi {name}"), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN)


class Remote:
    """A sandbox in another process, as one talks to it over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fail(self, kind: str, times: int = 1, **options: Any) -> None:
        order = {"kind": kind, "times": times, "options": options}
        requests.post(f"{self.url}/_sandbox/faults", json=order, timeout=30).raise_for_status()

    def recipients(self) -> Counter[str]:
        """How many messages each recipient got."""
        answer = requests.get(f"{self.url}/_sandbox/messages", timeout=60).json()
        return Counter(message["recipient"] for message in answer["messages"])

    def ids(self) -> dict[str, str]:
        """The request that brought each recipient's message."""
        answer = requests.get(f"{self.url}/_sandbox/messages", timeout=60).json()
        return {message["recipient"]: message["request_id"] for message in answer["messages"]}

    def client(self, **options: Any) -> d7nb.Client:
        return d7nb.Client(
            "sandbox", base_url=self.url, **{"rate": None, "workers": WORKERS, "batch_size": BATCH} | options
        )


@contextmanager
def remote_sandbox() -> Iterator[Remote]:
    """``python -m d7nb sandbox``, until the end of the block."""
    command = [sys.executable, "-m", "d7nb", "sandbox"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            url = re.search(r"http://\S+", said)
            assert url, said
            yield Remote(url[0])
        finally:
            process.terminate()


def send_all(place: str, url: str, rows: int, options: dict[str, Any], begins: Any) -> None:
    """A sender's whole life, unless it is killed."""
    plan = planned(rows)
    begins.set()
    with Remote(url).client(**options) as client:
        plan.send(client, ledger=place, progress=False)
    os._exit(0)


class Sender:
    """One sender in a process of its own, forked from one that has everything loaded."""

    _context = multiprocessing.get_context("forkserver")
    _context.set_forkserver_preload(["tests.support.sender_process"])

    def __init__(self, place: str, url: str, rows: int, **options: Any) -> None:
        self._begins = self._context.Event()
        self._process = self._context.Process(
            target=send_all, args=(place, url, rows, options, self._begins), daemon=True
        )
        self._process.start()

    def began(self) -> None:
        """Wait until it begins to send."""
        assert self._begins.wait(60)

    def kill(self) -> bool:
        """SIGKILL; whether it hit a living process."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode != 0

    def ended(self) -> None:
        """Wait for its own end."""
        self._process.join(120)
        assert self._process.exitcode == 0


def check_books(plan: d7nb.Plan, place: str, remote: Remote) -> d7nb.Delivery:
    """Nobody twice, nobody lost; and ledger, sandbox and delivery agree row by row."""
    got, ids = remote.recipients(), remote.ids()
    assert not got or max(got.values()) == 1, [number for number, count in got.items() if count > 1][:3]
    with remote.client() as client:
        delivery = plan.delivery(client, ledger=place)
    frame = delivery.frame.set_index("d7_recipient")
    assert sum(delivery.summary.values()) == len(plan)
    outcome = frame["d7_outcome"].astype("str")
    for number in outcome.index[outcome == "accepted"]:
        assert ids[number] == frame.loc[number, "d7_request_id"]
    assert set(outcome[list(got)]) <= {"accepted", "unknown"}
    with d7nb.Ledger(place) as ledger:
        rows = ledger.frame()
    assert (
        rows["outcome"].value_counts().to_dict().items()
        >= {
            word: count
            for word, count in delivery.summary.items()
            if count and word in {"accepted", "unknown", "rejected"}
        }.items()
    )
    return delivery


def settle_and_finish(plan: d7nb.Plan, place: str, remote: Remote) -> None:
    """Settle what is in doubt by what the sandbox has, send the rest, and everybody has got it once."""
    with remote.client() as client:
        delivery = plan.delivery(client, ledger=place)
        frame, got = delivery.frame, remote.recipients()
        unknown = frame["d7_outcome"] == "unknown"
        arrived = frame["d7_recipient"].isin(list(got))
        delivery.settle("sent", rows=unknown & arrived)
        delivery.settle("not_sent", rows=unknown & ~arrived)
        plan.send(client, ledger=place, progress=False)
        assert plan.delivery(client, ledger=place).summary["accepted"] == len(plan)
    assert remote.recipients() == Counter(plan.rows["recipient"].tolist())


def killed_again_and_again(place: str, seed: int, kills: int = 100, rows: int = 2_000) -> str:
    """A sender is killed at random moments and started again until all is done."""
    moments, plan, hits, in_doubt = random.Random(seed), planned(rows), 0, 0
    with remote_sandbox() as remote:
        remote.fail("delay", seconds=0.03, probability=1.0, seed=seed)
        while hits < kills:
            sender = Sender(place, remote.url, rows)
            sender.began()
            time.sleep(moments.uniform(0.0, 0.25))  # the moment of death
            hits += sender.kill()
            with remote.client() as client:
                summary = plan.delivery(client, ledger=place).summary
            assert summary["unknown"] - in_doubt <= WORKERS * BATCH
            in_doubt = summary["unknown"]
        left = summary["unsent"]
        Sender(place, remote.url, rows, workers=16).ended()
        delivery = check_books(plan, place, remote)
        assert delivery.summary["unsent"] == 0
        settle_and_finish(plan, place, remote)
    return f"{kills} kills, {left:,} of {rows:,} rows left after them, {in_doubt} in doubt, nobody twice, nobody lost"


STORM = {
    "429": ("status", {"code": 429, "retry_after": 0}, 0.05),
    "503": ("status", {"code": 503}, 0.03),
    "502, taken": ("status", {"code": 502, "taken": True}, 0.02),
    "drop before": ("drop_before", {}, 0.03),
    "drop after": ("drop_after", {}, 0.03),
    "delay": ("delay", {"seconds": 0.02}, 0.02),
    "garbage": ("garbage", {}, 0.02),
}


def through_a_storm(place: str, seed: int, rows: int = 20_000) -> str:
    """Every fifth request goes wrong."""
    plan = planned(rows)
    with remote_sandbox() as remote:
        for number, (kind, options, share) in enumerate(STORM.values()):
            remote.fail(kind, **options, probability=share, seed=seed * 100 + number)
        runs = 0
        with remote.client(workers=8, batch_size=20) as client:
            while plan.going(client, ledger=place).any():
                sent = plan.send(client, ledger=place, progress=False)
                runs += 1
        delivery = check_books(plan, place, remote)
        assert delivery.summary["unsent"] == 0
        told = sent.frame["d7_outcome"].astype("str").replace({"already_sent": "accepted"})
        assert told.tolist() == delivery.frame["d7_outcome"].astype("str").tolist()
        in_doubt = delivery.summary["unknown"]
        assert in_doubt
        requests.post(f"{remote.url}/_sandbox/reset", timeout=30)
    return f"{rows:,} rows in {runs} runs, {in_doubt:,} in doubt, nobody twice, nobody lost"


def two_at_once(place: str, seed: int, rows: int = 600, *, kill: bool = False) -> str:
    """Two senders share a plan; one of them may be killed."""
    plan, moments = planned(rows), random.Random(seed)
    with remote_sandbox() as remote:
        remote.fail("delay", seconds=0.01, probability=1.0, seed=seed)
        senders = [Sender(place, remote.url, rows) for _ in range(2)]
        for sender in senders:
            sender.began()
        if kill:
            time.sleep(moments.uniform(0.05, 0.5))  # the moment of death
            senders.pop().kill()
        for sender in senders:
            sender.ended()
        Sender(place, remote.url, rows).ended()  # what another was just sending, when it was asked for
        delivery = check_books(plan, place, remote)
        assert delivery.summary["unsent"] == 0
        assert delivery.summary["unknown"] <= (WORKERS * BATCH if kill else 0)
        settle_and_finish(plan, place, remote)
    return f"{rows:,} rows by two{', one killed' * kill}, {delivery.summary['unknown']} in doubt"
