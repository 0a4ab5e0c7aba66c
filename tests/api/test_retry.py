"""The back-off: waits that double, at most five tries, and D7's own word where it gives one."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st

from d7nb.api.retry import LONGEST_WAIT, TRIES, wait_before_retry

JITTER = st.floats(0, 1)


@given(st.integers(1, TRIES - 1), JITTER)
def test_without_a_retry_after_the_waits_double(tries: int, jitter: float) -> None:
    seconds = wait_before_retry(tries, None, jitter)
    base = [0.5, 1, 2, 4][tries - 1]
    assert seconds is not None
    assert base <= seconds <= base * 1.2 + 0.1 + 1e-9


@given(st.integers(1, TRIES - 1), st.floats(0, LONGEST_WAIT), JITTER)
def test_nobody_comes_back_before_d7_allows_it(tries: int, retry_after: float, jitter: float) -> None:
    seconds = wait_before_retry(tries, retry_after, jitter)
    assert seconds is not None
    assert retry_after <= seconds <= retry_after * 1.2 + 0.1 + 1e-9


@given(st.integers(TRIES, 100), st.none() | st.floats(0, LONGEST_WAIT), JITTER)
def test_after_the_last_try_there_is_no_wait(tries: int, retry_after: float | None, jitter: float) -> None:
    assert wait_before_retry(tries, retry_after, jitter) is None


@given(st.integers(1, 100), st.floats(LONGEST_WAIT, math.inf, exclude_min=True), JITTER)
def test_where_d7_asks_for_more_than_two_minutes_it_is_given_up(tries: int, retry_after: float, jitter: float) -> None:
    assert wait_before_retry(tries, retry_after, jitter) is None
