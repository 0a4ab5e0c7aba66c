"""Content types and filters, the built-in ones and everyone's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d7nb.content.declare import Content


def content_types() -> tuple[type[Content], ...]:
    """Every content type that is known."""
    from d7nb.content import BUILT_IN  # noqa: PLC0415

    return BUILT_IN
