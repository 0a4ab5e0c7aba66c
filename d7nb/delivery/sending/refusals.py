"""What to do with a request that D7 refused: find out what was at fault, and what can still be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from d7nb.api.error_codes import with_advice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d7nb.errors import ApiError

BAD_ORIGINATOR = "INVALID_WHATSAPP_ORIGINATOR"
FAILURE_THRESHOLD = 10
"""The number of rows in a row, each refused alone with the same code, after which the rows can't be the cause."""


class RefusalAction(NamedTuple):
    """What the send loop does about a refused request.

    Attributes:
        kind: ``stop`` the send; ``reject_originator``, all rows of it; ``reject_rows`` and send the others again; or
            ``halve`` the request and send both halves.
        positions: With ``reject_rows``: which rows, as positions in the request.
        reasons: With ``reject_rows``: D7's message about each of them.
    """

    kind: Literal["stop", "reject_originator", "reject_rows", "halve"]
    positions: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()


def action_for(error: ApiError, message_sizes: Sequence[int]) -> RefusalAction:
    """Return what to do about a refused request.

    Args:
        error: D7's answer.
        message_sizes: The number of recipients of each message in the request, in order.
    """
    if error.status == 404 and error.code == BAD_ORIGINATOR:
        return RefusalAction("reject_originator")
    if error.status == 422:
        reason_at = _reasons_by_position(error, message_sizes)
        if reason_at:
            return RefusalAction("reject_rows", tuple(reason_at), tuple(reason_at.values()))
        return RefusalAction("halve")
    if error.status == 413 or (error.status not in {401, 402, 403} and error.code and 400 <= (error.status or 0) < 500):
        return RefusalAction("halve")
    return RefusalAction("stop")


def _reasons_by_position(error: ApiError, message_sizes: Sequence[int]) -> dict[int, str]:
    """Return D7's message about each recipient that a 422 names, by the recipient's position in the request.

    The result is empty if any detail names no recipient: what is wrong may then concern all of them.
    """
    reason_at: dict[int, str] = {}
    for detail in error.details:
        positions, field_path = _locate(detail.loc, message_sizes)
        if not positions:
            return {}
        parts = ["D7 answered 422", ".".join(map(str, field_path)), detail.message]
        reason = with_advice(": ".join(filter(None, parts)))
        for position in positions:
            reason_at.setdefault(position, reason)
    return reason_at


def _locate(loc: Sequence[str | int], message_sizes: Sequence[int]) -> tuple[range, Sequence[str | int]]:
    """Return the positions of the recipients that a ``loc`` points at, and the path of the field below them.

    The form is ``body, messages, i, recipients, j, ...`` for one recipient, and ``body, messages, i, ...`` for all
    recipients of a message; the range is empty for any other.
    """
    match loc:
        case ["body", *below]:
            return _locate(below, message_sizes)
        case ["messages", int(message), *field_path] if 0 <= message < len(message_sizes):
            start = sum(message_sizes[:message])
            recipients = range(start, start + message_sizes[message])
        case _:
            return range(0), loc
    match field_path:
        case ["recipients", int(recipient), *below]:
            return recipients[recipient : recipient + 1] if recipient >= 0 else range(0), below
    return recipients, field_path


class CircuitBreaker:
    """Remembers which contents and originators D7 refuses, so that no more of their rows are posted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str], int] = {}
        self._blocked: dict[str, dict[int, tuple[str, str]]] = {}

    def blocked(self, originator: str) -> dict[int, tuple[str, str]]:
        """Return the blocked contents of an originator, each with the outcome and the reason for its rows."""
        return self._blocked.get(originator, {})

    def block_originator(self, originator: str, content_count: int, reason: str) -> None:
        """Reject all further rows of an originator, whichever of the plan's contents they have."""
        self._blocked[originator] = dict.fromkeys(range(content_count), ("rejected", reason))

    def record_refusal(self, content: int, originator: str, error: ApiError) -> None:
        """Count a row that was refused alone; with too many in a row for one code, block its content and originator."""
        key = (content, originator, error.code or str(error.status))
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] >= FAILURE_THRESHOLD:
            refused = f"D7 refused {FAILURE_THRESHOLD} rows in a row, each sent alone, for one reason"
            reason = f"not tried: {refused}, so the rows are not the cause: {error.message}"
            self._blocked.setdefault(originator, {})[content] = ("unsent", reason)

    def record_success(self, content: int, originator: str) -> None:
        """Reset the counts of a content and originator of which D7 accepted a row."""
        for key in [key for key in self._counts if key[:2] == (content, originator)]:
            del self._counts[key]
