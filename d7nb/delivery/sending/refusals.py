"""What to do with a request that D7 refused: whose fault was it, and what can still go (design, "A refusal")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from d7nb.api.error_codes import with_advice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d7nb.errors import ApiError

BAD_ORIGINATOR = "INVALID_WHATSAPP_ORIGINATOR"
FAILURE_THRESHOLD = 10
"""So many rows in a row refused alone with one code: then it is not the rows."""


class Ruling(NamedTuple):
    """What follows from a refusal.

    Attributes:
        verb: ``stop`` the send; give up the ``originator``; reject some ``rows`` and send the others again; ``halve``.
        places: With ``rows``: the named ones, as places in the batch.
        reasons: With ``rows``: D7's words for each.
    """

    verb: Literal["stop", "originator", "rows", "halve"]
    places: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()


def rule(error: ApiError, messages: Sequence[int]) -> Ruling:
    """Say what follows from a refusal.

    Args:
        error: What D7 answered.
        messages: How many recipients each of its messages has, in order.
    """
    if error.status == 404 and error.code == BAD_ORIGINATOR:
        return Ruling("originator")
    if error.status == 422:
        named = _named(error, messages)
        return Ruling("rows", tuple(named), tuple(named.values())) if named else Ruling("halve")
    if error.status == 413 or (error.status not in {401, 402, 403} and error.code and 400 <= (error.status or 0) < 500):
        return Ruling("halve")
    return Ruling("stop")


def _named(error: ApiError, messages: Sequence[int]) -> dict[int, str]:
    """The recipients that a 422 points at, and what it says of each; by place in the request.

    One detail that points at no recipient is enough to make the others doubtful: then none is named.
    """
    named: dict[int, str] = {}
    for detail in error.details:
        places, where = _pointed_at(detail.loc, messages)
        if not places:
            return {}
        said = ": ".join(filter(None, ["D7 answered 422", ".".join(map(str, where)), detail.message]))
        for place in places:
            named.setdefault(place, with_advice(said))
    return named


def _pointed_at(loc: Sequence[str | int], messages: Sequence[int]) -> tuple[range, Sequence[str | int]]:
    """The recipients that a ``loc`` means, none where it can't be told, and where below them it points.

    It is ``body, messages, i, recipients, j, ...`` for a recipient, and ``body, messages, i, ...`` for a whole message.
    """
    match loc:
        case ["body", *below]:
            return _pointed_at(below, messages)
        case ["messages", int(message), *where] if 0 <= message < len(messages):
            start = sum(messages[:message])
            recipients = range(start, start + messages[message])
        case _:
            return range(0), loc
    match where:
        case ["recipients", int(recipient), *below]:
            return recipients[recipient : recipient + 1] if recipient >= 0 else range(0), below
    return recipients, where


class CircuitBreaker:
    """Notices when row after row is refused alone with the same code: then what they have in common is at fault."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str], int] = {}

    def refused(self, content: int, originator: str, code: str) -> bool:
        """Note a row refused alone; whether that makes it one too many."""
        key = (content, originator, code)
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] >= FAILURE_THRESHOLD

    def accepted(self, content: int, originator: str) -> None:
        """Note an accepted row: content and originator are good."""
        for key in [key for key in self._counts if key[:2] == (content, originator)]:
            del self._counts[key]
