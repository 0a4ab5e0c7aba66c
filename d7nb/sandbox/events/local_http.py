"""HTTP from the sandbox to receivers of events, which are on this machine or are not posted to.

A rehearsal with a real `report_url` must never reach the real receiver. So an address is looked at before anything is
done with it, and the connection's other end once more before a byte is sent; no redirect is followed, no proxy asked.
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

ELSEWHERE = "not posted: only this machine"

_AS_THEY_ARE = "!#$%&'()*+,/:;=?@[]~"  # beside letters and digits, the characters of a path that is escaped already
_MOST_OF_AN_ANSWER = 65536  # bytes that are read so that the connection can be used again


class Place(NamedTuple):
    """An address on this machine."""

    https: bool
    host: str
    port: int


class Answer(NamedTuple):
    """What a receiver said to one POST."""

    taken: bool  # it answered 2xx
    words: str  # the HTTP status, or what went wrong


@lru_cache(1024)
def local_target(url: str) -> tuple[Place, str] | None:
    """The place and the path of a URL on this machine, or None.

    Example:
        >>> local_target("http://localhost:8000/events?key=1")
        (Place(https=False, host='localhost', port=8000), '/events?key=1')
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
    path = quote(f"{parts.path or '/'}{query}", safe=_AS_THEY_ARE)
    return Place(https, host, port or (443 if https else 80)), path


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


class Line:
    """Connections to receivers, which are kept. For one thread; `hang_up` is for any other."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._kept: dict[Place, HTTPConnection] = {}
        self._hung_up = False

    def post(self, url: str, body: bytes, content_type: str) -> Answer:
        """Post to a URL, if it is on this machine."""
        target = local_target(url)
        if target is None:
            return Answer(taken=False, words=ELSEWHERE)
        place, path = target
        try:
            return self._exchange(place, path, body, content_type)
        except (OSError, HTTPException) as error:
            self._drop(place)
            return Answer(taken=False, words=f"no answer: {type(error).__name__}")

    def _exchange(self, place: Place, path: str, body: bytes, content_type: str) -> Answer:
        connection = self._kept.get(place)
        if connection is not None and wait_for_read(connection.sock, timeout=0):
            self._drop(place)  # its other end closed it meanwhile, for nothing was asked
            connection = None
        connection = connection or self._connect(place)
        connection.request("POST", path, body, {"Content-Type": content_type, "User-Agent": "d7nb-sandbox"})
        answer = connection.getresponse()
        answer.read(_MOST_OF_AN_ANSWER)
        if not answer.isclosed():
            self._drop(place)
        return Answer(200 <= answer.status < 300, str(answer.status))

    def _connect(self, place: Place) -> HTTPConnection:
        make = HTTPSConnection if place.https else HTTPConnection
        connection = self._kept[place] = make(place.host, place.port, timeout=self._timeout)
        connection.connect()
        if self._hung_up or not _is_loopback(connection.sock.getpeername()[0]):
            raise ConnectionAbortedError
        return connection

    def _drop(self, place: Place) -> None:
        if (connection := self._kept.pop(place, None)) is not None:
            connection.close()

    def hang_up(self) -> None:
        """End an exchange that is under way, and let no other begin."""
        self._hung_up = True
        for connection in list(self._kept.values()):
            if (open_socket := connection.sock) is not None:
                with suppress(OSError):
                    socket.socket.shutdown(open_socket, socket.SHUT_RDWR)  # TLS or not: its thread reads an end

    def close(self) -> None:
        """Close what is kept."""
        for place in list(self._kept):
            self._drop(place)
