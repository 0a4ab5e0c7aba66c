"""The client: one session to D7, its token, time-outs and pace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import orjson

from d7nb.api.auth import find_token
from d7nb.api.destinations import BASE_URL, origin_of
from d7nb.api.endpoints import FAILURES, Asking, never_connected, what_happened
from d7nb.api.rate_limit import RATE, RateLimiter
from d7nb.api.responses import SendResponse, ambiguous, parse_send_response
from d7nb.api.transport import open_session
from d7nb.errors import NotConnected, TokenError, hides_internals
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

SEND_PATH = "/whatsapp/v2/send"


class Client(Asking):
    """A session to D7's API (d7-api.md sections 2, 3 and 7), safe to use from several threads.

    Args:
        token: The API token; otherwise ``D7_API_TOKEN``, the keyring, or the person at the keyboard is asked.
        base_url: Where the API is.
        timeout: Seconds to wait for the connection and for an answer; one number for both.
        rate: Recipients a second for one originator, None for no limit. D7 documents none; 80 is what Meta gives
            a business number.
        workers: How many requests may be under way at once.
        batch_size: How many recipients a request may carry; never more than `rate`.
        destination: The name by which a ledger knows where messages went; the origin of `base_url` unless given.
        ask: Whether to ask the person at the keyboard for a token where none is found.
        clock: Tells the time, for a Retry-After that is a date.

    Attributes:
        is_local: Whether `base_url` is on this machine, as a sandbox's is: nothing sent there reaches anybody.
        rate_limiter: Says when a request may start. `exchange` and the other calls do not ask it: whoever makes many
            calls does.

    Raises:
        TokenError: There is no token, or it would travel unencrypted.
        ValueError: An option makes no sense, or the environment names certificates that do not exist.

    Example:
        >>> import d7nb
        >>> d7nb.Client("not-a-real-token", rate=20)
        Client('https://api.d7networks.com', rate=20, workers=8, batch_size=20)
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str = BASE_URL,
        timeout: tuple[float | None, float | None] | float | None = (10, 60),
        rate: int | None = RATE,
        workers: int = 8,
        batch_size: int = 100,
        destination: str | None = None,
        ask: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # First, so that a traceback can show a client that was never finished.
        self.base_url, self.rate, self.workers, self.batch_size = base_url, rate, workers, batch_size
        try:
            auth = find_token(token, ask=ask)
        finally:
            del token  # a traceback that shows local variables must not show it
        origin, parts = origin_of(base_url), urlsplit(base_url)
        self.is_local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        if parts.scheme == "http" and not self.is_local:
            message = "base_url is not https, so the token would travel unencrypted; only a sandbox on this machine may"
            raise TokenError(message)
        if workers < 1 or batch_size < 1 or (rate is not None and rate < 1):
            message = "workers, batch_size and rate count from 1 (rate=None: no limit)"
            raise ValueError(message)
        self.base_url = origin + parts.path.rstrip("/")
        self.timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if rate is not None:
            self.batch_size = min(batch_size, rate)
        self.destination = destination or origin
        self._clock = clock
        self.rate_limiter = RateLimiter(rate, max_concurrent=workers)
        self._session = open_session(self.base_url, auth, workers, f"d7nb/{version()}")

    @hides_internals
    def exchange(self, body: bytes) -> SendResponse:
        """POST one request body, and say what became of it; no failure of the network raises.

        Args:
            body: The JSON (d7-api.md section 2).
        """
        try:
            response = self._request("POST", SEND_PATH, body)
            return parse_send_response(response.status_code, response.headers, response.content, self._clock())
        except FAILURES as failure:
            error = never_connected(failure) or ambiguous(f"{what_happened(failure)}; it may have taken the messages")
        return SendResponse("not_connected" if isinstance(error, NotConnected) else "unknown", error=error)

    @hides_internals
    def post(self, body: Mapping[str, Any]) -> SendResponse:
        """POST one request body of your own making.

        Args:
            body: The request (d7-api.md section 2).

        Returns:
            D7's word that it accepted it.

        Raises:
            ApiError: Anything else; its class says what.
        """
        answer = self.exchange(orjson.dumps(body))
        if answer.error:
            raise answer.error
        return answer

    def close(self) -> None:
        """Close the connections; the client can still be used and opens new ones."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> str:
        message = "a client is not pickled, since it holds a token; make it anew where it is needed"
        raise TokenError(message)

    def __repr__(self) -> str:
        return f"Client({self.base_url!r}, rate={self.rate}, workers={self.workers}, batch_size={self.batch_size})"
