"""Targets 5, 6 and 8: over HTTP to a stand-in in another process, with a ledger on disk as users have it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import direct7  # type: ignore[import-untyped]

import d7nb
from tests.benchmarks.measuring import Result, Target, in_turns, medians, seconds
from tests.benchmarks.serving import Server, serving
from tests.benchmarks.tables import BODY, ORIGINATOR, people, planned

if TYPE_CHECKING:
    import pandas as pd

ROWS, SLICE, MANY = 2_000, 40, 1_000_000
SINGLE = 800
LATENCY = 0.05
WORKERS = 8  # as many as a client has by itself


class Sends:
    """Sends one plan again and again: each time with a new ledger, so that nobody has got anything yet."""

    def __init__(self, plan: d7nb.Plan, folder: str, server: Server, **options: Any) -> None:
        self.plan, self.folder, self.server = plan, Path(folder), server
        self.options = {"base_url": server.url, "rate": None, **options}
        self._count = 0

    def __call__(self) -> d7nb.Delivery:
        self._count += 1
        with d7nb.Client("sandbox", **self.options) as client:
            return self.plan.send(client, ledger=self.folder / f"ledger{self._count}.sqlite3", progress=False)

    def first_post(self) -> float:
        """Seconds from `Plan.send` to the first request that reached the server."""
        self._count += 1
        with d7nb.Client("sandbox", **self.options) as client:
            ledger = self.folder / f"ledger{self._count}.sqlite3"
            began = time.perf_counter()
            delivery = self.plan.send(client, ledger=ledger, progress=False, wait=False)
            while not delivery.summary["accepted"]:
                time.sleep(0.01)
            delivery.stop()
            delivery.wait()
        return self.server.log().first - began


def official(server: Server, frame: pd.DataFrame) -> None:
    """The official SDK sends one row a call: there is no other way to send each row its own text."""
    client = direct7.Client("sandbox")
    client.host(server.url)
    for phone, name, amount in zip(frame["phone"], frame["name"], frame["amount"], strict=True):
        text = BODY.format(name=name, amount=amount)
        client.whatsapp.send_whatsapp_freeform_message(ORIGINATOR, phone, "TEXT", body=text)
    client.session.close()


def told(bodies: list[Any]) -> list[Any]:
    """Who is told what by requests: the SDK sends nulls, and we a reference and a type, beside that."""
    found = [
        (
            message["originator"],
            recipient["recipient"],
            message["content"]["message_type"],
            message["content"]["text"]["body"],
        )
        for body in bodies
        for message in body["messages"]
        for recipient in message["recipients"]
    ]
    return sorted(found)


def against_the_sdk(rows: int | None, runs: int) -> Result:
    rows = min(rows or ROWS, ROWS)
    frame = people(rows).assign(phone=lambda given: given["phone"].str.replace(" ", ""))
    part = frame.head(SLICE)
    with TemporaryDirectory(prefix="d7nb-") as folder, serving(LATENCY) as server:
        Sends(planned(part), folder, server)()
        ours = told(server.log().bodies)
        official(server, part)
        assert ours == told(server.log().bodies), "the messages differ, so their times can't be compared"
        send = Sends(planned(frame), folder, server)
        send._count = 1
        taken = in_turns(send, lambda: official(server, part), runs=runs, clock=time.perf_counter)
        assert server.log().count
    scale = len(frame) / len(part)
    our_time, their_time = medians(taken)
    said = f"{rows:,} rows at {1000 * LATENCY:.0f} ms: {our_time:.2f} s against {scale * their_time:.0f} s, scaled"
    return Result([scale * theirs / ours for ours, theirs in taken], said)


def single_rows(rows: int | None, runs: int) -> Result:
    rows = min(rows or SINGLE, SINGLE)
    limit = WORKERS / LATENCY
    with TemporaryDirectory(prefix="d7nb-") as folder, serving(LATENCY) as server:
        send = Sends(planned(people(rows)), folder, server, workers=WORKERS, batch_size=1)
        rates = [rows / seconds(send, time.perf_counter) for _ in range(runs)]
        assert server.log().count == runs * rows
    said = f"{rows:,} requests by {WORKERS} workers: {statistics.median(rates):.0f} messages/s of {limit:.0f}"
    return Result([rate / limit for rate in rates], said)


def until_the_first_post(rows: int | None, runs: int) -> Result:
    rows = min(rows or MANY, MANY)
    taken = []
    for _ in range(runs):  # a plan keeps what it has worked out for its first send
        with TemporaryDirectory(prefix="d7nb-") as folder, serving() as server:
            taken.append(Sends(planned(people(rows)), folder, server).first_post())
    return Result(taken, f"{rows:,} rows, a new plan and a new ledger each time")


TARGETS = (
    Target(5, "a send at 50 ms, against the official SDK", 200, 500, "times faster", True, against_the_sdk),
    Target(6, "single rows at 50 ms, against workers/latency", 0.9, 0.95, "of the limit", True, single_rows),
    Target(8, "from send() to the first POST, plan of 1 M rows", 0.5, 0.1, "s", False, until_the_first_post),
)
