"""The receiver in the foreground."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from d7nb.errors import ReceiverError, closed_book
from d7nb.events.app import receiver

if TYPE_CHECKING:
    from d7nb.ledger import Ledger

_MOST_CONNECTIONS = 1_000
_LAST_SECONDS = 30
_IDLE_SECONDS = 120
"""Longer than proxies keep a connection: whoever posts on one that is just being closed may not post again."""


@closed_book
def serve(ledger: Ledger, secret: str, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
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
