"""ATTACHMENT: an image, document, video, audio file or sticker, by its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from d7nb.content.bubble import Bubble
from d7nb.content.preview import file_of
from d7nb.content.rules import D7, META, TEXT, URL, FileLink, RowRule, max_length, one_of
from d7nb.content.schema.part import Content, leaf

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = ("image", "document", "video", "audio", "sticker")


def _caption_fault(caption: Any, kind: Any) -> str | None:
    return f"type {kind} takes no caption (Meta)" if caption is not None and kind in {"audio", "sticker"} else None


def _filename_fault(filename: Any, kind: Any) -> str | None:
    return f"type {kind} takes no file name (D7)" if filename is not None and kind != "document" else None


def _webp_fault(url: Any, kind: Any) -> str | None:
    if kind != "image" or not isinstance(url, str):
        return None
    try:
        path = urlsplit(url).path
    except ValueError:  # the rule `URL` reports it
        return None
    if path.lower().endswith(".webp"):
        return "D7 lists webp among the images, but for Meta it is a sticker: it may fail after it was accepted"
    return None


class Attachment(Content, message_type="ATTACHMENT", root="attachment"):
    """A file that WhatsApp fetches from an address (D7, WhatsApp API reference, "Send message").

    Args:
        type: ``image``, ``document``, ``video``, ``audio`` or ``sticker``.
        url: The file's http(s) address, sent as typed.
        caption: At most 1,024 characters (Meta); not with audio or a sticker.
        filename: What the recipient sees; with a document only.

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Attachment
        >>> Attachment("document", "https://example.com/{file}", filename="Invoice {number}.pdf")
        Attachment(type='document', url='https://example.com/{file}', filename='Invoice {number}.pdf')
    """

    type: str = leaf("type", TEXT, one_of(*TYPES, by=D7))
    url: str = leaf("url", TEXT, URL)
    caption: str | None = leaf("caption", TEXT, max_length(1024, META), default=None)
    filename: str | None = leaf("filename", default=None)

    file_links: ClassVar[tuple[FileLink, ...]] = (FileLink("url", kind_at="type"),)
    row_rules: ClassVar[tuple[RowRule, ...]] = (
        RowRule("no_caption", ("caption", "type"), _caption_fault, "leave the caption out, or send it as a text", META),
        RowRule("no_filename", ("filename", "type"), _filename_fault, "leave the file name out", D7),
        RowRule("webp", ("url", "type"), _webp_fault, "send it as a sticker, or as jpeg or png", META, "warning"),
    )

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the file by its kind, name and address, with its caption."""
        kind = payload.get("type", "")
        return Bubble(
            media=file_of(kind, payload), body=payload.get("caption", ""), shape="sticker" * (kind == "sticker")
        )
