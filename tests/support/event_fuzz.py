"""Bodies that nobody should post, and what a receiver must and must not make of them."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
from hypothesis import HealthCheck, Phase, given, seed as hypothesis_seed, settings, strategies as st

from d7nb import Ledger
from d7nb.api.statuses import ARRIVED, STAGES, parse_status
from d7nb.events import receiver
from tests.support.ledgers import DESTINATION
from tests.support.receiver_process import (
    SECRET,
    STATUSES,
    delivery_event,
    load_statuses,
    record_accepted,
    request_id_of,
)
from tests.support.sender_process import fictional

ROWS, TOGETHER = 6, 10
OTHERS = ["+61491570006", "+46701740610"]

texts = st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
status_words = st.sampled_from([*STATUSES, "Dropped", "failed", "Throttled", "", " read "]) | values
numbers = st.sampled_from([*fictional(ROWS), *OTHERS]) | values


def marks(names: list[str]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*names, "", names[0].lower(), names[0][:-1]]) | values


def fields(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Something like a delivery event, of which any part may be missing, wrong, or another row's."""
    reference = st.dictionaries(st.sampled_from(["cust_ref", "message_tag5", "messageTag5", "other"]), marks(names))
    return st.fixed_dictionaries(
        {},
        optional={
            "event_type": st.sampled_from(["DELIVERY_EVENTS", "SANDBOX_INBOUND_EVENT", "OTHER"]) | values,
            "timestamp": st.integers(min_value=-(2**62), max_value=2**62) | st.just(1795425887348) | values,
            "request_id": st.sampled_from([request_id_of(0), "another"]) | values,
            "msg_id": values,
            "recipient": numbers,
            "status": status_words,
            "reason": values,
            "reference": reference | values,
            "message_tag5": marks(names),
            "sender": numbers,
            "business_number": numbers,
            "text": st.just({"body": "STOP"}) | values,
            "entry": st.lists(st.fixed_dictionaries({"changes": changes()}), max_size=2) | values,
        },
    )


def aimed(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """A delivery event that is about a row: without them, few of the bodies would teach the ledger anything."""
    rows = st.integers(min_value=0, max_value=ROWS - 1)
    return st.builds(lambda row, status: delivery_event(row, status, names[row]), rows, st.sampled_from(STATUSES))


def changes() -> st.SearchStrategy[list[Any]]:
    message = st.fixed_dictionaries({"from": numbers, "text": st.just({"body": "STOP"}) | values})
    value = st.fixed_dictionaries({"messages": st.lists(message, max_size=2) | values, "metadata": values})
    return st.lists(st.fixed_dictionaries({"value": value}), max_size=2)


def bodies(names: list[str]) -> st.SearchStrategy[bytes]:
    one = fields(names) | aimed(names)
    written = (one | st.lists(one | values, max_size=3) | values).map(dumped)
    cut = st.builds(lambda body, at: body[: at % (len(body) + 1)], written, st.integers(min_value=0))
    forms = st.dictionaries(texts, texts, max_size=3).map(lambda more: urlencode(more).encode()) | one.map(as_form)
    return written | written | cut | forms | st.binary(max_size=40)


def dumped(value: Any) -> bytes:
    return orjson.dumps(_small(value), option=orjson.OPT_NON_STR_KEYS)


def _small(value: Any) -> Any:
    """Integers that orjson can write, and no lone surrogates."""
    match value:
        case bool():
            return value
        case int():
            return max(min(value, 2**63 - 1), -(2**63))
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return [_small(one) for one in value]
        case dict():
            return {_small(name): _small(one) for name, one in value.items()}
        case _:
            return value


def as_form(one: dict[str, Any]) -> bytes:
    fields = {name: value for name, value in one.items() if isinstance(value, str | int)}
    return urlencode(fields, errors="replace").encode()


class Oracle:
    """A simple reading of all bodies: the statuses that a row may have, and who may have written."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.recipients = names, fictional(ROWS)
        self.events: list[tuple[str, str, str]] = []  # of each its status, its request's id, and all of it
        self.wrote: set[str] = set()

    def hear(self, body: bytes) -> None:
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = dict(part.partition("=")[::2] for part in body.decode("utf-8", "replace").split("&"))
        text = orjson.dumps(parsed).decode()
        for number, digits in ((number, number.lstrip("+")) for number in [*self.recipients, *OTHERS]):
            if digits in text:
                self.wrote.add(number)
        for event in parsed if isinstance(parsed, list) else [parsed]:
            if isinstance(event, dict) and isinstance(event.get("status"), str):
                self.hear_event(event)

    def hear_event(self, event: dict[str, Any]) -> None:
        status = parse_status(event["status"].replace("+", " "))[0]
        self.events.append((status, str(event.get("request_id", "")), orjson.dumps(event).decode()))

    @cached_property
    def row_statuses(self) -> set[tuple[int, str]]:
        """The statuses that each row may have: those of events that name its key, or its number and its request.

        To be read when all bodies are in.
        An id that nobody remembers is the row's own where D7 says that its message arrived.
        """
        allowed = set()
        for row, (name, number) in enumerate(zip(self.names, self.recipients, strict=True)):
            arrived = {request for status, request, text in self.events if name in text and status in ARRIVED}
            ids = {request_id_of(row), *arrived}
            digits = number.lstrip("+")
            for status, _, text in self.events:
                if name in text or (digits in text and any(request in text for request in ids if request)):
                    allowed.add((row, status))
        return allowed


class Posted:
    """The application without a server: bodies go in side by side, answers come out."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.runner = asyncio.Runner()

    def post(self, some: list[bytes]) -> list[int]:
        async def run() -> list[int]:
            return await asyncio.gather(*map(self._one, some))

        return self.runner.run(run())

    async def _one(self, body: bytes) -> int:
        path = f"/{SECRET}"
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": ""}
        scope |= {"query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http"}
        answers: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        await self.application(scope, receive, send)
        (answer,) = answers
        return answer


def post_random_bodies(location: str, seed: int, bodies_posted: int = 10_000) -> str:
    """Post random bodies to a receiver: it answers each, and no row learns what no body said of it."""
    names = record_accepted(location, ROWS)
    with Ledger(location) as ledger:
        before = ledger.frame()
        posted = Posted(receiver(ledger, SECRET))
        with posted.runner:
            oracle = Oracle(names)
            answers = _post_all(posted, oracle, names, seed, bodies_posted // TOGETHER)
            assert answers == {200, 400}
            learned = _check_statuses(location, oracle)
            _check_rows(location, oracle, before, names)
            assert posted.post([orjson.dumps(delivery_event(0, "read", names[0]))]) == [200]  # and it goes on
    assert load_statuses(location, ROWS).status[0] == "read"
    return f"{bodies_posted:,} bodies, {learned} statuses learned, none that was not said"


def _post_all(posted: Posted, oracle: Oracle, names: list[str], seed: int, examples: int) -> set[int]:
    answers: set[int] = set()

    @hypothesis_seed(seed)
    @settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(bodies(names), min_size=TOGETHER, max_size=TOGETHER))
    def run(some: list[bytes]) -> None:
        for body in some:
            oracle.hear(body)
        answers.update(posted.post(some))
        assert answers <= {200, 400}

    run()
    return answers


def _check_statuses(location: str, oracle: Oracle) -> int:
    """Every status that a row has was said of it; returns how many there are."""
    statuses = load_statuses(location, ROWS)
    learned = {(row, status) for status in STAGES for row in np.flatnonzero(~np.isnat(statuses.since[status])).tolist()}
    assert len(learned) > ROWS
    assert learned <= oracle.row_statuses
    assert set(statuses.status) - set(STAGES) <= {None, *(status for _, status in oracle.row_statuses)}
    return len(learned)


def _check_rows(location: str, oracle: Oracle, before: Any, names: list[str]) -> None:
    """Nothing else about the rows has changed, and nobody wrote but those who did."""
    with Ledger(location) as ledger:
        found = ledger.find(names)
        row_of = dict(zip(found["key"], map(names.index, found["mark"]), strict=True))
        after = ledger.frame().set_index("key").loc[before["key"]].reset_index()
        same = ["key", "campaign", "destination", "recipient", "outcome", "claimed_at"]
        assert after[same].equals(before[same])
        # An id that nobody remembers is the row's own where D7 says that its message arrived, and nowhere else.
        for row in np.flatnonzero(after["request_id"] != before["request_id"]):
            assert {(row_of[before["key"][row]], status) for status in ("delivered", "read")} & oracle.row_statuses
        everybody = [*fictional(ROWS + 50), *OTHERS]
        wrote = ledger.last_inbound(DESTINATION, everybody, [None] * len(everybody))
        heard_of = {person for person, at in zip(everybody, wrote, strict=True) if not np.isnat(at)}
        assert heard_of
        assert heard_of <= oracle.wrote <= {*fictional(ROWS), *OTHERS}
