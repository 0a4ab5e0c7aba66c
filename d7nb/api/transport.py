"""The HTTP session: one pool of connections, none of which is used again when it may have gone stale.

It also knows the one thing that urllib3's errors do not tell for certain: whether a request can have left.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests.auth import AuthBase
    from urllib3.poolmanager import PoolManager

IDLE_SECONDS = 3.0
"""A connection idle for longer is made anew: the server may have closed it, and a POST that meets a closed connection
looks just like one whose answer was lost."""


class NeverConnected(HTTPError):
    """The connection was never made, so that no byte of the request left.

    Neither urllib3 nor requests takes it for one of its own, which they would turn into errors that say less.
    """


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPError, HTTPException) as cause:
        raise NeverConnected from cause


class _Pool(HTTPConnectionPool):
    """A pool that makes its connections before a request starts, and drops those that were idle too long.

    It has no connection class of its own: vcrpy puts its own in the place of urllib3's, and a pool that ignored that
    would send what a cassette is to answer.
    """

    def _get_conn(self, timeout: float | None = None) -> Any:
        with _connecting():
            connection: Any = super()._get_conn(timeout)
        if time.monotonic() - getattr(connection, "idle_since", time.monotonic()) > IDLE_SECONDS:
            connection.close()  # it opens itself again
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)

    def _prepare_proxy(self, conn: Any) -> None:
        with _connecting():
            super()._prepare_proxy(conn)

    def _validate_conn(self, conn: Any) -> None:
        with _connecting():
            super()._validate_conn(conn)
            if conn.is_closed:
                conn.connect()


@cache
def _our(kind: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    return kind if issubclass(kind, _Pool) else type(kind.__name__, (_Pool, kind), {})


def _with_our_pools(manager: PoolManager) -> PoolManager:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _our(kind) for scheme, kind in pools.items()}
    return manager


class _Adapter(HTTPAdapter):
    """requests' adapter with our pools, directly and through proxies of any kind; it never retries."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _with_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> PoolManager:
        return _with_our_pools(super().proxy_manager_for(proxy, **options))

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        with _connecting():  # a proxy's address can be none
            return super().get_connection_with_tls_context(*args, **options)

    def cert_verify(self, *args: Any, **options: Any) -> None:
        with _connecting():  # the certificates can be gone
            super().cert_verify(*args, **options)


class HttpSession:
    """A session for one host, at whose start all is worked out that requests would work out for each request anew.

    It follows no redirect, and does not even read where one leads.

    Args:
        session: What is worked out from.
        base_url: Where the API is.
    """

    def __init__(self, session: requests.Session, base_url: str) -> None:
        self._session = session
        self._blank = session.prepare_request(requests.Request("GET", base_url))  # says what is wrong with an address
        self._base = str(self._blank.url).removesuffix("/")
        self._adapter = session.get_adapter(self._base)

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, timeout: Any, stream: bool
    ) -> requests.Response:
        """Send a request, and read its answer, or with `stream` its headers.

        Args:
            method: GET or POST.
            path: What is asked for, below the address, quoted.
            body: What is posted.
            headers: Besides those of every request.
            timeout: Seconds to connect, and to wait for bytes.
            stream: Whether the answer is read later, by the caller.
        """
        request = self._blank.copy()
        request.method, request.url, request.body = method, self._base + path, body
        request.headers.update(headers)
        if body is not None or method == "POST":
            request.headers["Content-Length"] = str(len(body or b""))
        session = self._session
        response = self._adapter.send(request, stream, timeout, session.verify, session.cert, session.proxies)
        if not stream:
            response.content  # noqa: B018  (reads it)
        return response

    def close(self) -> None:
        """Close the connections; new ones are opened when they are needed."""
        self._session.close()


def named_certificates() -> str | None:
    """The certificates that the environment says to trust, a file or a folder; None where it says nothing.

    Raises:
        ValueError: They do not exist.
    """
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
    if named and not Path(named).exists():
        message = f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names {named}, which does not exist"
        raise ValueError(message)
    return named


def open_session(base_url: str, auth: AuthBase, connections: int, user_agent: str) -> HttpSession:
    """A session for one host.

    The environment's proxies and certificates are read once, here, and not at each request.

    Args:
        base_url: Where the API is. What is not https is on this machine, and needs no proxy.
        auth: Puts the token in.
        connections: How many requests may be under way at once.
        user_agent: Who we say we are.

    Raises:
        ValueError: The address can be none, or the environment names certificates that do not exist.
    """
    session = requests.Session()
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies = settings["proxies"] if base_url.startswith("https:") else {}
    session.verify = named_certificates() or True
    session.trust_env = False
    session.auth = auth
    session.headers.update({"Accept": "application/json", "User-Agent": user_agent})
    adapter = _Adapter(pool_connections=2, pool_maxsize=max(connections, 1), max_retries=0, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return HttpSession(session, base_url)
