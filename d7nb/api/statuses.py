"""What became of a message after D7 took it: the words for it, and which of two words weighs more.

A status is kept for each word that was heard, with the earliest time it is known of. What a message has come to is the
word of the highest rank among them. So it does not matter in which order reports and delivery events come, or how
often, and a status never goes backwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

STAGES = ("scheduled", "queued", "sent", "failed", "delivered", "read")
"""The words that we know, by rank. Whoever got a message had it, so ``failed`` does not outweigh ``delivered``."""
FINAL = frozenset({"failed", "read"})
"""After these, nothing more is to be expected. ``delivered`` may become ``read``."""
ARRIVED = ("delivered", "read")
"""After these, the message is on the phone."""
_SAME_AS = {
    "accepted": "queued",
    "dropped": "failed",  # RAPID, in prose (d7-api.md section 4)
    "undelivered": "failed",  # by analogy with D7's SMS
    "un_delivered": "failed",
    "rejected": "failed",
    "expired": "failed",
    "seen": "read",
}
_RANK = {word: rank for rank, word in enumerate(STAGES)}
_UNKNOWN = _RANK["queued"]


class StatusUpdate(NamedTuple):
    """What D7 says of one message, in a report or in a delivery event (d7-api.md sections 4 and 5.1).

    Attributes:
        request_id: The request that it went with.
        status: A word of `STAGES`, or D7's own, as `read_status` gives it.
        at: When it came to this: D7's time, or when it was asked.
        msg_id: D7's id of the message; empty where it gave none.
        reason: D7's words about it; empty where it gave none.
        marks: The values of its reference; one of them may be its row's key.
        recipient: To whom it went, digits with or without a plus; empty where D7 did not say.
    """

    request_id: str
    status: str
    at: datetime
    msg_id: str = ""
    reason: str = ""
    marks: tuple[str, ...] = ()
    recipient: str = ""


class InboundMessage(NamedTuple):
    """What a person wrote to a business number.

    Attributes:
        sender: The person's number, digits with or without a plus.
        originator: The business number, likewise; empty where it is not known.
        at: When.
        text: What was written; empty where it was no text.
        kind: What it was, such as ``text`` or ``image``.
        message_id: Its id.
    """

    sender: str
    originator: str
    at: datetime
    text: str = ""
    kind: str = ""
    message_id: str = ""


def read_status(word: str) -> tuple[str, str]:
    """A status as D7 writes it: the word of ours for it, or its own; and what of it would be lost.

    Known words are compared without regard to case (d7-api.md section 4, client rule).

    Example:
        >>> read_status("Delivered"), read_status("dropped"), read_status("Throttled")
        (('delivered', ''), ('failed', 'dropped'), ('Throttled', ''))
    """
    plain = word.strip().lower()
    if plain in _RANK:
        return plain, ""
    if plain in _SAME_AS:
        return _SAME_AS[plain], plain
    return word.strip(), ""


def rank(word: str) -> float:
    """How much a word weighs against others; one that we don't know outweighs ``queued``, and nothing later.

    Example:
        >>> rank("read") > rank("delivered") > rank("failed") > rank("sent") > rank("Throttled") > rank("queued")
        True
    """
    return _RANK.get(word, _UNKNOWN + 0.5)
