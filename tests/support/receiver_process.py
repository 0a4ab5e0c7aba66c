"""A receiver of events in a process of its own that can be killed, and a sender that retries what got no answer."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn

from d7nb.events.foreground import listen
from d7nb.ledger import Ledger
from d7nb.store.keys import base32
from d7nb.store.lookup import find_row_states
from d7nb.store.message_status import MessageStatuses, find_statuses
from d7nb.store.runs import Run
from tests.support.ledgers import CAMPAIGN, DESTINATION, NOW, keys
from tests.support.sender_process import fictional
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
SECRET = "a-path-that-nobody-will-guess"
ROWS_PER_REQUEST = 100
MAX_ROWS = 25_000
STATUSES = ("queued", "sent", "delivered", "read")
CONNECTIONS = 64
_ACKNOWLEDGEMENT = b"\r\n\r\nok\n"
_RESPONSE_HEAD = re.compile(rb"HTTP/1\.1 (\d+).*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL)


def request_id_of(row: int) -> str:
    """Return D7's id of the request that a row was sent with."""
    return f"0012c7f5-2ba5-49db-8901-{row // ROWS_PER_REQUEST:012}"


def time_of(status: str) -> datetime:
    """Return the time at which every row reached a status."""
    return NOW + timedelta(seconds=1 + STATUSES.index(status))


def record_accepted(location: str, rows: int) -> list[str]:
    """Record in a ledger that D7 accepted some rows, and return their keys as they are sent."""
    row_keys, numbers = keys(range(rows)), fictional(rows)
    with Ledger(location) as ledger, Run(ledger.campaign(DESTINATION, CAMPAIGN), last_request_seen=0) as run:
        for start in range(0, rows, ROWS_PER_REQUEST):
            part = slice(start, min(start + ROWS_PER_REQUEST, rows))
            claim = run.claim(row_keys[part], numbers[part], numbers[part], at=NOW)
            run.record(claim, "accepted", request_id=request_id_of(start), at=NOW)
    return base32(row_keys)


def load_statuses(location: str, rows: int) -> MessageStatuses:
    """Load the statuses of those rows from a ledger."""
    with Ledger(location) as ledger:
        row_keys = keys(range(rows))
        campaign = ledger.campaign(DESTINATION, CAMPAIGN)
        states = find_row_states(campaign, row_keys, fictional(rows), at=NOW)
        assert set(states.outcome) == {"accepted"}
        return find_statuses(campaign, row_keys, states.request)


def delivery_event(row: int, status: str, key: str, *, nested: bool = False, **fields: Any) -> dict[str, Any]:
    """Make a delivery event with all that D7's page lists, and other fields; those that are None are left out."""
    reference = {"cust_ref": "", **{f"message_tag{number}": "" for number in range(1, 5)}, "message_tag5": key}
    event = {
        "event_type": "DELIVERY_EVENTS",
        "timestamp": int(time_of(status).timestamp() * 1000) if status in STATUSES else int(NOW.timestamp() * 1000),
        "date": "2026-November-23",
        "request_id": request_id_of(row),
        "msg_id": f"{row:08}-2ba5-11ee-8901-0242ac120002",
        "conversation_type": "marketing",
        "message_type": "TEXT",
        "waConvId": f"{row:032x}",
        "recipient": fictional(MAX_ROWS)[row],
        "originator": "+12025550100",
        "status": status,
    }
    event |= {"reference": {**reference, "conversation_id": ""}} if nested else reference
    return {name: value for name, value in (event | fields).items() if value is not None}


def shuffled_bodies(row_keys: Sequence[str], seed: int) -> tuple[list[bytes], list[tuple[int, str]]]:
    """Make an event for every status of every row, in random order; return the bodies, and their rows and statuses."""
    row_statuses = [(row, status) for row in range(len(row_keys)) for status in STATUSES]
    random.Random(seed).shuffle(row_statuses)
    bodies = [
        orjson.dumps(delivery_event(row, status, row_keys[row], nested=row % 2 == 0)) for row, status in row_statuses
    ]
    return bodies, row_statuses


class Receiver:
    """``python -m d7nb receive`` on one port, which can be killed and started again."""

    def __init__(self, location: str, *arguments: str, cores: set[int] | None = None) -> None:
        self.port = free_port()
        self._location, self._arguments, self._cores = location, arguments, cores
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "d7nb",
            "receive",
            f"--port={self.port}",
            "--ledger",
            self._location,
            *self._arguments,
        ]
        environment = {**os.environ, "D7NB_EVENTS_SECRET": SECRET}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        own_cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores or own_cores)  # a child inherits its parent's cores
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)
        os.sched_setaffinity(0, own_cores)
        assert self.process.stdout is not None
        self.output = ""
        while "receives events" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.output += line

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.kill()
        self.process.communicate()

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal, and return the exit code and all output."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, self.output + out + err


@contextmanager
def remote_receiver(location: str, *arguments: str, cores: set[int] | None = None) -> Iterator[Receiver]:
    """Run a receiver until the end of the block."""
    receiver = Receiver(location, *arguments, cores=cores)
    try:
        yield receiver
    finally:
        receiver.kill()


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serve an ASGI application from a thread, and yield the URL of the receiver's path."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(application, ws="none", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/{SECRET}"
    finally:
        server.should_exit = True
        thread.join()


class Poster:
    """A client that posts bodies, one a request, and repeats each until it is acknowledged."""

    def __init__(self, port: int, bodies: Sequence[bytes], connections: int = CONNECTIONS) -> None:
        self.port, self.connections = port, connections
        head = b"POST /%s HTTP/1.1\r\nhost: d7nb\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.requests = [head % (SECRET.encode(), len(body)) + body for body in bodies]
        self.waiting = deque(range(len(bodies)))
        self.acknowledged: list[int] = []
        self.refused: list[int] = []
        self.open = 0
        self.done = asyncio.Event()
        self._connecting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Post until all bodies are acknowledged."""
        for _ in range(self.connections):
            self.connect()
        await self.done.wait()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self.open:
            await asyncio.sleep(0.01)

    def connect(self) -> None:
        """Open another connection as soon as the receiver listens."""
        task = asyncio.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        while not self.done.is_set():
            try:
                await asyncio.get_running_loop().create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return

    def acknowledge(self, number: int) -> None:
        """Note that a body was answered with 200."""
        self.acknowledged.append(number)
        if len(self.acknowledged) == len(self.requests):
            self.done.set()


class _Connection(asyncio.Protocol):
    """A connection that posts one body at a time."""

    def __init__(self, poster: Poster) -> None:
        self.poster, self.number, self.received = poster, -1, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.poster.open += 1
        self.post_next()

    def post_next(self) -> None:
        if self.poster.done.is_set():
            self.transport.close()
        elif self.poster.waiting:
            self.number = self.poster.waiting.popleft()
            self.transport.write(self.poster.requests[self.number])
        else:
            self.number = -1
            asyncio.get_running_loop().call_later(0.02, self.try_again)

    def try_again(self) -> None:
        if not self.transport.is_closing():
            self.post_next()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(_ACKNOWLEDGEMENT) and self.received.startswith(b"HTTP/1.1 200"):
            self.received, number, self.number = b"", self.number, -1
            self.poster.acknowledge(number)
            self.post_next()
        elif (head := _RESPONSE_HEAD.match(self.received)) and len(self.received) >= head.end() + int(head[2]):
            self.poster.refused.append(int(head[1]))
            self.transport.close()  # the body is posted again

    def connection_lost(self, _: Exception | None) -> None:
        self.poster.open -= 1
        if self.number >= 0:
            self.poster.waiting.append(self.number)
        if not self.poster.done.is_set():
            self.poster.connect()


def post_all(port: int, bodies: Sequence[bytes], connections: int = CONNECTIONS) -> float:
    """Post bodies to a receiver, and return how many seconds that took."""

    async def run() -> float:
        poster, started_at = Poster(port, bodies, connections), time.perf_counter()
        await poster.run()
        assert not poster.refused, poster.refused[:3]
        return time.perf_counter() - started_at

    return asyncio.run(run())


def check_statuses(statuses: MessageStatuses, row_statuses: Sequence[tuple[int, str]]) -> None:
    """Check that each status of a row is in the ledger, with its time."""
    for status in STATUSES:
        rows = [row for row, row_status in row_statuses if row_status == status]
        expected = np.datetime64(time_of(status).replace(tzinfo=None), "us")
        assert (statuses.since[status][rows] == expected).all(), status


def kill_while_receiving(location: str, seed: int, kills: int = 10, events: int = 100_000) -> str:
    """Kill a receiver at random moments while events come in, and check that no acknowledged event is lost."""
    rows = events // len(STATUSES)
    bodies, row_statuses = shuffled_bodies(record_accepted(location, rows), seed)
    generator = random.Random(seed)
    kill_after = sorted(generator.sample(range(events // 20, events - events // 20), kills))

    async def run(receiver: Receiver) -> None:
        poster = Poster(receiver.port, bodies)
        posting = asyncio.create_task(poster.run())
        for count in kill_after:
            await wait_until(lambda: len(poster.acknowledged) >= count, posting)  # noqa: B023
            await asyncio.sleep(generator.uniform(0, 0.02))
            is_posting = not poster.done.is_set()
            receiver.kill()
            await wait_until(lambda: poster.open == 0, posting)  # the answers that were under way have arrived
            assert is_posting, "it was done before it could be killed: give it more events"
            statuses = await asyncio.to_thread(load_statuses, location, rows)
            check_statuses(statuses, [row_statuses[number] for number in poster.acknowledged])
            await asyncio.to_thread(receiver.start)
        await posting
        assert not poster.refused, poster.refused[:3]

    with remote_receiver(location) as receiver:
        asyncio.run(run(receiver))
    statuses = load_statuses(location, rows)
    check_statuses(statuses, row_statuses)
    assert set(statuses.status) == {"read"}
    with Ledger(location) as ledger:
        assert ledger.aside().empty
        assert len(ledger.frame()) == rows
    return f"{events:,} events, {kills} kills, none that was acknowledged was lost"


async def wait_until(condition: Callable[[], bool], task: asyncio.Task[None]) -> None:
    """Wait until a condition holds or a task is done, and raise what the task raised."""
    while not condition() and not task.done():
        await asyncio.sleep(0.001)
    if task.done():
        task.result()
