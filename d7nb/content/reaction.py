"""REACTION: an emoji on a message that the customer sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble, Line
from d7nb.content.schema.part import Content, leaf

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reaction(Content, message_type="REACTION", root="reaction"):
    """An emoji on an earlier message of the customer (D7, WhatsApp API reference, "Send message").

    D7 does not send it where that message is older than 30 days, was deleted, or is itself a reaction.

    Args:
        message_id: D7's id of that message, as the webhook gave it; sent as given.
        emoji: The emoji; the empty string takes an earlier reaction back (Meta).

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Reaction, col
        >>> Reaction(message_id=col("last_message"), emoji="👍")
        Reaction(message_id=col('last_message'), emoji='👍')
    """

    message_id: str = leaf("message_id")
    emoji: str = leaf("emoji", may_be_empty=True)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the emoji, and name the message that it reacts to."""
        emoji = payload.get("emoji", "")
        return Bubble(
            label="" if emoji else "takes an earlier reaction back",
            body=emoji,
            lines=(Line("on the customer's message", payload.get("message_id", "")),),
            shape="reaction",
        )
