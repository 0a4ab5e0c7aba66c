"""An HTTP client that posts to receivers on this machine only.

A rehearsal with a real `report_url` must never reach the real receiver. So the address is checked before connecting and
the peer's address before a byte is sent; redirects are not followed and proxies not used.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from urllib3.util.wait import wait_for_read

NOT_LOCAL = "not posted: only this machine"
"""The result of a post to another machine."""

_SAFE_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"  # beside letters and digits, the characters of an already escaped path
_MAX_BODY = 65536  # bytes of an answer that are read so that the connection can be used again


class LocalAddress(NamedTuple):
    """An HTTP or HTTPS address on this machine."""

    https: bool
    host: str
    port: int


class PostResult(NamedTuple):
    """The result of a post."""

    accepted: bool  # the receiver answered 2xx
    answer: str  # the HTTP status, or what went wrong


@lru_cache(1024)
def local_target(url: str) -> tuple[LocalAddress, str] | None:
    """Return the address and path of a URL on this machine, or None for any other URL.

    Example:
        >>> local_target("http://localhost:8000/events?key=1")
        (LocalAddress(https=False, host='localhost', port=8000), '/events?key=1')
        >>> local_target("https://example.com/events") is None
        True
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not _is_loopback(host):
        return None
    https = parts.scheme == "https"
    query = f"?{parts.query}" if parts.query else ""
    path = quote(f"{parts.path or '/'}{query}", safe=_SAFE_CHARACTERS)
    return LocalAddress(https, host, port or (443 if https else 80)), path


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


class LocalHttpClient:
    """An HTTP client with connections that stay open, for one thread; another may only call `abort`."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._connections: dict[LocalAddress, HTTPConnection] = {}
        self._aborted = False

    def post(self, url: str, body: bytes, content_type: str) -> PostResult:
        """Post a body to a URL if it is on this machine."""
        target = local_target(url)
        if target is None:
            return PostResult(accepted=False, answer=NOT_LOCAL)
        address, path = target
        try:
            return self._exchange(address, path, body, content_type)
        except (OSError, HTTPException) as error:
            self._disconnect(address)
            return PostResult(accepted=False, answer=f"no answer: {type(error).__name__}")

    def _exchange(self, address: LocalAddress, path: str, body: bytes, content_type: str) -> PostResult:
        connection = self._connections.get(address)
        if connection is not None and wait_for_read(connection.sock, timeout=0):
            self._disconnect(address)  # no answer is due, so the receiver has closed it
            connection = None
        connection = connection or self._connect(address)
        connection.request("POST", path, body, {"Content-Type": content_type, "User-Agent": "d7nb-sandbox"})
        response = connection.getresponse()
        response.read(_MAX_BODY)
        if not response.isclosed():
            self._disconnect(address)
        return PostResult(200 <= response.status < 300, str(response.status))

    def _connect(self, address: LocalAddress) -> HTTPConnection:
        connection_class = HTTPSConnection if address.https else HTTPConnection
        connection = connection_class(address.host, address.port, timeout=self._timeout)
        self._connections[address] = connection
        connection.connect()
        if self._aborted or not _is_loopback(connection.sock.getpeername()[0]):
            raise ConnectionAbortedError
        return connection

    def _disconnect(self, address: LocalAddress) -> None:
        if (connection := self._connections.pop(address, None)) is not None:
            connection.close()

    def abort(self) -> None:
        """Cut off the exchange that is under way, and let no other begin."""
        self._aborted = True
        for connection in list(self._connections.values()):
            if (open_socket := connection.sock) is not None:
                with suppress(OSError):
                    # The socket's own method even under TLS, so that the reading thread sees the end.
                    socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections."""
        for address in list(self._connections):
            self._disconnect(address)
