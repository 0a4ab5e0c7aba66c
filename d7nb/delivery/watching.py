"""Refresh a delivery at intervals, until its messages have arrived or the time is up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from d7nb.display.progress import Progress
from d7nb.errors import ApiError, Forbidden, Interrupted, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

WATCHED = ("sent", "delivered", "read")
"""The stages that a delivery can be watched for."""


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
    """Refresh a delivery at intervals; an error is raised in the first round, and waits for the next one later.

    Args:
        delivery: The delivery, for the `Interrupted` error.
        refresh: Does one round.
        count: Returns the number of rows that have arrived, and of all rows.
        is_enough: Returns whether to stop.
        every: Seconds between two rounds.
        timeout: Seconds after which to stop in any case; None for never.
        progress: Whether to show a progress bar.
    """
    started_at, is_first_round = time.monotonic(), True
    try:
        with Progress(count()[1], shown=progress) as bar:
            while True:
                note = f"asking every {every:g} s"
                try:
                    refresh()
                except ApiError as error:
                    if is_first_round or isinstance(error, Unauthorized | Forbidden):
                        raise
                    note = f"next try in {every:g} s: {error.message}"
                is_first_round = False
                bar.show(count()[0], note)
                pause = every if timeout is None else min(started_at + timeout - time.monotonic(), every)
                if is_enough() or pause <= 0:
                    return
                time.sleep(pause)
    except KeyboardInterrupt:  # also while reports are read, which is a part of watching
        raise Interrupted("watching was interrupted; the statuses read so far are kept", delivery) from None
