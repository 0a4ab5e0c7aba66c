"""The HTTP session: one pool of connections, none of which is used again when it may have gone stale."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from requests.auth import AuthBase
    from urllib3.poolmanager import PoolManager

IDLE_SECONDS = 3.0
"""A connection idle for longer is made anew: the server may have closed it, and a POST that meets a closed connection
looks just like one whose answer was lost."""


class _Fresh:
    """Calls a connection dropped once it has been idle too long, so that the pool opens another."""

    _answered_at: float | None = None

    def getresponse(self) -> Any:
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            self._answered_at = time.monotonic()

    @property
    def is_connected(self) -> bool:
        idle = self._answered_at is not None and time.monotonic() - self._answered_at > IDLE_SECONDS
        return not idle and super().is_connected  # type: ignore[misc]

    def connect(self) -> None:
        self._answered_at = None
        super().connect()  # type: ignore[misc]


class _FreshHTTPConnection(_Fresh, HTTPConnection):
    pass


class _FreshHTTPSConnection(_Fresh, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _FreshHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _FreshHTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    """requests' adapter with fresh connections, directly and through proxies; it never retries."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)  # type: ignore[no-untyped-call,unused-ignore]
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> PoolManager:
        manager = super().proxy_manager_for(proxy, **options)  # type: ignore[no-untyped-call,unused-ignore]
        manager.pool_classes_by_scheme = _POOLS
        return manager  # type: ignore[no-any-return,unused-ignore]


def open_session(base_url: str, auth: AuthBase, connections: int, user_agent: str) -> requests.Session:
    """A session for one host.

    The environment's proxies and certificates are read once, here, and not at each request.

    Args:
        base_url: Where the API is.
        auth: Puts the token in.
        connections: How many requests may be under way at once.
        user_agent: Who we say we are.
    """
    session = requests.Session()
    settings = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies, session.verify = settings["proxies"], settings["verify"]
    session.trust_env = False
    session.auth = auth
    session.headers.update({"Accept": "application/json", "User-Agent": user_agent})
    adapter = _Adapter(pool_connections=2, pool_maxsize=max(connections, 1), max_retries=0, pool_block=True)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
