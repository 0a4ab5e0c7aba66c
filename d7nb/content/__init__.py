"""The content types, one file each; what they are made of is in `declare`, `rules` and `leaves`."""

from __future__ import annotations

from d7nb.content.attachment import Attachment
from d7nb.content.contacts import Contact, Contacts
from d7nb.content.declare import Content
from d7nb.content.interactive import (
    AddressMessage,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    LocationRequest,
    ReplyButtons,
)
from d7nb.content.leaves import col
from d7nb.content.location import Location
from d7nb.content.reaction import Reaction
from d7nb.content.template import Template
from d7nb.content.text import Text

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

__all__ = [
    "BUILT_IN",
    "AddressMessage",
    "Attachment",
    "Contact",
    "Contacts",
    "Content",
    "CtaUrl",
    "Flow",
    "Header",
    "ListMessage",
    "Location",
    "LocationRequest",
    "Reaction",
    "ReplyButtons",
    "Template",
    "Text",
    "col",
]
