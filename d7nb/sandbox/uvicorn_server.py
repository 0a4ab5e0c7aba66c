"""A uvicorn server on a thread of its own that starts and stops at once and can drop a connection without an answer."""

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
    """Uvicorn's HTTP protocol without an access log, which hands its transport to each request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport into the state, which uvicorn copies into every request's scope."""
        self.app_state = {**self.app_state, "transport": transport}
        # asyncio does this only for sockets made with an explicit protocol number, which `create_server`'s are not. An
        # answer is written in two pieces: without it, the second waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


class DroppedConnection(Response):
    """A response that closes the connection before the first byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until uvicorn has noticed, so that it does not answer itself."""
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class Server(uvicorn.Server):
    """A uvicorn server on a thread of its own, which waits for an event where uvicorn polls ten times a second.

    Args:
        application: The application to serve.
        closing: Set in the server's event loop when it is to stop.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Raises:
        SandboxError: The port is not available.
    """

    def __init__(self, application: ASGIApp, closing: asyncio.Event, host: str, port: int) -> None:
        self._listener = listen(host, port)  # first: nothing else has to be closed if it fails
        self.url = url_of(self._listener)
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
        self._closing = closing
        self._ready = threading.Event()
        self._loop = asyncio.SelectorEventLoop()  # on every system, for `remove_reader`
        self._thread = threading.Thread(target=self._serve_listener, name=f"d7nb sandbox {self.url}", daemon=True)

    def start(self) -> bool:
        """Start the thread and wait until it serves; return whether it does."""
        self._thread.start()
        self._ready.wait()
        return self.started

    def stop(self) -> None:
        """Close every connection and wait for the thread to end; any other thread may call it."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _serve_listener(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self.serve(sockets=[self._listener]))
        finally:
            self._listener.close()
            self._ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, then let `start` return."""
        await super().startup(sockets)
        self._ready.set()

    async def main_loop(self) -> None:
        """Wait for the end, in place of uvicorn's polling."""
        await self._closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection at once, whatever it is doing."""
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


# The receiver of events has such functions of its own: the sandbox shares no code with d7nb (CONTRIBUTING.md).
def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        SandboxError: The port is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise SandboxError(
            f"can't listen on {host} port {port} ({error}): leave port=0, which takes a free one"
        ) from error


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
