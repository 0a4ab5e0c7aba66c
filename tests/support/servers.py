"""Small HTTP servers on this machine, for what the sandbox can't do: TLS, a proxy, raw bytes, counting connections."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ACCEPTED = b'{"request_id":"00000000-0000-4000-8000-000000000001","status":"accepted","created_at":"2026-11-23T10:00Z"}'

HOST = "api.d7networks.com"
"""A host name for which the tests have a certificate."""


class Request(NamedTuple):
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """A handler that stores each request and answers it by the server's script."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LocalServer

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), body))
        self.server.script(self)

    do_GET = do_HEAD = do_POST = do_CONNECT = handle_request

    def reply(self, status: int = 200, body: bytes = ACCEPTED, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


Script = Callable[[Handler], None]


class LocalServer(ThreadingHTTPServer):
    """A server with its requests and the number of its connections."""

    daemon_threads = False

    def __init__(self, script: Script, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        self._open_sockets: list[socket.socket] = []
        self.ended = threading.Event()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_port}"
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections += 1
        if self._tls:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                raise
        self._open_sockets.append(connection)
        return connection, address

    def hang_up_on_all(self) -> None:
        for connection in self._open_sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """Ignore a client that disconnected."""


@contextmanager
def serving(script: Script = Handler.reply, certificate: Path | None = None) -> Iterator[LocalServer]:
    """Run a server that answers by a script; without one, it accepts every message."""
    server = LocalServer(script, certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.hang_up_on_all()
        thread.join()
        server.server_close()


def answering(status: int, body: bytes = b"", **headers: str) -> Script:
    """Make a script that always answers the same."""
    return lambda handler: handler.reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def sending(raw: bytes) -> Script:
    """Make a script that sends raw bytes and closes the connection."""

    def script(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.hang_up()

    return script


def tunnelling(server: LocalServer) -> Script:
    """Make a script for a proxy that connects every CONNECT to one server, whatever its host name."""

    def script(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.server_port)) as upstream:
            answers = threading.Thread(target=_copy, args=(upstream, handler.connection))
            answers.start()
            _copy(handler.connection, upstream)
            answers.join()

    return script


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
