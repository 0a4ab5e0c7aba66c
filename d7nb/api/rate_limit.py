"""How fast messages may go: a limit on the recipients of any second, for each originator."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 80
"""Recipients a second for one originator, unless told otherwise: what Meta gives a business number."""
WINDOW = 1.0
_MOMENT = 0.05
"""Seconds until it is worth asking again whether another send's request has ended."""
_MARGIN = 0.02
"""Between leave to go and the first byte some time passes, more for one request than for another."""


class RateLimiter:
    """Lets requests start so that those of any second carry at most `rate` recipients of one originator.

    Args:
        rate: Recipients a second; None for no limit.
        clock: A clock that never goes back.
        most: How many requests may be under way at once: a request with leave that waited for a connection would start
            at another time.
    """

    def __init__(
        self, rate: int | None, clock: Callable[[], float] = time.monotonic, *, most: int | None = None
    ) -> None:
        self._rate = rate
        self._most = most
        self._under_way = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._started: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self._held_until = 0.0

    def hold(self, seconds: float) -> None:
        """Let no request start for a while, whatever its originator."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def until(self, originator: str, recipients: int) -> float:
        """Seconds until a request may start, as it looks now; this gives no leave yet."""
        with self._lock:
            return max(self._until(originator, recipients, self._clock()), 0.0)

    def take(self, originator: str, recipients: int) -> float:
        """Start a request now, if it may; `done` says when it has ended.

        Args:
            originator: The number it comes from.
            recipients: How many it carries.

        Returns:
            0 where it starts now, and counts from now on; else the seconds until it may, as it looks now.
        """
        with self._lock:
            now = self._clock()
            seconds = self._until(originator, recipients, now)
            if seconds > 0:
                return seconds
            self._under_way += 1
            if self._rate is not None:
                self._started[originator].append((now, recipients))
            return 0.0

    def done(self) -> None:
        """A request that had leave has ended."""
        with self._lock:
            self._under_way -= 1

    def _until(self, originator: str, recipients: int, now: float) -> float:
        if now < self._held_until:
            return self._held_until - now
        if self._most is not None and self._under_way >= self._most:
            return _MOMENT
        if self._rate is None:
            return 0.0
        started = self._started[originator]
        while started and started[0][0] <= now - WINDOW - _MARGIN:
            started.popleft()
        total = sum(count for _, count in started)
        over = total + recipients - self._rate
        if over <= 0 or not started:
            return 0.0
        freed = accumulate(count for _, count in started)
        when = next(when for (when, _), free in zip(started, freed, strict=True) if free >= over or free == total)
        return max(when + WINDOW + _MARGIN - now, 0.001)
