"""The built-in plugins: d7nb's own content types and filters, offered through the hooks that any plugin uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.content import (
    AddressMessage,
    Attachment,
    Contacts,
    CtaUrl,
    Flow,
    ListMessage,
    Location,
    LocationRequest,
    Reaction,
    ReplyButtons,
    Template,
    Text,
)
from d7nb.filters.people import Duplicates
from d7nb.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d7nb.content import Content
    from d7nb.filters import RowFilter

CONTENT_TYPES: tuple[type[Content], ...] = (
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
"""Every content type that D7 documents."""


class BuiltInContents:
    """The plugin with the content types."""

    @hookimpl
    def d7nb_content_types(self) -> Iterable[type[Content]]:
        """Offer the content types that D7 documents."""
        return CONTENT_TYPES


class BuiltInFilters:
    """The plugin with the filters of every plan."""

    @hookimpl
    def d7nb_filters(self) -> Iterable[RowFilter]:
        """Offer the filter against duplicates."""
        return (Duplicates(),)


PLUGINS = {"d7nb.content": BuiltInContents(), "d7nb.filters": BuiltInFilters()}
"""The plugins by the names that `d7nb.plugins.table` shows."""
