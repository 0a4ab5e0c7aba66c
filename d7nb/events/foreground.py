"""The receiver in the foreground of a shell, for `python -m d7nb receive`."""

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

_MAX_CONNECTIONS = 1_000
_SHUTDOWN_SECONDS = 30
_KEEP_ALIVE_SECONDS = 120
"""Longer than proxies keep a connection: one that posts on a connection that is being closed may not post again."""
_HEAD_TIMEOUT = 20.0
"""Seconds for the head of a request. Idle connections count towards the limit and would keep others out."""


@hides_internals
def serve(ledger: Store, secret: str, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Receive events until SIGINT or SIGTERM; events that have come by then are written and answered first.

    Call it from the main thread, the only one that gets signals. It prints its URL without the secret.

    Args:
        ledger: Where events are written.
        secret: The path, which only D7 should know.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        **options: Further options of `receiver`.

    Raises:
        ReceiverError: The secret is invalid, or the port is not available.
    """
    application = receiver(ledger, secret, **options)
    listener = listen(host, port)
    url = _url_of(listener)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # it would show the secret
            server_header=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )

    def stop(*_: object) -> None:
        """Handle a signal before uvicorn handles them itself, and the one that it raises again at its end."""
        server.should_exit = True

    previous_handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        print(f"d7nb receives events at {url}/YOUR-SECRET and records them in {ledger} (Ctrl+C ends it)", flush=True)
        server.run(sockets=[listener])
    finally:
        listener.close()
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)


class _Protocol(H11Protocol):
    """Uvicorn's HTTP protocol with a time limit for the head of a request."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def _update_timer(self) -> None:
        """Limit the time for the next head, unless a request is being answered.

        Between two requests, the time runs from the first byte of the second one.
        """
        current_request: RequestResponseCycle | None = self.cycle
        if current_request is not None and not current_request.response_complete:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_TIMEOUT, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


# The sandbox's server has such functions of its own: it shares no code with d7nb (CONTRIBUTING.md).
def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket for uvicorn.

    Raises:
        ReceiverError: The port is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not 0 <= port < 2**16:
        message = f"there is no port {port}: give one up to 65535, or 0 for a free one"
        raise ReceiverError(message)
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        message = f"can't listen on {host} port {port} ({error}): give another, or 0 for a free one"
        raise ReceiverError(message) from error
    # asyncio turns Nagle's algorithm off only where the protocol is named. An answer is written in two pieces: with
    # it, the second waits 40 ms for the acknowledgement of the first.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
