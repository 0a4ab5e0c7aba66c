"""The faults that `Sandbox.fail_next` asks for. All are the sandbox's own choice of what networks and servers do.

A kind of fault is a function from its options to an `Effect`: whether the API handles the request at all, the response
in place of its own, and the delay. `refuse` is different: it gives a `Refusal`, which holds until `reset`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from inspect import signature
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import Field, ValidationError, validate_call
from starlette.responses import Response

from d7nb.errors import SandboxError
from d7nb.sandbox.options import unknown_name
from d7nb.sandbox.responses import coded_error, json_response, send_response, typical_response
from d7nb.sandbox.schema.request import PHONE_NUMBER
from d7nb.sandbox.uvicorn_server import DroppedConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from d7nb.sandbox.schema.request import SendRequest

SEND_PATH = "/whatsapp/v2/send"

_ERROR_PAGE = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
_STATUSES_WITHOUT_BODY = {204, 304}


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a fault on one request."""

    is_handled: bool = True  # by the API, which accepts its messages if they are valid
    replacement: Callable[[datetime], Response] | None = None  # makes the response in place of the API's, by the time
    delay: float = 0.0  # seconds before the response


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient that is always refused, with a status and an error that names the recipient's position or not."""

    digits: str
    status: int
    named: bool


@validate_call
def status(
    *,
    code: Annotated[int, Field(ge=200, le=599)],
    retry_after: int | str | None = None,
    body: Any = None,
    taken: bool = False,
) -> Effect:
    """Answer with a status; `retry_after` is seconds or an HTTP date, `body` a text or anything for JSON."""
    typical = typical_response(code)
    if code in _STATUSES_WITHOUT_BODY:
        content, media_type = b"", None
    elif body is None:
        content, media_type = bytes(typical.body), typical.media_type
    elif isinstance(body, str):
        content, media_type = body.encode(), "text/plain"
    else:
        content, media_type = orjson.dumps(body), "application/json"
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Effect(taken, lambda _: Response(content, code, headers, media_type))


@validate_call
def drop_before() -> Effect:
    """Close the connection without an answer; nothing is accepted."""
    return Effect(is_handled=False, replacement=lambda _: DroppedConnection())


@validate_call
def drop_after() -> Effect:
    """Accept the messages, then close the connection without an answer."""
    return Effect(is_handled=True, replacement=lambda _: DroppedConnection())


@validate_call
def delay(*, seconds: Annotated[float, Field(ge=0)]) -> Effect:
    """Accept the messages at once, and answer later."""
    return Effect(delay=seconds)


@validate_call
def rejected() -> Effect:
    """Answer 200 with the status `rejected`, which D7 documents as possible; nothing is accepted."""
    return Effect(is_handled=False, replacement=lambda now: send_response("rejected", now))


@validate_call
def garbage(*, taken: bool = True) -> Effect:
    """Answer 200 with an HTML page."""
    return Effect(taken, lambda _: Response(_ERROR_PAGE, media_type="text/html"))


@validate_call
def empty(*, taken: bool = True) -> Effect:
    """Answer 200 with an empty body."""
    return Effect(taken, lambda _: Response(media_type="application/json"))


@validate_call
def redirect(*, url: str = "/elsewhere") -> Effect:
    """Answer 307 with another URL; nothing is accepted."""
    return Effect(is_handled=False, replacement=lambda _: Response(status_code=307, headers={"Location": url}))


@validate_call
def refuse(
    *,
    recipient: Annotated[str, Field(pattern=PHONE_NUMBER)],
    status: Annotated[int, Field(ge=400, le=499)] | None = None,
    named: bool = True,
) -> Refusal:
    """Refuse every request with a recipient: 422 with its `loc`, or for `named=False` 400 with only a code."""
    return Refusal(recipient.removeprefix("+"), status or (422 if named else 400), named)


KINDS: dict[str, Callable[..., Effect | Refusal]] = {
    function.__name__: function
    for function in (status, drop_before, drop_after, delay, rejected, garbage, empty, redirect, refuse)
}


@dataclass(slots=True)
class QueuedFault:
    """A fault that waits for requests."""

    effect: Effect
    path: str
    remaining: int  # requests that it strikes
    by_chance: Callable[[], bool] | None  # decides on each request; `remaining` then does not count down

    def take_hit(self, path: str) -> bool:
        """Count down for a request to a path, and return whether the fault strikes it."""
        if not path.startswith(self.path):
            return False
        if self.by_chance is not None:
            return self.by_chance()
        self.remaining -= 1
        return True


@validate_call
def _queue_fault(
    effect: Any,
    times: Annotated[int, Field(ge=1)],
    *,
    path: str = SEND_PATH,
    probability: Annotated[float, Field(ge=0, le=1)] | None = None,
    seed: int | None = None,
) -> QueuedFault:
    generator = random.Random(seed)  # noqa: S311 - a seed is the point
    by_chance = None if probability is None else lambda: generator.random() < probability
    return QueuedFault(effect, path, times, by_chance)


_COMMON_OPTIONS = ("path", "probability", "seed")


class Faults:
    """The faults that were asked for and have not struck yet. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._queue: list[QueuedFault] = []
        self._refusals: dict[str, Refusal] = {}  # by the recipient's digits

    def add(self, kind: str, times: int, options: dict[str, Any]) -> None:
        """Queue a fault for the next requests.

        Raises:
            SandboxError: The kind or an option is unknown, or an option's value is invalid.
        """
        make = KINDS.get(kind)
        if make is None:
            raise unknown_name(f"there is no fault {kind!r}", kind, KINDS)
        kind_options = signature(make).parameters
        common_options = () if make is refuse else _COMMON_OPTIONS
        for name in options:
            if name not in {*kind_options, *common_options}:
                raise unknown_name(f"fault {kind!r} has no option {name!r}", name, (*kind_options, *common_options))
        try:
            fault = make(**{name: options[name] for name in options if name in kind_options})
            queued = _queue_fault(fault, times, **{name: options[name] for name in options if name in common_options})
        except ValidationError as error:
            first = error.errors()[0]
            raise SandboxError(f"fault {kind!r}, {first['loc'][-1]!r}: {first['msg']}") from None
        with self._lock:
            if isinstance(fault, Refusal):
                self._refusals[fault.digits] = fault
            else:
                self._queue.append(queued)

    def strike(self, path: str) -> Effect:
        """Return the effect on a request to a path: that of the first queued fault that strikes it."""
        with self._lock:
            fault = next((queued for queued in self._queue if queued.take_hit(path)), None)
            self._queue = [queued for queued in self._queue if queued.remaining]
        return Effect() if fault is None else fault.effect

    def refuse(self, send_request: SendRequest) -> Response | None:
        """Return the response to a request with refused recipients, or None."""
        with self._lock:
            refusals = dict(self._refusals)
        if not refusals:
            return None
        refused = [
            (["body", "messages", m, "recipients", r, "recipient"], refusals[digits])
            for m, message in enumerate(send_request.messages)
            for r, recipient in enumerate(message.recipients)
            if (digits := recipient["recipient"].removeprefix("+")) in refusals
        ]
        if not refused:
            return None
        named = [(loc, refusal) for loc, refusal in refused if refusal.named]
        if not named:
            return coded_error(refused[0][1].status, "INVALID_RECIPIENT", "A recipient can't be reached.")
        items = [{"loc": loc, "msg": "The recipient can't be reached", "type": "value_error"} for loc, _ in named]
        return json_response({"detail": items}, named[0][1].status)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._queue.clear()
            self._refusals.clear()
