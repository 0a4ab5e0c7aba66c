"""A progress bar on stderr. Whatever goes wrong with it, the work that it shows does not notice."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self


class Progress:
    """Shows, inside a ``with`` block, how far something has come.

    Args:
        total: How many there are.
        shown: Whether there is to be a bar at all.
        unit: What is counted, where that is not rows.
    """

    def __init__(self, total: int, *, shown: bool, unit: str = "row") -> None:
        self._bar: Any = None
        if shown:
            with suppress(Exception):
                from tqdm.auto import tqdm  # noqa: PLC0415  (slow to import)

                self._bar = tqdm(total=total, unit=unit)

    def show(self, finished: int, word: str) -> None:
        """Say how many are through, and what is being waited for."""
        if self._bar is not None:
            with suppress(Exception):
                self._bar.set_postfix_str(word, refresh=False)
                self._bar.update(finished - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with suppress(Exception):
                self._bar.close()
