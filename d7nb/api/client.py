"""The client: every call of D7's API that d7nb makes, with one token, its time-outs and its rate."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import orjson

from d7nb.api.auth import find_token
from d7nb.api.destinations import BASE_URL, origin_of
from d7nb.api.downloads import LARGEST, check_size, check_target, declared_size, save, split_error
from d7nb.api.rate_limit import RATE, RateLimiter
from d7nb.api.responses import SendResponse, ambiguous, parse_date, parse_error, parse_send_response
from d7nb.api.session import FAILURES, Session, describe_failure, failed_call, iter_body, json_object, not_connected
from d7nb.api.transport import open_session
from d7nb.errors import ApiError, NotConnected, TokenError, hides_internals
from d7nb.hints import Hint, Option, Wording
from d7nb.version import version

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

SEND_PATH = "/whatsapp/v2/send"
REPORT_PATH = "/whatsapp/v2/report/"
READ_PATH = "/whatsapp/v2/read-receipt/"
MEDIA_PATH = "/whatsapp/v2/download/"
BALANCE_PATH = "/messages/v1/balance"
TOKEN_PATH = "/auth/v1/authenticate/application/verify-token"  # noqa: S105  (an address)


class TokenCheck(NamedTuple):
    """The result of checking the token.

    Attributes:
        error: What is wrong; None where the token is valid.
        time: D7's time; None where there was no response, or the response does not tell.
    """

    error: ApiError | None
    time: datetime | None


class Client:
    """A session to D7's API, safe to use from several threads.

    No call is tried again by itself. All but `post` and `exchange` can be repeated without harm.

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
        rate_limiter: Says when a request may start. The client's own methods do not wait for it: whoever makes many
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
            only_https = " must begin with https: http would send the token unencrypted, and is for this machine only"
            raise TokenError(Hint(Option("base_url"), only_https))
        if workers < 1 or batch_size < 1 or (rate is not None and rate < 1):
            name = "workers" if workers < 1 else "batch_size" if batch_size < 1 else "rate"
            no_limit = Wording(notebook=", or None for no limit") if name == "rate" else ""
            raise ValueError(Hint(Option(name), " must be 1 or more", no_limit))
        self.base_url = origin + parts.path.rstrip("/")
        self.timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if rate is not None:
            self.batch_size = min(batch_size, rate)
        self.destination = destination or origin
        self.rate_limiter = RateLimiter(rate, max_concurrent=workers)
        self._clock = clock
        connections = open_session(self.base_url, auth, workers, f"d7nb/{version()}")
        self._session = Session(connections, self.timeout, clock)

    @hides_internals
    def exchange(self, body: bytes) -> SendResponse:
        """POST one request body and return what became of it; no failure of the network raises.

        Args:
            body: The JSON (D7, WhatsApp API reference, "Send Free-form Whatsapp Messages").
        """
        try:
            response = self._session.request("POST", SEND_PATH, body)
            return parse_send_response(response.status_code, response.headers, response.content, self._clock())
        except FAILURES as failure:
            reason = f"{describe_failure(failure)}; it may have taken the messages"
            error = not_connected(failure) or ambiguous(reason)
        return SendResponse("not_connected" if isinstance(error, NotConnected) else "unknown", error=error)

    @hides_internals
    def post(self, body: Mapping[str, Any]) -> SendResponse:
        """POST one request body of your own making.

        Args:
            body: The request (D7, WhatsApp API reference, "Send Free-form Whatsapp Messages").

        Returns:
            D7's response, which says that it accepted the messages.

        Raises:
            ApiError: It did not, or nobody knows; the class says what went wrong.
        """
        response = self.exchange(orjson.dumps(body))
        if response.error:
            raise response.error
        return response

    @hides_internals
    def report(self, request_id: str) -> dict[str, Any]:
        """Return what became of a request's messages (D7, WhatsApp API reference, "Get Status").

        Args:
            request_id: As D7 gave it when it accepted the request.

        Returns:
            D7's report: ``messages`` with ``msg_id``, ``recipient``, ``status``, ``reason`` and more.

        Raises:
            NotFound: D7 has no such report, or not yet.
            ApiError: Anything else; its class says what.
        """
        return self.dated_report(request_id)[0]

    def dated_report(self, request_id: str) -> tuple[dict[str, Any], datetime]:
        """Return what `report` returns, and the time of it, which no report tells: D7's, or ours if D7 does not say."""
        response = self._session.call("GET", REPORT_PATH + quote(request_id, safe=""))
        return json_object(response), parse_date(response.headers.get("Date")) or self._clock()

    @hides_internals
    def mark_read(self, message_id: str, *, typing: bool = False) -> None:
        """Show a person that their message was read (D7, WhatsApp API reference, "Read Receipt").

        Args:
            message_id: D7's id of the message that came in.
            typing: Whether to show them, too, that an answer is being written.

        Raises:
            NotFound: No such message came in.
            ApiError: Anything else; its class says what.
        """
        body = orjson.dumps({"typing": True}) if typing else None
        self._session.call("POST", READ_PATH + quote(message_id, safe=""), body)

    @hides_internals
    def download(
        self, media_id: str, path: str | os.PathLike[str], *, limit: int = LARGEST, overwrite: bool = False
    ) -> Path:
        """Save the picture, document, voice message or video that a person sent.

        It is written as it comes, and only its owner may read it. A download that breaks off leaves no file behind.

        Args:
            media_id: As the message that came in names it.
            path: The file to write.
            limit: Bytes that it may have at most.
            overwrite: Whether it may replace a file.

        Returns:
            The file.

        Raises:
            NotFound: D7 has no such media, or no more.
            FileExistsError: There is a file already.
            ApiError: It is too large, or anything else; its class says what.
        """
        target = Path(path)
        check_target(target, overwrite=overwrite)
        with closing(self._session.call("GET", MEDIA_PATH + quote(media_id, safe=""), stream=True)) as response:
            check_size(declared_size(response.headers), limit)
            error_body, chunks = split_error(response.headers, iter_body(response))
            if error_body is not None:
                raise parse_error(response.status_code, response.headers, error_body, self._clock())
            return save(chunks, target, limit=limit, overwrite=overwrite)

    @hides_internals
    def balance(self) -> float:
        """Return the account's credit, in its own currency.

        Raises:
            ApiError: It can't be had; the class says why.
        """
        balance = json_object(self._session.call("GET", BALANCE_PATH)).get("balance")
        if isinstance(balance, bool) or not isinstance(balance, int | float):
            raise ApiError("D7's answer holds no balance", status=200)
        return float(balance)

    @hides_internals
    def check_token(self) -> None:
        """Ask D7 whether the token is valid. This sends nothing and costs nothing.

        Raises:
            Unauthorized: It is not.
            ApiError: D7 did not say; the class tells why.
        """
        error = self.probe().error
        if error is not None:
            raise error

    def probe(self) -> TokenCheck:
        """Return what `check_token` finds out, and what D7's clock says, without raising."""
        try:
            response = self._session.request("GET", TOKEN_PATH)
        except FAILURES as failure:
            return TokenCheck(failed_call(failure), None)
        return TokenCheck(self._session.error_of(response), parse_date(response.headers.get("Date")))

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
        message = "a client can't be pickled, because it holds a token: make a new one where you need it"
        raise TokenError(message)

    def __repr__(self) -> str:
        return f"Client({self.base_url!r}, rate={self.rate}, workers={self.workers}, batch_size={self.batch_size})"
