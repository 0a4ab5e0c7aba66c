"""Things that go wrong on request. All kinds are inventions; each is something that networks and servers do.

A fault is a function of its options that gives an `Effect`: whether the API reads the request at all, what it answers
in place of its own answer, and how long it waits. `refuse` is of another sort: a rule that stays until `reset`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import Field, ValidationError, validate_call
from starlette.responses import Response

from d7nb.errors import SandboxError
from d7nb.sandbox import responses as answers
from d7nb.sandbox.schema.request import PHONE_NUMBER
from d7nb.sandbox.uvicorn_server import DroppedConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from d7nb.sandbox.schema.request import Envelope

SEND_PATH = "/whatsapp/v2/send"

_HTML = "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
_BODILESS = {204, 304}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault does to one request."""

    taken: bool = True  # the API reads the request, and takes it in if it is good
    replace: Callable[[datetime], Response] | None = None  # the answer in place of the API's own, at this time
    seconds: float = 0.0  # the wait before the answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recipient that is always refused."""

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
    """Answer with this status. `retry_after` is seconds or an HTTP date; `body` is text, or anything for JSON."""
    stock = answers.stock(code)
    if code in _BODILESS:
        content, media_type = b"", None
    elif body is None:
        content, media_type = bytes(stock.body), stock.media_type
    elif isinstance(body, str):
        content, media_type = body.encode(), "text/plain"
    else:
        content, media_type = orjson.dumps(body), "application/json"
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Effect(taken, lambda _: Response(content, code, headers, media_type))


@validate_call
def drop_before() -> Effect:
    """Close the connection without an answer; nothing is taken in."""
    return Effect(taken=False, replace=lambda _: DroppedConnection())


@validate_call
def drop_after() -> Effect:
    """Take the messages in, then close the connection without an answer."""
    return Effect(taken=True, replace=lambda _: DroppedConnection())


@validate_call
def delay(*, seconds: Annotated[float, Field(ge=0)]) -> Effect:
    """Take the messages in at once, and answer as always after a while."""
    return Effect(seconds=seconds)


@validate_call
def rejected() -> Effect:
    """A 200 whose status is `rejected` (documented as possible); nothing is taken in."""
    return Effect(taken=False, replace=lambda now: answers.send_reply("rejected", now))


@validate_call
def garbage(*, taken: bool = True) -> Effect:
    """A 200 with an HTML page for a body."""
    return Effect(taken, lambda _: Response(_HTML, media_type="text/html"))


@validate_call
def empty(*, taken: bool = True) -> Effect:
    """A 200 with nothing in it."""
    return Effect(taken, lambda _: Response(media_type="application/json"))


@validate_call
def redirect(*, url: str = "/elsewhere") -> Effect:
    """A 307 to another place; nothing is taken in."""
    return Effect(taken=False, replace=lambda _: Response(status_code=307, headers={"Location": url}))


@validate_call
def refuse(
    *,
    recipient: Annotated[str, Field(pattern=PHONE_NUMBER)],
    status: Annotated[int, Field(ge=400, le=499)] | None = None,
    named: bool = True,
) -> Refusal:
    """Refuse every request with this recipient: 422 and its place by `loc`, or (`named=False`) 400 and a code alone."""
    return Refusal(recipient.removeprefix("+"), status or (422 if named else 400), named)


KINDS: dict[str, Callable[..., Effect | Refusal]] = {
    function.__name__: function
    for function in (status, drop_before, drop_after, delay, rejected, garbage, empty, redirect, refuse)
}


@dataclass(slots=True)
class Pending:
    """A fault that waits for requests."""

    effect: Effect
    path: str
    left: int
    chance: Callable[[], bool] | None  # by probability: `left` does not count down

    def strikes(self, path: str) -> bool:
        """Whether it strikes the request that came now."""
        if not path.startswith(self.path):
            return False
        if self.chance is not None:
            return self.chance()
        self.left -= 1
        return True


@validate_call
def _pending(
    effect: Any,
    times: Annotated[int, Field(ge=1)],
    *,
    path: str = SEND_PATH,
    probability: Annotated[float, Field(ge=0, le=1)] | None = None,
    seed: int | None = None,
) -> Pending:
    dice = random.Random(seed)  # noqa: S311 - a seed is the point
    chance = None if probability is None else lambda: dice.random() < probability
    return Pending(effect, path, times, chance)


_GENERAL = ("path", "probability", "seed")


class Faults:
    """The faults that were asked for. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: list[Pending] = []
        self._refusals: dict[str, Refusal] = {}

    def add(self, kind: str, times: int, options: dict[str, Any]) -> None:
        """Ask for a fault.

        Raises:
            SandboxError: If the kind or an option is unknown, or an option's value is unfit.
        """
        build = KINDS.get(kind)
        if build is None:
            raise SandboxError(_not_known("fault", kind, KINDS))
        own = signature(build).parameters
        general = () if build is refuse else _GENERAL
        if unknown := [name for name in options if name not in {*own, *general}]:
            raise SandboxError(_not_known(f"option of fault {kind!r}", unknown[0], (*own, *general)))
        try:
            fault = build(**{name: options[name] for name in options if name in own})
            pending = _pending(fault, times, **{name: options[name] for name in options if name in general})
        except ValidationError as error:
            first = error.errors()[0]
            raise SandboxError(f"fault {kind!r}, {first['loc'][-1]!r}: {first['msg']}") from None
        with self._lock:
            if isinstance(fault, Refusal):
                self._refusals[fault.digits] = fault
            else:
                self._pending.append(pending)

    def strike(self, path: str) -> Effect:
        """The effect on the request that came now: of the faults that were asked for, the first that strikes it."""
        with self._lock:
            struck = next((fault for fault in self._pending if fault.strikes(path)), None)
            self._pending = [fault for fault in self._pending if fault.left]
        return Effect() if struck is None else struck.effect

    def refusal(self, envelope: Envelope) -> Response | None:
        """The answer to a request with recipients that are to be refused."""
        with self._lock:
            refusals = dict(self._refusals)
        if not refusals:
            return None
        found = [
            (["body", "messages", m, "recipients", r, "recipient"], refusals[digits])
            for m, message in enumerate(envelope.messages)
            for r, recipient in enumerate(message.recipients)
            if (digits := recipient["recipient"].removeprefix("+")) in refusals
        ]
        if not found:
            return None
        named = [(loc, refusal) for loc, refusal in found if refusal.named]
        if not named:
            return answers.coded(found[0][1].status, "INVALID_RECIPIENT", "A recipient can't be reached.")
        items = [{"loc": loc, "msg": "The recipient can't be reached", "type": "value_error"} for loc, _ in named]
        return answers.as_json({"detail": items}, named[0][1].status)

    def clear(self) -> None:
        """Take back everything that was asked for."""
        with self._lock:
            self._pending.clear()
            self._refusals.clear()


def _not_known(what: str, name: object, known: Iterable[str]) -> str:
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{what} {name!r} is not known: {guess}There are: {', '.join(known) or 'none'}"
