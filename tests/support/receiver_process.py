"""A receiver of events in a process of its own, which can be killed, and a sender that repeats what got no answer."""

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

from d7nb.events.server import listen
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
REQUEST = 100
"""Rows of a request."""
MOST_ROWS = 25_000
WORDS = ("queued", "sent", "delivered", "read")
CONNECTIONS = 64
_WRITTEN = b"\r\n\r\nok\n"
_COMPLETE = re.compile(rb"HTTP/1\.1 (\d+).*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL)


def request_of(row: int) -> str:
    """D7's id of the request that brought a row."""
    return f"0012c7f5-2ba5-49db-8901-{row // REQUEST:012}"


def time_of(word: str) -> datetime:
    """When each row came to a status."""
    return NOW + timedelta(seconds=1 + WORDS.index(word))


def accepted(place: str, rows: int) -> list[str]:
    """A ledger in which D7 accepted so many rows; their keys, as they travel."""
    own, numbers = keys(range(rows)), fictional(rows)
    with Ledger(place) as ledger, Run(ledger.campaign(DESTINATION, CAMPAIGN), last_request_seen=0) as run:
        for start in range(0, rows, REQUEST):
            part = slice(start, min(start + REQUEST, rows))
            claim = run.claim(own[part], numbers[part], numbers[part], at=NOW)
            run.record(claim, "accepted", request_id=request_of(start), at=NOW)
    return base32(own)


def heard(place: str, rows: int) -> MessageStatuses:
    """What a ledger has heard of those rows."""
    with Ledger(place) as ledger:
        own = keys(range(rows))
        campaign = ledger.campaign(DESTINATION, CAMPAIGN)
        known = find_row_states(campaign, own, fictional(rows), at=NOW)
        assert set(known.outcome) == {"accepted"}
        return find_statuses(campaign, own, known.request)


def event(row: int, word: str, key: str, *, nested: bool = False, **more: Any) -> dict[str, Any]:
    """A delivery event with all that D7's page lists; what is None in `more` is left out."""
    reference = {"cust_ref": "", **{f"message_tag{number}": "" for number in range(1, 5)}, "message_tag5": key}
    fields = {
        "event_type": "DELIVERY_EVENTS",
        "timestamp": int(time_of(word).timestamp() * 1000) if word in WORDS else int(NOW.timestamp() * 1000),
        "date": "2026-November-23",
        "request_id": request_of(row),
        "msg_id": f"{row:08}-2ba5-11ee-8901-0242ac120002",
        "conversation_type": "marketing",
        "message_type": "TEXT",
        "waConvId": f"{row:032x}",
        "recipient": fictional(MOST_ROWS)[row],
        "originator": "+12025550100",
        "status": word,
    }
    fields |= {"reference": {**reference, "conversation_id": ""}} if nested else reference
    return {name: value for name, value in (fields | more).items() if value is not None}


def bodies_of(names: Sequence[str], seed: int) -> tuple[list[bytes], list[tuple[int, str]]]:
    """An event for every status of every row, in no order; and which row and status each is."""
    told = [(row, word) for row in range(len(names)) for word in WORDS]
    random.Random(seed).shuffle(told)
    return [orjson.dumps(event(row, word, names[row], nested=row % 2 == 0)) for row, word in told], told


class Receiver:
    """``python -m d7nb receive`` on one port: it can be started again after it was killed."""

    def __init__(self, place: str, *words: str, cores: set[int] | None = None) -> None:
        self.port = free_port()
        self._place, self._words, self._cores = place, words, cores
        self.start()

    def start(self) -> None:
        """Begin, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "d7nb",
            "receive",
            f"--port={self.port}",
            "--ledger",
            self._place,
            *self._words,
        ]
        environment = {**os.environ, "D7NB_EVENTS_SECRET": SECRET}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self._cores or mine)  # a child begins where its parent is
        self.process = subprocess.Popen([*command, *self._words], cwd=ROOT, env=environment, **pipes)
        os.sched_setaffinity(0, mine)
        assert self.process.stdout is not None
        self.said = ""
        while "receives events" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.said += line

    def kill(self) -> None:
        """SIGKILL, at whatever it is just doing."""
        self.process.kill()
        self.process.communicate()

    def end(self, number: int) -> tuple[int, str]:
        """A signal; then its exit code, and all that it said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, self.said + out + err


@contextmanager
def remote_receiver(place: str, *words: str, cores: set[int] | None = None) -> Iterator[Receiver]:
    """A receiver until the end of the block."""
    receiver = Receiver(place, *words, cores=cores)
    try:
        yield receiver
    finally:
        receiver.kill()


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """An ASGI application in this process, under a server of its own; the URL of its one path."""
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
    """Posts bodies, one a request, over connections that stay open, and each until it is acknowledged."""

    def __init__(self, port: int, bodies: Sequence[bytes], connections: int = CONNECTIONS) -> None:
        self.port, self.connections = port, connections
        head = b"POST /%s HTTP/1.1\r\nhost: d7nb\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.requests = [head % (SECRET.encode(), len(body)) + body for body in bodies]
        self.todo = deque(range(len(bodies)))
        self.acknowledged: list[int] = []
        self.refused: list[int] = []
        self.open = 0
        self.done = asyncio.Event()
        self._connecting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until all is acknowledged."""
        for _ in range(self.connections):
            self.connect()
        await self.done.wait()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self.open:
            await asyncio.sleep(0.01)

    def connect(self) -> None:
        """Have another connection, as soon as somebody listens."""
        task = asyncio.create_task(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        while not self.done.is_set():
            try:
                await asyncio.get_running_loop().create_connection(lambda: _Posting(self), "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return

    def acknowledge(self, number: int) -> None:
        """Note that a body was answered with 200."""
        self.acknowledged.append(number)
        if len(self.acknowledged) == len(self.requests):
            self.done.set()


class _Posting(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, poster: Poster) -> None:
        self.poster, self.number, self.got = poster, -1, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.poster.open += 1
        self.next()

    def next(self) -> None:
        if self.poster.done.is_set():
            self.transport.close()
        elif self.poster.todo:
            self.number = self.poster.todo.popleft()
            self.transport.write(self.poster.requests[self.number])
        else:
            self.number = -1
            asyncio.get_running_loop().call_later(0.02, self.again)

    def again(self) -> None:
        if not self.transport.is_closing():
            self.next()

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.got.endswith(_WRITTEN) and self.got.startswith(b"HTTP/1.1 200"):
            self.got, number, self.number = b"", self.number, -1
            self.poster.acknowledge(number)
            self.next()
        elif (found := _COMPLETE.match(self.got)) and len(self.got) >= found.end() + int(found[2]):
            self.poster.refused.append(int(found[1]))
            self.transport.close()  # and comes again

    def connection_lost(self, _: Exception | None) -> None:
        self.poster.open -= 1
        if self.number >= 0:
            self.poster.todo.append(self.number)
        if not self.poster.done.is_set():
            self.poster.connect()


def post_all(port: int, bodies: Sequence[bytes], connections: int = CONNECTIONS) -> float:
    """Post bodies to a receiver, and say how many seconds that took."""

    async def run() -> float:
        poster, begun = Poster(port, bodies, connections), time.perf_counter()
        await poster.run()
        assert not poster.refused, poster.refused[:3]
        return time.perf_counter() - begun

    return asyncio.run(run())


def check_heard(found: MessageStatuses, told: Sequence[tuple[int, str]]) -> None:
    """Each of these statuses is in the ledger, with its time."""
    for word in WORDS:
        rows = [row for row, each in told if each == word]
        expected = np.datetime64(time_of(word).replace(tzinfo=None), "us")
        assert (found.since[word][rows] == expected).all(), word


def killed_while_receiving(place: str, seed: int, kills: int = 10, events: int = 100_000) -> str:
    """A receiver is killed at random moments while events come in; none that it acknowledged is lost."""
    rows = events // len(WORDS)
    bodies, told = bodies_of(accepted(place, rows), seed)
    moments = random.Random(seed)
    marks = sorted(moments.sample(range(events // 20, events - events // 20), kills))

    async def run(receiver: Receiver) -> None:
        poster = Poster(receiver.port, bodies)
        posting = asyncio.create_task(poster.run())
        for mark in marks:
            await until(lambda: len(poster.acknowledged) >= mark, posting)  # noqa: B023
            await asyncio.sleep(moments.uniform(0, 0.02))  # the moment of death
            hit = not poster.done.is_set()
            receiver.kill()
            await until(lambda: poster.open == 0, posting)  # what it still said has been heard
            assert hit, "it was done before it could be killed: give it more events"
            found = await asyncio.to_thread(heard, place, rows)
            check_heard(found, [told[number] for number in poster.acknowledged])
            await asyncio.to_thread(receiver.start)
        await posting
        assert not poster.refused, poster.refused[:3]

    with remote_receiver(place) as receiver:
        asyncio.run(run(receiver))
    found = heard(place, rows)
    check_heard(found, told)
    assert set(found.status) == {"read"}
    with Ledger(place) as ledger:
        assert ledger.aside().empty
        assert len(ledger.frame()) == rows
    return f"{events:,} events, {kills} kills, none that was acknowledged was lost"


async def until(holds: Callable[[], bool], alongside: asyncio.Task[None]) -> None:
    """Wait for something, as long as another thing goes on."""
    while not holds() and not alongside.done():
        await asyncio.sleep(0.001)
    if alongside.done():
        alongside.result()
