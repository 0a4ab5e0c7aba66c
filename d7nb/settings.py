"""What a person can set for the whole kernel."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Options:
    """Settings of this kernel.

    Attributes:
        reveal: Whether previews show phone numbers in full. Everything else stays masked.

    Example:
        >>> import d7nb
        >>> with d7nb.options.revealed():
        ...     d7nb.options.reveal
        True
        >>> d7nb.options.reveal
        False
    """

    reveal: bool = False

    @contextmanager
    def revealed(self) -> Iterator[None]:
        """Show numbers in full inside a ``with`` block."""
        before, self.reveal = self.reveal, True
        try:
            yield
        finally:
            self.reveal = before


options = Options()
