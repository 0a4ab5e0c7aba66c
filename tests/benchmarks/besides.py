"""What is measured beside the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def show(say: Callable[[str], None], rows: int | None) -> None:
    """Measure and tell."""
