"""The receiver as a web application: one path, which is the secret."""

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
from d7nb.events.intake import Answer, Intake
from d7nb.events.stop_words import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from d7nb.store.store import Store

LARGEST_BODY = 64 * 1024
"""Bytes of a body, unless said otherwise; a delivery event has about 600."""
FEWEST_CHARACTERS = 16
"""Characters of a secret: what is shorter could be guessed."""
HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe())"'
"""A secret, in one line for a shell."""
_SHOWN = "/SECRET"
"""What a server that logs each access sees of the path."""
_SLOWEST_BODY = 20.0  # seconds
_SECRET = re.compile(rf"[A-Za-z0-9_~.-]{{{FEWEST_CHARACTERS},}}")

_OK = PlainTextResponse("ok\n")
_HERE = PlainTextResponse("d7nb receives events here\n")
_NOT_FOUND = PlainTextResponse("Not Found", 404)  # as Starlette words it: a wrong secret is a wrong path
_NOT_ALLOWED = PlainTextResponse("events are posted\n", 405, {"allow": "GET, HEAD, POST"})
_BAD = PlainTextResponse("this is no event that is known here; it is kept aside\n", 400)
_SLOW = PlainTextResponse("the body did not come in time\n", 408, {"connection": "close"})
_TOO_LARGE = PlainTextResponse("the body is too large\n", 413, {"connection": "close"})
_BROKEN = PlainTextResponse("this event could not be written; it is kept aside\n", 500)
_LATER = PlainTextResponse("it could not be written yet: post it again\n", 503, {"retry-after": "5"})
_ANSWERS = {Answer.WRITTEN: _OK, Answer.FULL: _LATER, Answer.NOT_NOW: _LATER, Answer.NEVER: _BROKEN}


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
    """Make the application that takes D7's events into a ledger; any ASGI server runs it, in one process.

    An event is posted to ``/SECRET`` and answered with 200 when it is on the disk, so that one that was not answered
    can be posted again; one that comes again changes nothing. Another path is 404. What is no event is 400, and kept
    aside in the ledger; a larger body is 413; 503 means that it should come again.

    Args:
        ledger: Where everything goes. It stays open, and is the caller's to close. While others write, an answer waits
            for it twice as long as its ``patience`` at most: open it with a few seconds.
        secret: The path, which D7 alone should know: D7 documents no signature.
        destination: Whose events these are: the ``destination`` of the client that sends.
        inbound: How events hold what people write: the sandbox's shape and Meta's unless given.
        stop_words: The words by which people say that they want no more messages.
        max_body: The largest body, in bytes.
        clock: What time it is.

    Returns:
        A Starlette application.

    Raises:
        ReceiverError: The secret will not do.

    Example:
        >>> import d7nb
        >>> with d7nb.Ledger() as ledger:
        ...     receiver(ledger, "guess-me")
        Traceback (most recent call last):
        ...
        d7nb.errors.ReceiverError: the secret has fewer than 16 characters: make one with python -c "import secrets; ...
    """
    _check(secret)
    shapes = (inbound,) if isinstance(inbound, InboundShape) else tuple(inbound)
    words = [stop_words] if isinstance(stop_words, str) else list(stop_words)
    intake = Intake(ledger, destination, words, clock)
    application = Starlette(routes=[Route("/{secret}", _Endpoint(secret, intake, shapes, max_body, clock))])
    application.router.redirect_slashes = False
    return application


def _check(secret: str) -> None:
    if not _SECRET.fullmatch(secret):
        short = len(secret) < FEWEST_CHARACTERS
        wrong = (
            f"has fewer than {FEWEST_CHARACTERS} characters" if short else "has characters that a URL writes otherwise"
        )
        message = f"the secret {wrong}: make one with {HOW_TO_MAKE_ONE}"
        raise ReceiverError(message)


class _Endpoint:
    """What answers at any path of one step; Starlette takes an object for an ASGI application of its own."""

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
        response = await self._answer(scope, receive)
        if response is not None:
            await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        if not compare_digest(scope["path_params"]["secret"].encode("utf-8", "surrogatepass"), self._secret):
            return _NOT_FOUND
        scope["path"], scope["raw_path"] = _SHOWN, _SHOWN.encode()
        if scope["method"] != "POST":
            return _HERE if scope["method"] in {"GET", "HEAD"} else _NOT_ALLOWED
        try:
            async with asyncio.timeout(_SLOWEST_BODY):
                body = await self._body(scope, receive)
        except TimeoutError:
            return _SLOW
        if not isinstance(body, bytes):
            return body
        read = parse_events(body, self._clock(), self._shapes)
        answer = await self._intake.take(read, len(body))
        return _BAD if answer is Answer.WRITTEN and read.is_unreadable else _ANSWERS[answer]

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Response | None:
        """The body; an answer if it is too large, and None if whoever sent it went away."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_body:
                return _TOO_LARGE
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body:
                return _TOO_LARGE
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
