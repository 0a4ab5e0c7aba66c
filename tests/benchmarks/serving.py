"""A lean stand-in for D7 in a process of its own, so that the server is not what is measured.

It accepts whatever is posted, after a delay that holds nothing else up, and remembers when the first request came.
``python -m tests.benchmarks.serving 0.05`` prints its address, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests

ROOT = Path(__file__).parent.parent.parent
KEPT = 5_000
"""So many bodies are kept to be looked at."""


class Log(NamedTuple):
    """What came in since it was last asked."""

    count: int
    first: float
    bodies: list[Any]


class Server(NamedTuple):
    """Where it is, and what it knows."""

    url: str

    def log(self) -> Log:
        """What came in since the last question; `time.perf_counter` is one clock for all processes here."""
        told = requests.get(f"{self.url}/log", timeout=60).json()
        return Log(told["count"], told["first"], [json.loads(body) for body in told["bodies"]])


@contextmanager
def serving(latency: float = 0.0) -> Iterator[Server]:
    """The stand-in, until the end of the block."""
    command = [sys.executable, "-m", "tests.benchmarks.serving", str(latency)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip())
        process.stdin.close()


class Exchange(asyncio.Protocol):
    """One connection."""

    def __init__(self, latency: float, log: dict[str, Any]) -> None:
        self._latency, self._log = latency, log
        self._waiting = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._waiting[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self._waiting) < end + 4 + length:
            return
        body = bytes(self._waiting[end + 4 : end + 4 + length])
        del self._waiting[: end + 4 + length]
        if head.startswith(b"post"):
            asyncio.get_running_loop().call_later(self._latency, self._reply, self._accept(body))
        else:
            self._reply(json.dumps(self._log).encode())
            self._log.update(count=0, first=0.0, bodies=[])

    def _accept(self, body: bytes) -> bytes:
        log = self._log
        log["first"] = log["first"] or time.perf_counter()
        log["count"] += 1
        if len(log["bodies"]) < KEPT and len(body) < 100_000:
            log["bodies"].append(body.decode())
        number = log["count"]
        return (
            b'{"request_id":"%08x-0000-4000-8000-000000000000","status":"accepted","created_at":"2026-11-23T10:00Z"}'
            % (number)
        )

    def _reply(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)


async def serve(latency: float) -> None:
    loop, log = asyncio.get_running_loop(), {"count": 0, "first": 0.0, "bodies": []}
    server = await loop.create_server(lambda: Exchange(latency, log), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
