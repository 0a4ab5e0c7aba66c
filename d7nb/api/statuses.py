"""The statuses of a message after D7 accepted it, their ranks, and the records of what D7 reports.

Of all statuses that were reported for a message, the one of the highest rank counts. So it does not matter in which
order reports and delivery events come, or how often, and a status never goes backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

STAGES = ("scheduled", "queued", "sent", "failed", "delivered", "read")
"""The known statuses, by rank. A message that was delivered stays delivered, so ``failed`` ranks lower."""
FINAL = frozenset({"failed", "read"})
"""Statuses after which none follows. ``delivered`` may become ``read``."""
ARRIVED = ("delivered", "read")
"""Statuses of a message that is on the phone."""
IMPLIED_BY = {"sent": ("sent", "delivered", "read"), "delivered": ("delivered", "read"), "read": ("read",)}
"""For each stage of the funnel the statuses that show that it was reached: D7 may not have reported those before."""
_SYNONYMS = {
    "accepted": "queued",
    "dropped": "failed",  # RapidAPI, "D7 WhatsApp"; how it is spelt in JSON is not documented
    "undelivered": "failed",  # D7, "Receive SMS Postback"; for WhatsApp not documented
    "un_delivered": "failed",
    "rejected": "failed",
    "expired": "failed",
    "seen": "read",
}
_RANKS = {status: rank for rank, status in enumerate(STAGES)}
_UNKNOWN_RANK = _RANKS["queued"] + 0.5


class StatusUpdate(NamedTuple):
    """The status of one message, from a report or a delivery event.

    The fields are those of D7, WhatsApp API reference, "Get Status" and "Receive Whatsapp Postback".

    Attributes:
        request_id: The request that the message was sent in.
        status: One of `STAGES`, or D7's own word for one that is not known.
        at: When the message came to this status by D7's clock; in a report, when the report was asked for.
        msg_id: D7's id of the message; empty where it gave none.
        reason: D7's words about it; empty where it gave none.
        references: The values of the message's reference; one of them may be its row's key.
        recipient: The number it was sent to, digits with or without a plus; empty where D7 did not say.
    """

    request_id: str
    status: str
    at: datetime
    msg_id: str = ""
    reason: str = ""
    references: tuple[str, ...] = ()
    recipient: str = ""


def parse_status(status: str) -> tuple[str, str]:
    """Translate D7's status into one of `STAGES`, and return it with D7's own word where that says more.

    Case does not matter: D7 does not document the spelling. A status that is not known is returned as D7 writes it.

    Example:
        >>> parse_status("Delivered"), parse_status("dropped"), parse_status("Throttled")
        (('delivered', ''), ('failed', 'dropped'), ('Throttled', ''))
    """
    lowered = status.strip().lower()
    if lowered in _RANKS:
        return lowered, ""
    if lowered in _SYNONYMS:
        return _SYNONYMS[lowered], lowered
    return status.strip(), ""


def rank(status: str) -> float:
    """Return the rank of a status; one that is not known ranks above ``queued`` and below all that comes later.

    Example:
        >>> rank("read") > rank("delivered") > rank("failed") > rank("sent") > rank("Throttled") > rank("queued")
        True
    """
    return _RANKS.get(status, _UNKNOWN_RANK)
