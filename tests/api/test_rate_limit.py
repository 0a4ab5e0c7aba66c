"""The rate limit: no second has more recipients of an originator than the rate, and nobody waits for another's sake."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import orjson
from hypothesis import given, strategies as st

import d7nb
from d7nb.api.rate_limit import WINDOW, RateLimiter
from tests.support.servers import Handler, serving


class Clock:
    """A clock that only a wait moves, and the event that is waited for."""

    def __init__(self, now: float = 0.0, stops_at: float = float("inf")) -> None:
        self.now = now
        self.stops_at = stops_at
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.stops_at

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now = min(self.now + seconds, self.stops_at)
        return self.is_set()


def started(limiter: RateLimiter, clock: Clock, requests: list[tuple[str, int]]) -> list[tuple[float, str, int]]:
    """When each request got its leave."""
    starts = []
    for originator, recipients in requests:
        while seconds := limiter.acquire(originator, recipients):
            clock.wait(seconds)
        starts.append((clock.now, originator, recipients))
    return starts


REQUESTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 40)), max_size=40)


@given(REQUESTS, st.integers(1, 60), st.floats(0, 1e9))
def test_no_second_carries_more_than_the_rate(requests: list[tuple[str, int]], rate: int, now: float) -> None:
    requests = [(originator, min(recipients, rate)) for originator, recipients in requests]
    clock = Clock(now)
    starts = started(RateLimiter(rate, clock), clock, requests)
    for begin, originator, _ in starts:
        second = [n for at, who, n in starts if who == originator and begin <= at < begin + WINDOW]
        assert sum(second) <= rate


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.3])), max_size=40), st.integers(1, 60))
def test_nobody_waits_longer_than_needed(requests: list[tuple[int, float]], rate: int) -> None:
    """Where a request waited, the second before its start, and a moment, had no room for it."""
    clock = Clock()
    limiter = RateLimiter(rate, clock)
    starts: list[tuple[float, int]] = []
    for size, pause in requests:
        recipients = min(size, rate)
        clock.now += pause
        asked = clock.now
        [(at, *_)] = started(limiter, clock, [("a", recipients)])
        if at > asked:
            assert sum(n for when, n in starts if when > at - WINDOW - 0.05) + recipients > rate
        starts.append((at, recipients))


@given(st.lists(st.integers(1, 10), min_size=1, max_size=20))
def test_originators_do_not_hinder_each_other(sizes: list[int]) -> None:
    alone, both = Clock(), Clock()
    expected = started(RateLimiter(10, alone), alone, [("a", size) for size in sizes])
    mixed = started(RateLimiter(10, both), both, [(who, size) for size in sizes for who in "ab"])
    assert [start for start in mixed if start[1] == "a"] == expected


def test_a_request_larger_than_the_rate_goes_alone() -> None:
    clock = Clock()
    starts = started(RateLimiter(10, clock), clock, [("a", 4), ("a", 25), ("a", 1)])
    assert [at >= WINDOW for at, *_ in starts] == [False, True, True]
    assert starts[2][0] - starts[1][0] >= WINDOW


@given(REQUESTS)
def test_without_a_rate_nobody_waits(requests: list[tuple[str, int]]) -> None:
    clock = Clock()
    started(RateLimiter(None, clock), clock, requests)
    assert clock.waits == []


@given(st.sampled_from([None, 5]), st.floats(0.1, 100), st.floats(0.1, 100))
def test_a_pause_stops_everybody_and_the_longest_counts(rate: int | None, first: float, second: float) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, clock)
    limiter.pause(first)
    limiter.pause(second)
    starts = started(limiter, clock, [("a", 5), ("b", 5)])
    assert [at for at, *_ in starts] == [max(first, second)] * 2


def test_a_request_that_may_not_start_yet_uses_nothing_up() -> None:
    clock = Clock()
    limiter = RateLimiter(10, clock)
    assert limiter.delay("a", 10) == 0
    assert limiter.acquire("a", 10) == 0
    for _ in range(3):
        assert 1 <= limiter.delay("a", 10) == limiter.acquire("a", 10) <= 1.03
    clock.now = 1.03
    assert limiter.acquire("a", 10) == 0


def test_threads_that_share_a_client_keep_its_rate() -> None:
    """In real time, as the server sees it: 12 requests of 5 recipients at 20 a second, from each of two originators."""
    arrivals: dict[str, list[float]] = {"a": [], "b": []}

    def arrive(handler: Handler) -> None:
        originator = orjson.loads(handler.server.requests[-1].body)["originator"]
        arrivals[originator].append(time.monotonic())
        handler.reply()

    with serving(arrive) as server, d7nb.Client("x", base_url=server.url, rate=20, workers=1) as client:

        def send(originator: str) -> None:
            while seconds := client.rate_limiter.acquire(originator, 5):
                time.sleep(seconds)
            client.exchange(orjson.dumps({"originator": originator}))
            client.rate_limiter.release()

        begin = time.monotonic()
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(send, ["a", "b"] * 12))
    for times in arrivals.values():
        assert len(times) == 12
        assert 2 <= max(times) - begin < 3.9  # one after the other would take longer
        assert all(later - earlier > 0.9 for earlier, later in zip(times, times[4:], strict=False))
