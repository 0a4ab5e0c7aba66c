"""TEXT: a plain text message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.content.bubble import Bubble
from d7nb.content.rules import D7, FLAG, TEXT, max_length
from d7nb.content.schema.part import Content, leaf

if TYPE_CHECKING:
    from collections.abc import Mapping


class Text(Content, message_type="TEXT", root="text"):
    """A text message (D7, WhatsApp API reference, "Send message").

    Args:
        body: At most 4,096 characters; may hold addresses and WhatsApp's ``*bold* _italic_ ~strike~``.
        preview_url: Whether the first http(s) address in the body is previewed.

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Text
        >>> Text("Hi {name}, your balance is {balance:,.2f} AED")
        Text(body='Hi {name}, your balance is {balance:,.2f} AED')
    """

    body: str = leaf("body", TEXT, max_length(4096, D7))
    preview_url: bool | None = leaf("preview_url", FLAG, default=None)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the text, with a note on whether WhatsApp is asked to preview its first address."""
        preview = payload.get("preview_url")
        note = (
            "" if preview is None else "WhatsApp previews the first address" if preview else "no address is previewed"
        )
        return Bubble(body=payload.get("body", ""), note=note)
