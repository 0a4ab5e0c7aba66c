"""The receiver of events over real HTTP: what it answers, what is in the ledger by then, and what it never says."""

from __future__ import annotations

import logging
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
import requests
from starlette.applications import Starlette
from starlette.routing import Mount

import d7nb
from d7nb import Ledger, Text, events
from d7nb.errors import LedgerError, ReceiverError
from d7nb.events import InboundShape, app, intake, receiver
from tests.support.ledgers import DESTINATION
from tests.support.receiver_process import (
    SECRET,
    STATUSES,
    delivery_event,
    load_statuses,
    record_accepted,
    serving,
    time_of,
)
from tests.support.sender_process import fictional

ROWS = 8
BUSINESS = "+12025550100"


@pytest.fixture
def names(place: str) -> list[str]:
    """The keys of rows that D7 accepted, in a new ledger."""
    return record_accepted(place, ROWS)


@pytest.fixture
def url(place: str, names: list[str]) -> Iterator[str]:
    """Where a receiver takes their events."""
    with Ledger(place) as ledger, serving(receiver(ledger, SECRET)) as url:
        yield url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A ledger that need not be tried on both databases."""
    return str(tmp_path / "ledger.sqlite3")


def post(url: str, body: Any, **options: Any) -> requests.Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return requests.post(url, data=content, timeout=30, **options)


def aside(place: str) -> pd.DataFrame:
    with Ledger(place) as ledger:
        return ledger.aside()


class TestTakingIn:
    def test_an_event_is_in_the_ledger_when_it_is_answered(self, url: str, place: str, names: list[str]) -> None:
        answer = post(url, delivery_event(3, "delivered", names[3]))
        statuses = load_statuses(place, ROWS)  # another connection: it sees what was committed, and nothing else
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert statuses.status.tolist() == [None] * 3 + ["delivered"] + [None] * 4
        assert statuses.since["delivered"][3] == np.datetime64(time_of("delivered").replace(tzinfo=None))
        assert statuses.msg_id[3] == delivery_event(3, "delivered", names[3])["msg_id"]

    def test_order_repetition_and_form_make_no_difference(self, url: str, place: str, names: list[str]) -> None:
        in_and_out_of_order = [*STATUSES, *reversed(STATUSES)]
        for number, status in enumerate([*in_and_out_of_order, *in_and_out_of_order]):
            assert post(url, delivery_event(0, status, names[0], nested=number % 2 == 0)).status_code == 200
        post(url, [delivery_event(1, status, names[1]) for status in reversed(STATUSES)])
        post(url, {name: str(value) for name, value in delivery_event(2, "read", names[2]).items()})
        requests.post(url, data=delivery_event(3, "read", names[3]), timeout=30)  # as a form
        statuses = load_statuses(place, ROWS)
        assert statuses.status.tolist() == ["read"] * 4 + [None] * 4
        for status in STATUSES:
            expected = np.datetime64(time_of(status).replace(tzinfo=None), "us")
            assert statuses.since[status][:2].tolist() == [expected.astype(object)] * 2
        assert aside(place).empty

    def test_many_at_once_are_each_answered_and_all_written(self, url: str, place: str, names: list[str]) -> None:
        row_statuses = [(row, status) for row in range(ROWS) for status in STATUSES]
        with ThreadPoolExecutor(16) as pool:
            answers = list(
                pool.map(lambda one: post(url, delivery_event(*one, names[one[0]])).status_code, row_statuses * 3)
            )
        assert answers == [200] * len(row_statuses) * 3
        assert set(load_statuses(place, ROWS).status) == {"read"}

    def test_a_row_without_its_key_is_found_by_request_and_recipient(self, url: str, place: str) -> None:
        post(url, delivery_event(5, "read", ""))
        assert load_statuses(place, ROWS).status.tolist() == [None] * 5 + ["read"] + [None] * 2

    def test_an_event_of_nobody_s_row_is_acknowledged_and_kept_aside(self, url: str, place: str) -> None:
        assert post(url, delivery_event(5, "read", "", request_id="of another program")).status_code == 200
        assert "request of another program" in aside(place)["text"].item()
        assert set(load_statuses(place, ROWS).status) == {None}

    def test_what_is_no_event_is_kept_aside_with_its_numbers_masked(self, url: str, place: str) -> None:
        response = post(url, b"+1 202 555 0123 says hello")
        assert response.status_code == 400
        assert post(url, {"event_type": "TEMPLATE_EVENTS", "for": "+12025550123"}).status_code == 400
        letters = aside(place)
        assert letters["why"].tolist() == [
            "it is neither JSON nor a form",
            "it is not a known kind of event: TEMPLATE_EVENTS",
        ]
        assert letters["text"].tolist() == [
            "+120••••••23 says hello",
            '{"event_type":"TEMPLATE_EVENTS","for":"+120••••••23"}',
        ]

    def test_of_a_list_the_good_is_taken_and_the_bad_is_kept_aside(
        self, url: str, place: str, names: list[str]
    ) -> None:
        assert post(url, [{"event_type": "OTHER"}, delivery_event(0, "read", names[0])]).status_code == 200
        assert load_statuses(place, ROWS).status[0] == "read"
        assert aside(place)["text"].tolist() == ['{"event_type":"OTHER"}']

    def test_it_is_an_application_that_another_may_hold(self, sqlite: str) -> None:
        names = record_accepted(sqlite, 1)
        with Ledger(sqlite) as ledger:
            house = Starlette(routes=[Mount("/d7", receiver(ledger, SECRET))])
            with serving(house) as url:
                inside = url.replace(f"/{SECRET}", f"/d7/{SECRET}")
                assert post(url, delivery_event(0, "read", names[0])).status_code == 404
                assert post(inside, delivery_event(0, "read", names[0])).status_code == 200
        assert load_statuses(sqlite, 1).status.tolist() == ["read"]

    def test_another_destination_s_rows_are_other_rows(self, sqlite: str) -> None:
        names = record_accepted(sqlite, 1)
        with Ledger(sqlite) as ledger, serving(receiver(ledger, SECRET, destination="http://127.0.0.1:8700")) as url:
            assert post(url, delivery_event(0, "read", names[0])).status_code == 200
        assert load_statuses(sqlite, 1).status.tolist() == [None]


class TestWithTheSandbox:
    def test_events_settle_a_row_in_doubt_and_bring_it_to_read(self, sqlite: str) -> None:
        frame = pd.DataFrame({"phone": fictional(3)})
        plan = d7nb.plan(frame, Text("Hi"), to="phone", originator=BUSINESS)
        with d7nb.Sandbox() as sandbox, Ledger(sqlite) as ledger, sandbox.client() as client:
            with serving(receiver(ledger, SECRET, destination=client.destination)) as url:
                sandbox.callback_url = url
                sandbox.fail_next("drop_after")
                assert plan.send(client, ledger=ledger).summary["unknown"] == 3
                sandbox.advance(days=2)
                sandbox.flush()
                assert set(sandbox.events["answer"]) == {"200"}
            delivery = plan.delivery(client, ledger=ledger)
            assert delivery.summary["accepted"] == 3
            assert delivery.frame["d7_status"].tolist() == ["read"] * 3
            assert plan.send(client, ledger=ledger).summary["accepted"] == 0
            assert len(sandbox.messages) == 3
            assert ledger.aside().empty

    @pytest.mark.parametrize("shape", ["sandbox", "meta"])
    def test_who_writes_opens_the_window_and_who_says_stop_is_left_alone(self, sqlite: str, shape: str) -> None:
        people = fictional(3)
        with d7nb.Sandbox(inbound=shape) as sandbox, Ledger(sqlite) as ledger, sandbox.client() as client:
            with serving(receiver(ledger, SECRET, destination=client.destination)) as url:
                sandbox.callback_url = url
                sandbox.reply(people[0], "Hello", originator=BUSINESS)
                sandbox.reply(people[1], "Arrêt !", originator=BUSINESS)
                sandbox.flush()
            wrote = ledger.last_inbound(client.destination, people, [BUSINESS] * 3)
            assert np.isnat(wrote).tolist() == [False, False, True]
            assert ledger.opted_out(client.destination, people).tolist() == [False, True, False]
            assert ledger.opt_outs()["word"].tolist() == ["Arrêt !"]
            assert ledger.aside().empty

    def test_one_s_own_words_and_shape(self, sqlite: str) -> None:
        shape = InboundShape(sender="von", text="sagt")
        with Ledger(sqlite) as ledger:
            with serving(receiver(ledger, SECRET, inbound=shape, stop_words="Ruhe")) as url:
                for person, word in zip(fictional(2), ["Ruhe!", "stop"], strict=True):
                    assert post(url, {"von": person, "sagt": word}).status_code == 200
            assert ledger.opted_out(DESTINATION, fictional(2)).tolist() == [True, False]


class TestAnswers:
    def test_another_path_is_not_found_and_nothing_is_read_there(self, url: str, place: str, names: list[str]) -> None:
        root = url.removesuffix(SECRET)
        body = delivery_event(0, "read", names[0])
        for path in ("", "other", SECRET[:-1], SECRET + "x", SECRET.upper(), f"{SECRET}/", f"x/{SECRET}", "%00", "é"):
            for method in ("POST", "GET", "PUT"):
                answer = requests.request(method, root + path, data=orjson.dumps(body), timeout=30)
                assert (answer.status_code, answer.text) == (404, "Not Found"), path
        assert set(load_statuses(place, ROWS).status) == {None}
        assert aside(place).empty

    def test_a_person_may_look_whether_it_is_there(self, url: str) -> None:
        assert requests.get(url, timeout=30).text == "d7nb receives events here\n"
        assert requests.head(url, timeout=30).status_code == 200
        refused = requests.put(url, data=b"{}", timeout=30)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")

    def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(self, url: str, place: str) -> None:
        large = b'{"a":"' + b"x" * events.LARGEST_BODY + b'"}'
        assert post(url, large).status_code == 413
        assert requests.post(url, data=iter([large[:1000], large[1000:]]), timeout=30).status_code == 413
        assert post(url, b'{"a":"' + b"x" * 60_000 + b'"}').status_code == 400
        assert len(aside(place)) == 1

    def test_a_body_that_does_not_come_is_not_waited_for(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(app, "_BODY_TIMEOUT", 0.1)
        port = int(url.split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(f"POST /{SECRET} HTTP/1.1\r\nhost: d7nb\r\ncontent-length: 10\r\n\r\n{{".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")

    def test_who_hangs_up_in_the_middle_leaves_nothing(self, url: str, place: str, names: list[str]) -> None:
        port = int(url.split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            head = f"POST /{SECRET} HTTP/1.1\r\nhost: d7nb\r\ncontent-length: 1000\r\n\r\n".encode()
            connection.sendall(head + orjson.dumps(delivery_event(0, "read", names[0])))
        assert post(url, delivery_event(1, "read", names[1])).status_code == 200
        assert load_statuses(place, ROWS).status.tolist()[:2] == [None, "read"]
        assert aside(place).empty


@contextmanager
def locked(place: str) -> Iterator[None]:
    """While another program writes to a ledger."""
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


class TestTrouble:
    def test_what_can_t_be_written_is_not_acknowledged_and_comes_again(
        self, sqlite: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        names = record_accepted(sqlite, 1)
        body = delivery_event(0, "read", names[0])
        with Ledger(sqlite, patience=0.05) as ledger, serving(receiver(ledger, SECRET)) as url:
            with locked(sqlite):
                for _ in range(3):
                    refused = post(url, body)
                    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                    assert post(url, b"nonsense").status_code == 503  # what can't be kept aside is not settled, either
            assert load_statuses(sqlite, 1).status.tolist() == [None]
            assert post(url, body).status_code == 200
        assert load_statuses(sqlite, 1).status.tolist() == ["read"]
        log_messages = [record.getMessage() for record in caplog.records if record.name == "d7nb.events"]
        away, again = log_messages
        assert away.startswith("events are refused, to be posted again: the ledger ledger.sqlite3 is locked by another")
        assert again == "events are accepted again"

    @pytest.mark.parametrize("kind", [ZeroDivisionError, LedgerError])
    def test_one_that_can_t_be_written_does_not_keep_back_the_others(
        self, sqlite: str, kind: type[Exception], caplog: pytest.LogCaptureFixture
    ) -> None:
        names = record_accepted(sqlite, ROWS)
        bodies = [
            delivery_event(row, "read", name, msg_id="poison" if row == 3 else None) for row, name in enumerate(names)
        ]
        with Choking(sqlite, kind) as ledger, serving(application := receiver(ledger, SECRET)) as url:
            with ledger.held(), ThreadPoolExecutor(ROWS + 1) as pool:
                first = pool.submit(post, url, delivery_event(0, "sent", names[0]))
                assert ledger.reached.wait(30)  # while this is being written, the others gather
                others = [pool.submit(post, url, body) for body in bodies]
                until(lambda: len(application.routes[0].endpoint._intake._queue) == ROWS)
                ledger.go_on.set()
                assert first.result().status_code == 200
                assert [other.result().status_code for other in others] == [200] * 3 + [500] + [200] * 4
        assert max(ledger.sizes) == ROWS
        assert load_statuses(sqlite, ROWS).status.tolist() == ["read"] * 3 + [None] + ["read"] * 4
        letters = aside(sqlite)
        assert letters["why"].item() == f"it could not be written: {kind.__name__}"
        assert "poison" in letters["text"].item()
        (log_message,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert (
            log_message == f"an event could not be written ({kind.__name__}); see it with: python -m d7nb ledger aside"
        )

    def test_what_waits_has_a_bound(self, sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
        names = record_accepted(sqlite, ROWS)
        size = len(orjson.dumps(delivery_event(0, "read", names[0]))) + 1024
        monkeypatch.setattr(intake, "MAX_WAITING_BYTES", 3 * size + 100)
        with Choking(sqlite) as ledger, serving(receiver(ledger, SECRET)) as url:
            with ledger.held(), ThreadPoolExecutor(ROWS) as pool:
                posted = [pool.submit(post, url, delivery_event(row, "read", name)) for row, name in enumerate(names)]
                until(lambda: sum(one.done() for one in posted) == ROWS - 3)
                ledger.go_on.set()
                codes = sorted(one.result().status_code for one in posted)
            assert codes == [200] * 3 + [503] * 5
            assert [post(url, delivery_event(row, "read", name)).status_code for row, name in enumerate(names)] == [
                200
            ] * ROWS
        assert set(load_statuses(sqlite, ROWS).status) == {"read"}

    def test_a_removed_ledger_takes_nothing(self, sqlite: str) -> None:
        names = record_accepted(sqlite, 1)
        with Ledger(sqlite) as ledger, serving(receiver(ledger, SECRET)) as url:
            Path(sqlite).unlink()
            assert post(url, delivery_event(0, "read", names[0])).status_code == 503


class Choking(Ledger):
    """A ledger that chokes on one event, and can be held while it writes."""

    def __init__(self, place: str, kind: type[Exception] = ZeroDivisionError) -> None:
        super().__init__(place)
        self.kind = kind
        self.sizes: list[int] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        self.go_on.clear()
        try:
            yield
        finally:
            self.go_on.set()

    def take_in(self, *args: Any, **options: Any) -> int:
        self.reached.set()
        assert self.go_on.wait(30)
        updates = options.get("updates", ())
        self.sizes.append(len(updates))
        if any(one.msg_id == "poison" for one in updates):
            raise self.kind("of +12025550123")
        return super().take_in(*args, **options)


class TestSecrets:
    @pytest.mark.parametrize(
        "secret", ["", "short", "x" * 15, "with a space in the middle", "with/a/slash/in/it", "ü" * 20]
    )
    def test_a_weak_one_is_refused_with_a_way_to_a_good_one(self, sqlite: str, secret: str) -> None:
        with Ledger(sqlite) as ledger, pytest.raises(ReceiverError, match="token_urlsafe") as caught:
            receiver(ledger, secret)
        assert not secret or secret not in str(caught.value)

    def test_not_even_an_access_log_shows_it(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        for body in (b"nonsense", b"x" * 100_000):
            post(url, body)
        post(f"{url}x", b"")
        log_messages = [record.getMessage() for record in caplog.records if record.name != "urllib3.connectionpool"]
        assert [line.partition('"')[2] for line in log_messages if "POST" in line] == [
            'POST /SECRET HTTP/1.1" 400',
            'POST /SECRET HTTP/1.1" 413',
            f'POST /{SECRET}x HTTP/1.1" 404',
        ]

    def test_the_receiver_loads_nothing_that_sends(self) -> None:
        script = "import sys, d7nb.events; d7nb.events.receiver; sys.exit('requests' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_its_packages_the_way_to_them_is_told() -> None:
    script = "import sys; sys.modules['starlette'] = None; import d7nb; d7nb.events.receiver"
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (
        'ImportError: The receiver needs starlette, which is not installed: pip install "d7nb[events]"' in ended.stderr
    )


def test_it_is_a_room_of_d7nb() -> None:
    assert d7nb.events is events
    assert "events" in dir(d7nb)
