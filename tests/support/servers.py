"""Tiny servers on this machine, for what the sandbox can't do: TLS, a proxy, bytes that are no answer, and counting."""

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
"""A name for which the tests have a certificate."""


class Request(NamedTuple):
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Handler(BaseHTTPRequestHandler):
    """Keeps each request, then lets the server's script answer it."""

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
        """Say nothing."""


Script = Callable[[Handler], None]


class LocalServer(ThreadingHTTPServer):
    """A server, what it was asked, and how many connections it was asked by."""

    daemon_threads = False

    def __init__(self, script: Script, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self.ended = threading.Event()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.server_port}"
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections += 1
        if self._context:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                raise
        self._open.append(connection)
        return connection, address

    def hang_up_on_all(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no matter here."""


@contextmanager
def serving(script: Script = Handler.reply, certificate: Path | None = None) -> Iterator[LocalServer]:
    """A server that answers by a script; without one, it accepts everything."""
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
    """A script that always answers the same."""
    return lambda handler: handler.reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def sending(raw: bytes) -> Script:
    """A script that sends bytes as they are, then hangs up."""

    def script(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.hang_up()

    return script


def tunnelling(server: LocalServer) -> Script:
    """A script for a proxy that leads every CONNECT to one server, whatever name was asked for."""

    def script(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.server_port)) as far:
            back = threading.Thread(target=_pump, args=(far, handler.connection))
            back.start()
            _pump(handler.connection, far)
            back.join()

    return script


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
