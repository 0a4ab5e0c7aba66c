"""What uvicorn's HTTP protocol lacks for a sandbox: closing a connection without an answer, and answering at once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import Receive, Scope, Send


class Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, but each request knows the transport it came by, and no access is logged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where `Hangup` finds it: uvicorn copies this dict into every request's scope."""
        self.app_state = {**self.app_state, "transport": transport}
        # asyncio does this only for sockets made with an explicit protocol number, which `create_server`'s are not. An
        # answer is written in two pieces: without it, the second waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


class Hangup(Response):
    """An answer that is none: the connection is closed before a byte of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until uvicorn knows, so that it does not answer in our place."""
        scope["state"]["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass
