"""From ready rows to requests: every row once, equal contents together, one originator and one schedule a request."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import d7nb
from d7nb import Location, Text, by_column, col

PEOPLE = ["+12025550123", "+12025550124", "+61491570006"]
SENDERS = ["+12025550100", "+12025550101"]
TIMES = [None, "2026-12-01T09:00+04:00", "2026-12-02T18:30+00:00"]
URLS = [None, "https://example.com/a", "https://example.com/b"]


class Row(NamedTuple):
    """What one row of a test's table asks for."""

    recipient: str
    body: str
    originator: str = SENDERS[0]
    schedule: str | None = None
    report_url: str | None = None


def planned(rows: list[Row]) -> d7nb.Plan:
    """A plan in which nothing is skipped, and whose ``cust_ref`` is the row's position."""
    frame = pd.DataFrame(rows, columns=list(Row._fields), dtype="object").assign(number=range(len(rows)))
    return d7nb.plan(
        frame,
        Text(col("body")),
        originator=col("originator"),
        schedule=col("schedule"),
        report_url=col("report_url"),
        key="number",
        key_in=None,
        reference={"cust_ref": col("number")},
        clock=lambda: datetime(2026, 11, 23, tzinfo=UTC),
    )


def unpacked(request: dict[str, Any]) -> list[tuple[int, Row]]:
    """Each recipient of a request: its position in the table, and what it gets."""
    schedule = request.get("message_globals", {}).get("schedule_time")
    return [
        (
            int(recipient["reference"]["cust_ref"]),
            Row(
                recipient["recipient"],
                message["content"]["text"]["body"],
                message["originator"],
                schedule,
                message.get("report_url"),
            ),
        )
        for message in request["messages"]
        for recipient in message["recipients"]
    ]


def packed_one_by_one(rows: list[Row], batch_size: int) -> list[list[int]]:
    """The positions in each request, as a plain loop would pack them."""
    ways: dict[Any, dict[Any, list[int]]] = {}
    for number, row in enumerate(rows):
        messages = ways.setdefault((row.originator, row.schedule), {})
        messages.setdefault((row.body, row.report_url), []).append(number)
    requests = []
    for messages in ways.values():
        numbers = [number for same in messages.values() for number in same]
        requests += [numbers[start : start + batch_size] for start in range(0, len(numbers), batch_size)]
    return requests


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(PEOPLE),
        st.sampled_from(["Hi", "Hello", "{not a template} \u2028 🎉"]),
        st.sampled_from(SENDERS),
        st.sampled_from(TIMES),
        st.sampled_from(URLS),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(1, 35))
def test_every_row_goes_once_with_its_own_content_and_routing_whatever_the_batch_size(
    rows: list[Row], batch_size: int
) -> None:
    requests = list(planned(rows).requests(batch_size))
    assert [[number for number, _ in unpacked(request)] for request in requests] == packed_one_by_one(rows, batch_size)
    assert dict(pair for request in requests for pair in unpacked(request)) == dict(enumerate(rows))
    for request in requests:
        assert len({message["originator"] for message in request["messages"]}) == 1
        messages = [(message["content"]["text"]["body"], message.get("report_url")) for message in request["messages"]]
        assert len(set(messages)) == len(messages)


def test_rows_of_one_content_share_a_message() -> None:
    [request] = planned([Row(person, "Hello all") for person in PEOPLE]).requests()
    [message] = request["messages"]
    assert [recipient["recipient"] for recipient in message["recipients"]] == PEOPLE


def test_rows_of_different_contents_share_a_request() -> None:
    [request] = planned([Row(person, f"Hi {person}") for person in PEOPLE]).requests()
    assert [len(message["recipients"]) for message in request["messages"]] == [1, 1, 1]


def test_some_contents_to_many_recipients_each() -> None:
    rows = [Row(person, body) for person in PEOPLE for body in ("Hi", "Hello")]
    [request] = planned(rows).requests()
    assert [(message["content"]["text"]["body"], len(message["recipients"])) for message in request["messages"]] == [
        ("Hi", 3),
        ("Hello", 3),
    ]


def test_a_message_that_is_cut_by_the_batch_size_goes_on_in_the_next_request() -> None:
    rows = [Row(person, "Hi") for person in PEOPLE] + [Row(PEOPLE[0], "Bye")]
    first, second = planned(rows).requests(2)
    assert [number for number, _ in unpacked(first)] == [0, 1]
    assert [number for number, _ in unpacked(second)] == [2, 3]
    assert [len(message["recipients"]) for message in second["messages"]] == [1, 1]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 100])
def test_no_request_carries_more_recipients_than_the_batch_size(batch_size: int) -> None:
    rows = [Row(person, body) for body in ("Hi", "Hello", "Bye") for person in PEOPLE]
    counts = [len(unpacked(request)) for request in planned(rows).requests(batch_size)]
    assert sum(counts) == 9
    assert max(counts) <= batch_size
    assert len(counts) == -(-9 // batch_size)


def test_each_originator_and_each_time_has_requests_of_its_own() -> None:
    rows = [Row(PEOPLE[0], "Hi", sender, time) for sender in SENDERS for time in TIMES]
    requests = list(planned(rows).requests())
    ways = [
        (request["messages"][0]["originator"], request.get("message_globals", {}).get("schedule_time"))
        for request in requests
    ]
    assert ways == [(sender, time) for sender in SENDERS for time in TIMES]


def test_one_content_with_two_report_urls_is_two_messages_of_one_request() -> None:
    rows = [Row(person, "Hi", report_url=url) for person in PEOPLE[:2] for url in URLS]
    [request] = planned(rows).requests()
    assert [message.get("report_url") for message in request["messages"]] == URLS
    assert [len(message["recipients"]) for message in request["messages"]] == [2, 2, 2]


def test_contents_of_different_kinds_share_a_request_and_equal_ones_a_message() -> None:
    frame = pd.DataFrame(
        {"recipient": PEOPLE, "kind": ["text", "map", "text"], "lat": [None, 25.2, None], "lon": [None, 55.25, None]}
    )
    kinds = by_column("kind", {"map": Location(col("lat"), col("lon")), "text": Text("Hi")})
    [request] = d7nb.plan(frame, kinds, originator=SENDERS[0]).requests()
    assert [
        (message["content"]["message_type"], [recipient["recipient"] for recipient in message["recipients"]])
        for message in request["messages"]
    ] == [("TEXT", [PEOPLE[0], PEOPLE[2]]), ("LOCATION", [PEOPLE[1]])]


def test_rows_that_are_not_ready_are_in_no_request() -> None:
    rows = [Row(PEOPLE[0], "Hi"), Row("nobody", "Hi"), Row(PEOPLE[1], ""), Row(PEOPLE[2], "Hi", "shop")]
    assert [unpacked(request) for request in planned(rows).requests()] == [[(0, rows[0])]]


def test_requests_are_made_as_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first body of a long plan does not wait for the rest of it."""
    rendered: list[int] = []
    fragments = d7nb.content.rendering.Renderer.fragments  # type: ignore[attr-defined]

    def counted(self: Any, rows: Any) -> list[str]:
        rendered.append(len(rows))
        return fragments(self, rows)  # type: ignore[no-any-return]

    plan = planned([Row(PEOPLE[number % 3], f"Hi {number % 70}") for number in range(20_000)])
    monkeypatch.setattr("d7nb.content.rendering.Renderer.fragments", counted)
    requests = plan.requests(100)
    assert rendered == []
    first = next(requests)
    assert max(rendered) <= 8192
    numbers = [number for request in (first, *requests) for number, _ in unpacked(request)]
    assert Counter(numbers) == Counter(range(20_000))
    assert sum(rendered) >= 20_000
