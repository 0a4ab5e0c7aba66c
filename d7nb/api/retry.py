"""The back-off: how long to wait before a request is tried again, and when to give up.

Only two things are ever tried again, because nothing can have been sent: a 429, and a connection that was never made.
"""

from __future__ import annotations

TRIES = 5
"""The number of tries of one request, the first among them."""
FIRST_WAIT = 0.5
"""Seconds before the second try where D7 does not say how long; each further wait is twice the last."""
LONGEST_WAIT = 120.0
"""Seconds. Where D7 asks for more, the request is not tried again."""


def asks_too_long(retry_after: float | None) -> bool:
    """Return whether D7 asks for a longer wait than anybody should sit through."""
    return retry_after is not None and retry_after > LONGEST_WAIT


def wait_before_retry(tries: int, retry_after: float | None, jitter: float) -> float | None:
    """Return the seconds to wait before the next try, None to give up.

    Args:
        tries: How often the request was tried so far.
        retry_after: The seconds that D7 asked for, None where it asked for nothing.
        jitter: A random number from 0 to 1: it lengthens the wait by up to a fifth and 0.1 s, so that clients which
            were refused together do not come back together.

    Example:
        >>> [wait_before_retry(tries, None, jitter=0) for tries in (1, 2, 3, 4, 5)]
        [0.5, 1.0, 2.0, 4.0, None]
        >>> wait_before_retry(1, 30, jitter=0), wait_before_retry(1, 3600, jitter=0)
        (30.0, None)
    """
    if tries >= TRIES or asks_too_long(retry_after):
        return None
    seconds = FIRST_WAIT * 2 ** (tries - 1) if retry_after is None else retry_after
    return seconds + jitter * (0.1 + 0.2 * seconds)
