"""Waiting for messages to arrive: round after round of asking, until enough is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from d7nb.display.progress import Progress
from d7nb.errors import ApiError, Forbidden, Interrupted, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

WATCHED = ("sent", "delivered", "read")
"""The stages that can be waited for."""


def watch(
    delivery: object,
    refresh: Callable[[], object],
    count: Callable[[], tuple[int, int]],
    is_enough: Callable[[], bool],
    *,
    every: float,
    timeout: float | None,
    progress: bool,
) -> None:
    """Ask round after round; what goes wrong in the first is raised, later it may pass.

    Args:
        delivery: What is watched, for whoever interrupts.
        refresh: One round.
        count: How many rows have come so far, and of how many.
        is_enough: Whether that will do.
        every: Seconds between two rounds.
        timeout: Seconds after which to end in any case.
        progress: Whether to show a bar.
    """
    began, first = time.monotonic(), True
    try:
        with Progress(count()[1], shown=progress) as bar:
            while True:
                word = f"asking every {every:g} s"
                try:
                    refresh()
                except ApiError as error:
                    if first or isinstance(error, Unauthorized | Forbidden):
                        raise
                    word = f"next try in {every:g} s: {error.message}"
                first = False
                bar.show(count()[0], word)
                left = every if timeout is None else min(began + timeout - time.monotonic(), every)
                if is_enough() or left <= 0:
                    return
                time.sleep(left)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted("watching was interrupted; what was heard is kept", delivery) from None
