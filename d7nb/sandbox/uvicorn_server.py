"""What uvicorn lacks for a sandbox: closing a connection without an answer, answering at once, and ending at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from d7nb.errors import SandboxError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, but each request knows the transport it came by, and no access is logged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where `DroppedConnection` finds it: uvicorn copies this dict into every request's scope."""
        self.app_state = {**self.app_state, "transport": transport}
        # asyncio does this only for sockets made with an explicit protocol number, which `create_server`'s are not. An
        # answer is written in two pieces: without it, the second waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


class DroppedConnection(Response):
    """An answer that is none: the connection is closed before a byte of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until uvicorn knows, so that it does not answer in our place."""
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class Server(uvicorn.Server):
    """Uvicorn without its tick: it ends when it is told to, and hangs up on whoever is still there."""

    def __init__(self, application: ASGIApp, closing: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                server_header=False,
                timeout_keep_alive=600,  # longer than a notebook's idle client waits
            )
        )
        self.ready = threading.Event()
        self._closing = closing
        self._loop = asyncio.SelectorEventLoop()  # on every system, for `remove_reader`

    def run_on(self, listener: socket.socket) -> None:
        """Serve until `stop`. The thread's whole life."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self.serve(sockets=[listener]))
        finally:
            listener.close()
            self.ready.set()

    def stop(self) -> None:
        """End it, from any thread."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._closing.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Uvicorn ticks here; this waits for the end."""
        await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every exchange at once."""
        # Connections that were accepted a moment ago are tasks of asyncio's, which fail and leak their socket if the
        # listener closes before they have run.
        for listener in sockets or ():
            self._loop.remove_reader(listener)
        accepting = asyncio.all_tasks() - self.server_state.tasks - {asyncio.current_task()}
        await asyncio.gather(*accepting, return_exceptions=True)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        for server in self.servers:
            await server.wait_closed()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or a SandboxError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise SandboxError(
            f"can't listen on {host} port {port} ({error}): leave port=0, which takes a free one"
        ) from error


def url_of(listener: socket.socket) -> str:
    """The URL at which a socket listens, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
