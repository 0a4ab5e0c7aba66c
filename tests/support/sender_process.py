"""Run senders that can be killed, and a sandbox that outlives them, each in a process of its own."""

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
    """Return valid numbers that are reserved for fiction: +1 NPA 555 01xx, over all area codes."""
    areas = [area for area in range(201, 990) if phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}5550100"))]
    numbers = [f"+1{area}55501{last:02}" for area in areas for last in range(100)]
    assert len(numbers) >= count
    return numbers[:count]


def planned(rows: int) -> d7nb.Plan:
    """Return a plan in which some rows share their text and others do not."""
    frame = pd.DataFrame({"phone": fictional(rows), "name": [f"N{row % 700}" for row in range(rows)]})
    return d7nb.plan(frame, Text("Hi {name}"), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN)


class RemoteSandbox:
    """A sandbox in another process, reached over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fail(self, kind: str, times: int = 1, **options: Any) -> None:
        fault = {"kind": kind, "times": times, "options": options}
        requests.post(f"{self.url}/_sandbox/faults", json=fault, timeout=30).raise_for_status()

    def recipients(self) -> Counter[str]:
        """Return the number of messages that each recipient got."""
        response = requests.get(f"{self.url}/_sandbox/messages", timeout=60).json()
        return Counter(message["recipient"] for message in response["messages"])

    def request_ids(self) -> dict[str, str]:
        """Return the id of the request that brought each recipient's message."""
        response = requests.get(f"{self.url}/_sandbox/messages", timeout=60).json()
        return {message["recipient"]: message["request_id"] for message in response["messages"]}

    def client(self, **options: Any) -> d7nb.Client:
        return d7nb.Client(
            "sandbox", base_url=self.url, **{"rate": None, "workers": WORKERS, "batch_size": BATCH} | options
        )


@contextmanager
def remote_sandbox() -> Iterator[RemoteSandbox]:
    """Run ``python -m d7nb sandbox`` until the end of the block."""
    command = [sys.executable, "-m", "d7nb", "sandbox"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first_line = process.stdout.readline()
            url = re.search(r"http://\S+", first_line)
            assert url, first_line
            yield RemoteSandbox(url[0])
        finally:
            process.terminate()


def send_all(location: str, url: str, rows: int, options: dict[str, Any], started: Any) -> None:
    """Send a plan in this process, and exit."""
    plan = planned(rows)
    started.set()
    with RemoteSandbox(url).client(**options) as client:
        plan.send(client, ledger=location, progress=False)
    os._exit(0)


class Sender:
    """A sender in a process of its own, forked from one that has all modules loaded."""

    _context = multiprocessing.get_context("forkserver")
    _context.set_forkserver_preload(["tests.support.sender_process"])

    def __init__(self, location: str, url: str, rows: int, **options: Any) -> None:
        self._started = self._context.Event()
        self._process = self._context.Process(
            target=send_all, args=(location, url, rows, options, self._started), daemon=True
        )
        self._process.start()

    def wait_until_started(self) -> None:
        """Wait until it starts to send."""
        assert self._started.wait(60)

    def kill(self) -> bool:
        """Kill the process, and return whether it was still running."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode != 0

    def wait_until_ended(self) -> None:
        """Wait until the process ends by itself."""
        self._process.join(120)
        assert self._process.exitcode == 0


def check_consistency(plan: d7nb.Plan, location: str, remote: RemoteSandbox) -> d7nb.Delivery:
    """Check that nobody got two messages, and that ledger, sandbox and delivery agree row by row."""
    received, request_ids = remote.recipients(), remote.request_ids()
    assert not received or max(received.values()) == 1, [number for number, count in received.items() if count > 1][:3]
    with remote.client() as client:
        delivery = plan.delivery(client, ledger=location)
    frame = delivery.frame.set_index("d7_recipient")
    assert sum(delivery.summary.values()) == len(plan)
    outcome = frame["d7_outcome"].astype("str")
    for number in outcome.index[outcome == "accepted"]:
        assert request_ids[number] == frame.loc[number, "d7_request_id"]
    assert set(outcome[list(received)]) <= {"accepted", "unknown"}
    with d7nb.Ledger(location) as ledger:
        rows = ledger.frame()
    assert (
        rows["outcome"].value_counts().to_dict().items()
        >= {
            outcome: count
            for outcome, count in delivery.summary.items()
            if count and outcome in {"accepted", "unknown", "rejected"}
        }.items()
    )
    return delivery


def settle_and_finish(plan: d7nb.Plan, location: str, remote: RemoteSandbox) -> None:
    """Settle the unknown rows by what the sandbox received, send the others, and check that everybody got one."""
    with remote.client() as client:
        delivery = plan.delivery(client, ledger=location)
        frame, received = delivery.frame, remote.recipients()
        unknown = frame["d7_outcome"] == "unknown"
        arrived = frame["d7_recipient"].isin(list(received))
        delivery.settle("sent", rows=unknown & arrived)
        delivery.settle("not_sent", rows=unknown & ~arrived)
        plan.send(client, ledger=location, progress=False)
        assert plan.delivery(client, ledger=location).summary["accepted"] == len(plan)
    assert remote.recipients() == Counter(plan.rows["recipient"].tolist())


def kill_repeatedly(location: str, seed: int, kills: int = 100, rows: int = 2_000) -> str:
    """Kill a sender at random moments and start it again, until all rows are sent."""
    generator, plan, hits, in_doubt = random.Random(seed), planned(rows), 0, 0
    with remote_sandbox() as remote:
        remote.fail("delay", seconds=0.03, probability=1.0, seed=seed)
        while hits < kills:
            sender = Sender(location, remote.url, rows)
            sender.wait_until_started()
            time.sleep(generator.uniform(0.0, 0.25))
            hits += sender.kill()
            with remote.client() as client:
                summary = plan.delivery(client, ledger=location).summary
            assert summary["unknown"] - in_doubt <= WORKERS * BATCH
            in_doubt = summary["unknown"]
        unsent = summary["unsent"]
        Sender(location, remote.url, rows, workers=16).wait_until_ended()
        delivery = check_consistency(plan, location, remote)
        assert delivery.summary["unsent"] == 0
        settle_and_finish(plan, location, remote)
    return (
        f"{kills} kills, {unsent:,} of {rows:,} rows unsent after them, {in_doubt} in doubt, nobody twice, nobody lost"
    )


FAULTS = {
    "429": ("status", {"code": 429, "retry_after": 0}, 0.05),
    "503": ("status", {"code": 503}, 0.03),
    "502, taken": ("status", {"code": 502, "taken": True}, 0.02),
    "drop before": ("drop_before", {}, 0.03),
    "drop after": ("drop_after", {}, 0.03),
    "delay": ("delay", {"seconds": 0.02}, 0.02),
    "garbage": ("garbage", {}, 0.02),
}


def send_through_faults(location: str, seed: int, rows: int = 20_000) -> str:
    """Send while every fifth request goes wrong."""
    plan = planned(rows)
    with remote_sandbox() as remote:
        for number, (kind, options, share) in enumerate(FAULTS.values()):
            remote.fail(kind, **options, probability=share, seed=seed * 100 + number)
        runs = 0
        with remote.client(workers=8, batch_size=20) as client:
            while plan.going(client, ledger=location).any():
                sent = plan.send(client, ledger=location, progress=False)
                runs += 1
        delivery = check_consistency(plan, location, remote)
        assert delivery.summary["unsent"] == 0
        outcomes = sent.frame["d7_outcome"].astype("str").replace({"already_sent": "accepted"})
        assert outcomes.tolist() == delivery.frame["d7_outcome"].astype("str").tolist()
        in_doubt = delivery.summary["unknown"]
        assert in_doubt
        requests.post(f"{remote.url}/_sandbox/reset", timeout=30)
    return f"{rows:,} rows in {runs} runs, {in_doubt:,} in doubt, nobody twice, nobody lost"


def send_from_two_processes(location: str, seed: int, rows: int = 600, *, kill: bool = False) -> str:
    """Send one plan from two processes at once; one of them may be killed."""
    plan, generator = planned(rows), random.Random(seed)
    with remote_sandbox() as remote:
        remote.fail("delay", seconds=0.01, probability=1.0, seed=seed)
        senders = [Sender(location, remote.url, rows) for _ in range(2)]
        for sender in senders:
            sender.wait_until_started()
        if kill:
            time.sleep(generator.uniform(0.05, 0.5))
            senders.pop().kill()
        for sender in senders:
            sender.wait_until_ended()
        Sender(location, remote.url, rows).wait_until_ended()  # the rows that the other process was sending
        delivery = check_consistency(plan, location, remote)
        assert delivery.summary["unsent"] == 0
        assert delivery.summary["unknown"] <= (WORKERS * BATCH if kill else 0)
        settle_and_finish(plan, location, remote)
    return f"{rows:,} rows by two{', one killed' * kill}, {delivery.summary['unknown']} in doubt"
