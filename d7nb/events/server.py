"""The receiver in the foreground."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from d7nb.errors import ReceiverError, hides_internals
from d7nb.events.app import receiver

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.h11_impl import RequestResponseCycle

    from d7nb.store.store import Store

_MOST_CONNECTIONS = 1_000
_LAST_SECONDS = 30
_IDLE_SECONDS = 120
"""Longer than proxies keep a connection: whoever posts on one that is just being closed may not post again."""
_SLOWEST_HEAD = 20.0
"""Seconds for the head of a request. Every connection counts, so that whoever says nothing keeps others out."""


@hides_internals
def serve(ledger: Store, secret: str, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Receive events until SIGINT or SIGTERM; what was taken by then is written and answered first.

    Call it from the main thread, which alone gets signals. It prints where it listens, without the secret.

    Args:
        ledger: Where everything goes.
        secret: The path, which D7 alone should know.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        **options: What `receiver` takes.

    Raises:
        ReceiverError: The secret or the port will not do.
    """
    application = receiver(ledger, secret, **options)
    listener = listen(host, port)
    url = _url(listener)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # it would show the secret
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
    )

    def end(*_: object) -> None:
        """For a signal before uvicorn listens to them itself, and for the one that it raises again at its end."""
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        print(f"d7nb receives events at {url}/… into {ledger} (the secret is its path; Ctrl+C ends it)", flush=True)
        server.run(sockets=[listener])
    finally:
        listener.close()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, which bounds the size of a head, but waits for one for ever; this one does not."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()

    def _expect(self) -> None:
        """Wait for a head, unless it is there: between two requests, from the first byte of the second."""
        under_way: RequestResponseCycle | None = self.cycle
        if under_way is not None and not under_way.response_complete:
            self._stop_waiting()
        elif self._patience is None:
            self._patience = self.loop.call_later(_SLOWEST_HEAD, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, such as uvicorn takes.

    Raises:
        ReceiverError: The port can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not 0 <= port < 2**16:
        message = f"there is no port {port}: they go up to 65535, and 0 takes a free one"
        raise ReceiverError(message)
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        message = f"can't listen on {host} port {port} ({error}): give another, or 0 for a free one"
        raise ReceiverError(message) from error
    # Only where the protocol is named does asyncio turn Nagle's algorithm off. An answer is written in two pieces:
    # without that, the second waits 40 ms for the acknowledgement of the first.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
