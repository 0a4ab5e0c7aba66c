"""The rate limit: how many recipients one originator may write to in any second."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 80
"""Recipients a second for one originator, unless another rate is given: what Meta gives a business number (Meta,
"WhatsApp Business Platform: throughput")."""
WINDOW = 1.0
_POLL = 0.05
"""Seconds until it is worth looking again whether one of the requests under way has ended."""
_MARGIN = 0.02
"""Seconds added to the window: between the permit and the first byte some time passes, more for one request than for
another."""


class RateLimiter:
    """A sliding window: requests that start within one second carry at most `rate` recipients of one originator.

    It may be used from several threads. It never sleeps: it returns the seconds to wait.

    Args:
        rate: Recipients a second; None for no limit.
        clock: A clock that never goes back, in seconds.
        max_concurrent: How many requests may be under way at once, None for any number. A request that still
            had to wait for a free connection would start in another second than the one it is counted in.
    """

    def __init__(
        self, rate: int | None, clock: Callable[[], float] = time.monotonic, *, max_concurrent: int | None = None
    ) -> None:
        self._rate = rate
        self._max_concurrent = max_concurrent
        self._under_way = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._starts: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._paused_until = 0.0

    def acquire(self, originator: str, recipients: int) -> float:
        """Start a request now, if it may; whoever started one must `release` it when it has ended.

        Args:
            originator: The number it comes from.
            recipients: How many it carries.

        Returns:
            0 where it starts now, and counts from now on; else the seconds until it may, as it looks now.
        """
        with self._lock:
            now = self._clock()
            seconds = self._delay(originator, recipients, now)
            if seconds > 0:
                return seconds
            self._under_way += 1
            if self._rate is not None:
                self._starts[originator].append((now, recipients))
            return 0.0

    def release(self) -> None:
        """Note that a request which was started has ended."""
        with self._lock:
            self._under_way -= 1

    def delay(self, originator: str, recipients: int) -> float:
        """Return the seconds until a request may start, as it looks now, without starting it."""
        with self._lock:
            return self._delay(originator, recipients, self._clock())

    def pause(self, seconds: float) -> None:
        """Let no request start for a while, whatever its originator: D7 asked for it, or can't be reached."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def _delay(self, originator: str, recipients: int, now: float) -> float:
        if now < self._paused_until:
            return self._paused_until - now
        if self._max_concurrent is not None and self._under_way >= self._max_concurrent:
            return _POLL
        if self._rate is None:
            return 0.0
        starts = self._starts[originator]
        while starts and starts[0][0] <= now - WINDOW - _MARGIN:
            starts.popleft()
        in_window = sum(count for _, count in starts)
        excess = in_window + recipients - self._rate
        if excess <= 0 or not starts:
            return 0.0
        freed_by_then = accumulate(count for _, count in starts)
        start = next(
            start
            for (start, _), freed in zip(starts, freed_by_then, strict=True)
            if freed >= excess or freed == in_window
        )
        return max(start + WINDOW + _MARGIN - now, 0.001)
