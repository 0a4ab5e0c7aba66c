"""A progress bar on stderr; its own errors never disturb the work that it shows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self


class Progress:
    """A progress bar, shown inside a ``with`` block.

    Args:
        total: The count at which the work is done.
        shown: Whether to show a bar at all.
        unit: What is counted.
    """

    def __init__(self, total: int, *, shown: bool, unit: str = "row") -> None:
        self._bar: Any = None
        if shown:
            with suppress(Exception):
                from tqdm.auto import tqdm  # noqa: PLC0415  (slow to import)

                self._bar = tqdm(total=total, unit=unit)

    def show(self, finished: int, status: str) -> None:
        """Show how many are finished, and what is being waited for."""
        if self._bar is not None:
            with suppress(Exception):
                self._bar.set_postfix_str(status, refresh=False)
                self._bar.update(finished - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with suppress(Exception):
                self._bar.close()
