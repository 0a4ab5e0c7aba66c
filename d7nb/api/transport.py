"""The connections to D7: a pool of them, and whether a request that failed can have left.

urllib3's errors do not tell that for certain, so connections are made before a request starts; and one that was idle
for some seconds is made anew, since the server may have closed it.
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
"""A connection that was idle for longer is made anew: a POST that meets a closed connection looks like one whose
response was lost."""


class NeverConnected(HTTPError):
    """The connection was never made, so that no byte of the request left.

    It is none of the errors that urllib3 and requests would replace by others that say less.
    """


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPError, HTTPException) as cause:
        raise NeverConnected from cause


class _Pool(HTTPConnectionPool):
    """A pool that makes its connections before a request starts, and drops those that were idle too long.

    It has no connection class of its own: vcrpy replaces urllib3's, and a pool that ignored that would send the
    requests that a cassette should answer.
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
def _pool_class(base: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    return base if issubclass(base, _Pool) else type(base.__name__, (_Pool, base), {})


def _use_our_pools(manager: PoolManager) -> PoolManager:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _pool_class(pool) for scheme, pool in pools.items()}
    return manager


class _Adapter(HTTPAdapter):
    """The adapter of requests with our pools, for direct connections and proxies of any kind; it never retries."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> PoolManager:
        return _use_our_pools(super().proxy_manager_for(proxy, **options))

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        with _connecting():  # a proxy's address may be malformed
            return super().get_connection_with_tls_context(*args, **options)

    def cert_verify(self, *args: Any, **options: Any) -> None:
        with _connecting():  # the certificates may have been deleted
            super().cert_verify(*args, **options)


class HttpSession:
    """A session of requests for one host, without the work that requests repeats for each request.

    It follows no redirect, and does not even read where one leads.

    Args:
        session: The session of requests, with proxies, certificates and headers set.
        base_url: Where the API is.
    """

    def __init__(self, session: requests.Session, base_url: str) -> None:
        self._session = session
        self._template = session.prepare_request(requests.Request("GET", base_url))  # raises on a malformed address
        self._base = str(self._template.url).removesuffix("/")
        self._adapter = session.get_adapter(self._base)

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, timeout: Any, stream: bool
    ) -> requests.Response:
        """Send a request and read the response; with `stream`, only its headers.

        Args:
            method: GET or POST.
            path: The path below the API's address, quoted.
            body: The body to post.
            headers: Headers besides those of every request.
            timeout: Seconds to connect, and to wait for bytes.
            stream: Whether the caller reads the body later.
        """
        request = self._template.copy()
        request.method, request.url, request.body = method, self._base + path, body
        request.headers.update(headers)
        if body is not None or method == "POST":
            request.headers["Content-Length"] = str(len(body or b""))
        session = self._session
        response = self._adapter.send(request, stream, timeout, session.verify, session.cert, session.proxies)
        if not stream:
            response.content  # noqa: B018  (reads the body)
        return response

    def close(self) -> None:
        """Close the connections; new ones are opened when they are needed."""
        self._session.close()


def environment_ca_bundle() -> str | None:
    """Return the file or folder of certificates that the environment says to trust; None where it names none.

    Raises:
        ValueError: It names one that does not exist.
    """
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None
    if path and not Path(path).exists():
        message = f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names {path}, which does not exist"
        raise ValueError(message)
    return path


def open_session(base_url: str, auth: AuthBase, connections: int, user_agent: str) -> HttpSession:
    """Open a session for one host.

    The environment's proxies and certificates are read once, here, and not at each request.

    Args:
        base_url: Where the API is. An address that is not https is on this machine, and needs no proxy.
        auth: Puts the token into each request.
        connections: How many requests may be under way at once.
        user_agent: The User-Agent header.

    Raises:
        ValueError: The address is malformed, or the environment names certificates that do not exist.
    """
    session = requests.Session()
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies = settings["proxies"] if base_url.startswith("https:") else {}
    session.verify = environment_ca_bundle() or True
    session.trust_env = False
    session.auth = auth
    session.headers.update({"Accept": "application/json", "User-Agent": user_agent})
    adapter = _Adapter(pool_connections=2, pool_maxsize=max(connections, 1), max_retries=0, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return HttpSession(session, base_url)
