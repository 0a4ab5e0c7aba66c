"""The receiver as a web application with one path, the secret."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from hmac import compare_digest
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from d7nb.api.destinations import BASE_URL
from d7nb.api.inbound import InboundShape
from d7nb.api.reports import SHAPES, parse_events
from d7nb.errors import ReceiverError, hides_internals
from d7nb.events.intake import Intake, WriteResult
from d7nb.events.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from d7nb.store.store import Store

LARGEST_BODY = 64 * 1024
"""The default limit for the bytes of a body; a delivery event has about 600."""
MIN_SECRET_LENGTH = 16
"""Characters of a secret; a shorter one could be guessed."""
SECRET_COMMAND = 'python -c "import secrets; print(secrets.token_urlsafe())"'  # noqa: S105 - it prints one
"""A shell command that prints a new secret."""
_LOGGED_PATH = "/SECRET"
"""The path that a server's access log shows."""
_BODY_TIMEOUT = 20.0  # seconds
_SECRET = re.compile(rf"[A-Za-z0-9_~.-]{{{MIN_SECRET_LENGTH},}}")

_OK = PlainTextResponse("ok\n")
_RUNNING = PlainTextResponse("d7nb receives events here\n")
_NOT_FOUND = PlainTextResponse("Not Found", 404)  # as Starlette answers: a wrong secret is a wrong path
_METHOD_NOT_ALLOWED = PlainTextResponse("post events to this address\n", 405, {"allow": "GET, HEAD, POST"})
_UNKNOWN_EVENT = PlainTextResponse("this is not an event that d7nb knows; ledger.aside() lists it\n", 400)
_TIMEOUT = PlainTextResponse("the body did not come in time\n", 408, {"connection": "close"})
_TOO_LARGE = PlainTextResponse("the body is too large\n", 413, {"connection": "close"})
_SET_ASIDE = PlainTextResponse("this event could not be written; ledger.aside() lists it\n", 500)
_TRY_AGAIN = PlainTextResponse("this event could not be written yet: post it again\n", 503, {"retry-after": "5"})
_RESPONSES = {
    WriteResult.WRITTEN: _OK,
    WriteResult.QUEUE_FULL: _TRY_AGAIN,
    WriteResult.NOT_WRITABLE: _TRY_AGAIN,
    WriteResult.SET_ASIDE: _SET_ASIDE,
}


@hides_internals
def receiver(
    ledger: Store,
    secret: str,
    *,
    destination: str = BASE_URL,
    inbound: InboundShape | Sequence[InboundShape] = SHAPES,
    stop_words: Sequence[str] = STOP_WORDS,
    max_body: int = LARGEST_BODY,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Build the web application that writes D7's events to a ledger, for any ASGI server with one process.

    Events are posted to ``/SECRET`` and answered with 200 when they are on the disk; an event that comes again changes
    nothing. Any other path is answered with 404, a body that is too large with 413, and an unknown kind of event with
    400, which is then listed by ``ledger.aside()``. 503 means that the event should be posted again.

    Args:
        ledger: Where events are written. It stays open, and the caller closes it. While another program writes to it,
            an answer may take twice its ``patience``: open it with a few seconds.
        secret: The path, which only D7 should know, because D7 documents no signature.
        destination: The ``destination`` of the client that sends.
        inbound: The shapes of the events of what people write; by default the sandbox's and Meta's.
        stop_words: The messages by which people opt out.
        max_body: The most bytes of a body.
        clock: Tells the time.

    Returns:
        A Starlette application.

    Raises:
        ReceiverError: The secret is too short, or has characters that a URL encodes.

    Example:
        >>> import d7nb
        >>> with d7nb.Ledger() as ledger:
        ...     receiver(ledger, "guess-me")
        Traceback (most recent call last):
        ...
        d7nb.errors.ReceiverError: the secret has fewer than 16 characters: make one with python -c "import secrets; ...
    """
    _check_secret(secret)
    shapes = (inbound,) if isinstance(inbound, InboundShape) else tuple(inbound)
    words = [stop_words] if isinstance(stop_words, str) else list(stop_words)
    intake = Intake(ledger, destination, words, clock)
    application = Starlette(routes=[Route("/{secret}", _Endpoint(secret, intake, shapes, max_body, clock))])
    application.router.redirect_slashes = False
    return application


def _check_secret(secret: str) -> None:
    if not _SECRET.fullmatch(secret):
        is_short = len(secret) < MIN_SECRET_LENGTH
        fault = (
            f"fewer than {MIN_SECRET_LENGTH} characters" if is_short else "characters other than A-Z, a-z, 0-9 and _~.-"
        )
        message = f"the secret has {fault}: make one with {SECRET_COMMAND}"
        raise ReceiverError(message)


class _Endpoint:
    """The endpoint of every path with one segment, as an ASGI application."""

    def __init__(
        self,
        secret: str,
        intake: Intake,
        shapes: Sequence[InboundShape],
        max_body: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._secret, self._intake, self._shapes = secret.encode(), intake, shapes
        self._max_body, self._clock = max_body, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(scope, receive)
        if response is not None:
            await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        if not compare_digest(scope["path_params"]["secret"].encode("utf-8", "surrogatepass"), self._secret):
            return _NOT_FOUND
        scope["path"], scope["raw_path"] = _LOGGED_PATH, _LOGGED_PATH.encode()
        if scope["method"] != "POST":
            return _RUNNING if scope["method"] in {"GET", "HEAD"} else _METHOD_NOT_ALLOWED
        try:
            async with asyncio.timeout(_BODY_TIMEOUT):
                body = await self._read_body(scope, receive)
        except TimeoutError:
            return _TIMEOUT
        if not isinstance(body, bytes):
            return body
        parsed = parse_events(body, self._clock(), self._shapes)
        result = await self._intake.write(parsed, len(body))
        return _UNKNOWN_EVENT if result is WriteResult.WRITTEN and parsed.is_unreadable else _RESPONSES[result]

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes | Response | None:
        """Read the body; return a response if it is too large, and None if the sender disconnected."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_body:
                return _TOO_LARGE
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body:
                return _TOO_LARGE
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)
