"""The content types, one file each; what they are made of is in `declare`, `rules` and `leaves`.

A plugin's type is declared with the same words: subclass `Content`, and give each field with `leaf`, `nested`, `items`
or `free`.
"""

from __future__ import annotations

from d7nb.content.attachment import Attachment
from d7nb.content.binding.format_strings import col
from d7nb.content.bubble import Bubble
from d7nb.content.contacts import Contact, Contacts
from d7nb.content.interactive import (
    AddressMessage,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    LocationRequest,
    ReplyButtons,
)
from d7nb.content.location import Location
from d7nb.content.reaction import Reaction
from d7nb.content.rules import FileLink
from d7nb.content.schema.part import Content, Part, free, items, leaf, nested
from d7nb.content.template import Template
from d7nb.content.text import Text
from d7nb.plugins.hookspecs import hookimpl

BUILT_IN: tuple[type[Content], ...] = (
    Text,
    Reaction,
    Attachment,
    Location,
    Contacts,
    ReplyButtons,
    ListMessage,
    CtaUrl,
    LocationRequest,
    AddressMessage,
    Flow,
    Template,
)


@hookimpl
def d7nb_content_types() -> tuple[type[Content], ...]:
    """What D7 documents."""
    return BUILT_IN


__all__ = [
    "BUILT_IN",
    "AddressMessage",
    "Attachment",
    "Bubble",
    "Contact",
    "Contacts",
    "Content",
    "CtaUrl",
    "FileLink",
    "Flow",
    "Header",
    "ListMessage",
    "Location",
    "LocationRequest",
    "Part",
    "Reaction",
    "ReplyButtons",
    "Template",
    "Text",
    "col",
    "free",
    "items",
    "leaf",
    "nested",
]
