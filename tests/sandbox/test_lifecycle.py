"""What becomes of messages in the sandbox: scripts, windows, delivery events, and people who write back."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pandas as pd
import pytest
import requests

from d7nb.errors import SandboxError
from d7nb.sandbox import INBOUND_FIELDS, Sandbox
from tests.support.privacy_watch import numbers_in
from tests.support.servers import Handler, LocalServer, answering, free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDER = "+12025550100"
PERSON = "+12025550123"
OTHER = "+12125550188"
TEXT = {"message_type": "TEXT", "text": {"body": "Hello"}}
TEMPLATE = {"message_type": "TEMPLATE", "template": {"template_id": "offer", "language": "en"}}
LIFE = ["queued", "sent", "delivered", "read"]
MARKS = ["cust_ref", *(f"message_tag{n}" for n in range(1, 6)), "conversation_id"]
ELSEWHERE = "not posted: only this machine"


@pytest.fixture
def receiver() -> Iterator[LocalServer]:
    with serving(answering(200)) as server:
        yield server


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def call(sandbox: Sandbox, method: str, path: str, token: str | None = "sandbox", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.request(method, sandbox.url + path, headers=headers, timeout=10, **options)


def send(sandbox: Sandbox, *people: str, content: Any = TEXT, when: str | None = None, **more: Any) -> str:
    """Send one content to some people. The request_id."""
    recipients = [{"recipient": person} for person in people or [PERSON]]
    body: dict[str, Any] = {"messages": [{"originator": SENDER, "content": content, "recipients": recipients, **more}]}
    if when:
        body["message_globals"] = {"schedule_time": when}
    reply = call(sandbox, "POST", "/whatsapp/v2/send", json=body)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["request_id"])


def received(server: LocalServer) -> list[dict[str, Any]]:
    """The events that came in, in their order."""
    assert {request.method for request in server.requests} <= {"POST"}
    return [json.loads(request.body) for request in server.requests]


def statuses(sandbox: Sandbox) -> list[str]:
    return list(sandbox.messages.status)


def wait_for(truth: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Scripts


@pytest.mark.parametrize(
    ("kind", "content", "status", "code"),
    [
        ("never_delivered", TEXT, "sent", None),
        ("never_delivered", TEMPLATE, "sent", None),
        ("never_read", TEXT, "delivered", None),
        ("not_on_whatsapp", TEXT, "failed", "131026"),
        ("not_on_whatsapp", TEMPLATE, "failed", "131026"),
        ("window_closed", TEXT, "failed", "131047"),
        ("window_closed", TEMPLATE, "read", None),
        ("opted_out", TEXT, "read", None),
        ("opted_out", TEMPLATE, "failed", "131050"),
        ("blocked_by_cap", TEXT, "read", None),
        ("blocked_by_cap", TEMPLATE, "failed", "131049"),
    ],
)
def test_a_number_with_a_script_lives_by_it_and_the_others_do_not(
    kind: str, content: Any, status: str, code: str | None, sandbox: Sandbox
) -> None:
    sandbox.script(PERSON, kind)
    request_id = send(sandbox, OTHER, PERSON, content=content)
    assert call(sandbox, "GET", f"/whatsapp/v2/report/{request_id}").json()["messages"][1]["status"] in {
        "queued",
        "sent",
    }
    sandbox.advance(hours=1)
    assert statuses(sandbox) == ["read", status]
    other, scripted = call(sandbox, "GET", f"/whatsapp/v2/report/{request_id}").json()["messages"]
    assert (other["status"], scripted["status"]) == ("read", status)
    assert other["reason"] == "Read by the user"
    if code:
        assert scripted["reason"].startswith(f"{code}: ")
    assert sandbox.messages.reason[1] == scripted["reason"] or scripted["reason"] is None


def test_a_script_may_be_stages_of_ones_own_in_any_order(sandbox: Sandbox) -> None:
    sandbox.script(PERSON, [(60, "Throttled", "slow down"), (0, "queued", None)])
    send(sandbox)
    sandbox.advance(seconds=59)
    assert statuses(sandbox) == ["queued"]
    sandbox.advance(seconds=1)
    assert (sandbox.messages.status[0], sandbox.messages.reason[0]) == ("Throttled", "slow down")


def test_a_ready_made_script_keeps_the_times_of_the_sandboxs_own_life() -> None:
    life = [(0, "queued", None), (100, "sent", None), (200, "delivered", None)]
    with Sandbox(life=life, scripts={PERSON: "not_on_whatsapp", OTHER: "never_delivered"}) as sandbox:
        send(sandbox, PERSON, OTHER)
        sandbox.advance(seconds=90)
        assert statuses(sandbox) == ["queued", "queued"]
        sandbox.advance(seconds=1000)
        assert statuses(sandbox) == ["failed", "sent"]


def test_scripts_go_by_digits_from_now_on_until_taken_back(sandbox: Sandbox) -> None:
    send(sandbox)
    sandbox.script(PERSON[1:], "never_read")
    send(sandbox, PERSON, PERSON[1:])
    sandbox.script(PERSON, None)
    send(sandbox)
    sandbox.advance(hours=1)
    assert statuses(sandbox) == ["read", "delivered", "delivered", "read"]


@pytest.mark.parametrize("kind", ["never_read", [[0, "queued", None], [2, "delivered", None]]])
def test_scripts_can_be_asked_for_over_http_and_reset_forgets_them(kind: Any) -> None:
    with Sandbox(scripts={OTHER: "never_delivered"}) as sandbox:
        script = {"number": PERSON, "kind": kind}
        assert call(sandbox, "POST", "/_sandbox/scripts", token=None, json=script).status_code == 200
        send(sandbox, PERSON, OTHER)
        sandbox.advance(hours=1)
        assert statuses(sandbox) == ["delivered", "sent"]
        sandbox.reset()
        send(sandbox, PERSON, OTHER)
        sandbox.advance(hours=1)
        assert statuses(sandbox) == ["read", "sent"]  # what it began with stays


@pytest.mark.parametrize(
    ("number", "kind", "pattern"),
    [
        (PERSON, "never_red", "there is no script 'never_red': did you mean 'never_read'"),
        (PERSON, "xyz", "Choose from: never_delivered, "),
        (PERSON, [], "at least 1 item"),
        (PERSON, [[0, "queued"]], r"life\[0\]\[2\]"),
        (PERSON, [[-1, "queued", None]], r"life\[0\]\[0\]"),
        (PERSON, [[0, "", None]], r"life\[0\]\[1\]"),
        ("me", "never_read", "country code"),
        ("0" + PERSON[1:], "never_read", "country code"),
    ],
)
def test_a_script_that_can_not_be_played_is_an_error(number: str, kind: Any, pattern: str, sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=pattern) as raised:
        sandbox.script(number, kind)
    reply = call(sandbox, "POST", "/_sandbox/scripts", token=None, json={"number": number, "kind": kind})
    assert (reply.status_code, reply.json()) == (400, {"detail": str(raised.value)})
    with pytest.raises(SandboxError, match=pattern):
        Sandbox(scripts={number: kind})
    assert numbers_in(reply.text) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"number": 3, "kind": "never_read"}'])
def test_an_order_for_a_script_that_can_not_be_read_says_how_it_looks(body: bytes, sandbox: Sandbox) -> None:
    reply = call(sandbox, "POST", "/_sandbox/scripts", token=None, data=body)
    assert reply.status_code == 400
    assert '"kind": "never_read"' in reply.json()["detail"]


def test_a_script_that_leaves_nothing_of_a_life_says_so() -> None:
    with (
        Sandbox(life=[(0, "delivered", None)]) as sandbox,
        pytest.raises(SandboxError, match="begins with 'delivered'"),
    ):
        sandbox.script(PERSON, "never_delivered")


# Windows


def test_windows_let_free_form_messages_through_for_a_day_after_a_reply(receiver: LocalServer) -> None:
    with Sandbox(windows=True, callback_url=receiver.url) as sandbox:
        send(sandbox)
        send(sandbox, content=TEMPLATE)
        sandbox.reply(PERSON, "Hi")
        send(sandbox, PERSON, OTHER)
        sandbox.advance(hours=23, minutes=59)
        send(sandbox)
        sandbox.advance(minutes=2)
        send(sandbox)
        sandbox.advance(hours=1)
        assert statuses(sandbox) == ["failed", "read", "read", "failed", "read", "failed"]
        assert sandbox.messages.reason[5].startswith("131047: ")
        sandbox.flush()
        event_statuses = [(event["msg_id"], event["status"]) for event in received(receiver) if "msg_id" in event]
        assert event_statuses.count((sandbox.messages.msg_id[5], "failed")) == 1
        assert (sandbox.messages.msg_id[5], "sent") not in event_statuses


def test_a_window_is_judged_when_a_message_goes_out_and_between_the_two_who_wrote(receiver: LocalServer) -> None:
    with Sandbox(windows=True, callback_url=receiver.url) as sandbox:
        tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
        send(sandbox, PERSON, OTHER, when=tomorrow)
        sandbox.advance(hours=12)
        sandbox.reply(PERSON, "Hi")
        sandbox.reply(OTHER, "Hi", originator="+12125550199")
        sandbox.advance(days=2)
        assert statuses(sandbox) == ["read", "failed"]


def test_windows_are_not_tracked_by_default(sandbox: Sandbox) -> None:
    send(sandbox)
    sandbox.advance(hours=1)
    assert statuses(sandbox) == ["read"]


# Delivery events


def test_an_event_has_the_documented_form(receiver: LocalServer, sandbox: Sandbox) -> None:
    url = f"{receiver.url}/d7/é?key=1"
    recipient = {"recipient": PERSON[1:], "reference": {"cust_ref": "c", "messageTag5": "5"}}
    message = {"originator": SENDER[1:], "content": TEXT, "recipients": [recipient], "report_url": url}
    reply = call(sandbox, "POST", "/whatsapp/v2/send", json={"messages": [message]}).json()
    sandbox.advance(seconds=4)
    sandbox.flush()
    went_at = pd.Timestamp(reply["created_at"])
    report = call(sandbox, "GET", f"/whatsapp/v2/report/{reply['request_id']}").json()["messages"][0]
    events = received(receiver)
    assert [event.pop("status") for event in events] == LIFE
    assert [event.pop("reason") for event in events] == [None, None, None, "Read by the user"]
    times = [pd.Timestamp(event.pop("timestamp"), unit="ms", tz="UTC") for event in events]
    assert [event.pop("date") for event in events] == [f"{at.year}-{at.month_name()}-{at.day:02}" for at in times]
    for at, seconds in zip(times, (0, 1, 2, 4), strict=True):
        assert abs(at - went_at - pd.Timedelta(seconds=seconds)) <= pd.Timedelta(milliseconds=1)
    expected = {
        "event_type": "DELIVERY_EVENTS",
        "request_id": reply["request_id"],
        "msg_id": report["msg_id"],
        "conversation_type": "service",
        "message_type": "TEXT",
        "waConvId": report["waConvId"],
        "recipient": PERSON,
        "originator": SENDER,
        **dict.fromkeys(MARKS),
        "cust_ref": "c",
        "message_tag5": "5",
    }
    assert events == [expected] * 4
    assert {request.path for request in receiver.requests} == {"/d7/%C3%A9?key=1"}
    assert {request.headers["Content-Type"] for request in receiver.requests} == {"application/json"}


def test_events_may_have_their_marks_nested(receiver: LocalServer) -> None:
    with Sandbox(events="nested") as sandbox:
        send(sandbox, content=TEMPLATE, report_url=receiver.url)
        sandbox.flush()
        [event] = received(receiver)
        assert event["reference"] == dict.fromkeys(MARKS)
        assert not set(MARKS) & set(event)
        assert event["conversation_type"] == "marketing"


def test_events_may_be_forms(receiver: LocalServer) -> None:
    with Sandbox(event_format="form") as sandbox:
        request_id = send(sandbox, report_url=receiver.url)
        sandbox.flush()
    [request] = receiver.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = parse_qs(request.body.decode(), keep_blank_values=True, strict_parsing=True)
    assert form["request_id"] == [request_id]
    assert (form["recipient"], form["status"], form["cust_ref"]) == ([PERSON], ["queued"], [""])
    assert form["timestamp"][0].isdigit()


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"events": "deep"}, r"events='deep' is not a choice\. Choose from: flat, nested"),
        ({"event_format": "xml"}, "Choose from: json, form"),
        ({"inbound": "d7"}, "Choose from: sandbox, meta"),
        ({"events": "nested", "event_format": "form"}, "event_format='json'"),
        ({"event_pauses": "1"}, r"such as \(0\.5, 2, 8\)"),
        ({"event_pauses": [1, -1]}, r"such as \(0\.5, 2, 8\)"),
        ({"callback_url": "https://example.com/hook"}, "not on this machine"),
    ],
)
def test_an_option_that_is_unfit_is_an_error_with_a_way_out(options: dict[str, Any], pattern: str) -> None:
    threads = threading.active_count()
    with pytest.raises(SandboxError, match=pattern):
        Sandbox(**options)
    assert threading.active_count() == threads


def test_events_is_a_frame_of_what_was_posted(receiver: LocalServer, sandbox: Sandbox) -> None:
    empty = sandbox.events
    assert list(empty.columns) == ["request_id", "msg_id", "recipient", "status", "at", "url", "answer", "tries"]
    request_id = send(sandbox, PERSON, OTHER, report_url=receiver.url)
    sandbox.advance(seconds=1)
    sandbox.flush()
    frame = sandbox.events
    assert list(frame.dtypes) == list(empty.dtypes)
    assert list(frame.request_id.unique()) == [request_id]
    assert list(frame.recipient) == [PERSON, OTHER] * 2
    assert list(frame.status) == ["queued", "queued", "sent", "sent"]
    assert list(frame.msg_id) == [*sandbox.messages.msg_id] * 2
    assert list(frame.url.unique()) == [receiver.url]
    assert list(frame.answer) == ["200"] * 4
    assert list(frame.tries) == [1] * 4
    assert pd.to_datetime(frame["at"]).diff()[2] == pd.Timedelta(seconds=1)


def test_events_of_a_script_end_where_it_ends(receiver: LocalServer, sandbox: Sandbox) -> None:
    sandbox.script(PERSON, "window_closed")
    send(sandbox, PERSON, OTHER, report_url=receiver.url)
    send(sandbox, content=TEMPLATE, report_url=receiver.url)
    sandbox.advance(days=1)
    sandbox.flush()
    statuses_by_message = defaultdict(list)
    for event in received(receiver):
        statuses_by_message[event["msg_id"]].append(event["status"])
    assert list(map(statuses_by_message.get, sandbox.messages.msg_id)) == [["queued", "failed"], LIFE, LIFE]
    [failed] = [event for event in received(receiver) if event["status"] == "failed"]
    assert failed["reason"].startswith("131047: ")


def test_a_stage_is_posted_in_its_time_though_nobody_looks(receiver: LocalServer) -> None:
    with Sandbox(life=[(0, "queued", None), (0.3, "sent", None)]) as sandbox:
        began = time.monotonic()
        send(sandbox, report_url=receiver.url)
        wait_for(lambda: len(receiver.requests) == 2)
        assert time.monotonic() - began >= 0.3
        assert [event["status"] for event in received(receiver)] == ["queued", "sent"]


def test_a_stage_that_the_clock_was_moved_close_to_comes_in_its_time(receiver: LocalServer) -> None:
    with Sandbox(life=[(0, "queued", None), (3600, "sent", None)]) as sandbox:
        send(sandbox, report_url=receiver.url)
        sandbox.flush()
        time.sleep(0.2)  # by then it waits for the next one, which is far away
        sandbox.advance(seconds=3599)
        sandbox.flush()
        assert len(receiver.requests) == 1
        wait_for(lambda: len(receiver.requests) == 2, seconds=10)


def test_a_scheduled_message_has_no_event_before_its_time(receiver: LocalServer, sandbox: Sandbox) -> None:
    later = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1)
    send(sandbox, when=later.strftime("%Y-%m-%dT%H:%MZ"), report_url=receiver.url)
    send(sandbox, OTHER, when="9999-12-31T23:59-12:00", report_url=receiver.url)
    sandbox.advance(hours=23)
    sandbox.flush()
    assert receiver.requests == []
    assert statuses(sandbox) == ["scheduled", "scheduled"]
    sandbox.advance(hours=2)
    sandbox.flush()
    events = received(receiver)
    assert [event["status"] for event in events] == LIFE
    assert [event["timestamp"] / 1000 - later.timestamp() for event in events] == [0, 1, 2, 4]


def test_what_no_report_url_claims_goes_to_the_callback_url(receiver: LocalServer) -> None:
    with serving(answering(200)) as account, Sandbox(callback_url=account.url) as sandbox:
        mine, theirs = send(sandbox, report_url=receiver.url), send(sandbox)
        sandbox.flush()
        sandbox.callback_url = None
        send(sandbox)
        sandbox.flush()
        assert [event["request_id"] for event in received(receiver)] == [mine]
        assert [event["request_id"] for event in received(account)] == [theirs]
        sandbox.callback_url = receiver.url
        late = send(sandbox)
        sandbox.flush()
        assert received(receiver)[-1]["request_id"] == late
        with pytest.raises(SandboxError, match="not on this machine"):
            sandbox.callback_url = "https://example.com"


def test_without_an_address_there_is_neither_event_nor_thread(sandbox: Sandbox) -> None:
    threads = threading.active_count()
    send(sandbox)
    sandbox.advance(hours=1)
    sandbox.flush()
    assert sandbox.events.empty
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/dlr",
        "http://0.0.0.0:{port}/",
        "http://localhost.example.com:{port}/",
        "http://127.0.0.1.example.com:{port}/",
        "http://127.0.0.1:{port}@example.com/",
        "http://example.com:{port}#@127.0.0.1/",
        "http://10.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
    ],
)
def test_a_report_url_elsewhere_gets_nothing(url: str, receiver: LocalServer, sandbox: Sandbox) -> None:
    url = url.format(port=receiver.server_port)
    send(sandbox, report_url=url)
    send(sandbox, OTHER, report_url=f"http://localhost:{receiver.server_port}/")
    sandbox.advance(seconds=4)
    sandbox.flush()
    elsewhere = sandbox.events[sandbox.events.recipient == PERSON]
    assert list(elsewhere.status) == LIFE
    assert set(elsewhere.answer) == {ELSEWHERE}
    assert set(elsewhere.tries) == {0}
    assert set(elsewhere.url) == {url}
    assert Counter(event["recipient"] for event in received(receiver)) == {OTHER: 4}


def test_one_request_may_have_addresses_here_elsewhere_and_none(receiver: LocalServer, sandbox: Sandbox) -> None:
    urls = {PERSON: receiver.url, OTHER: "https://example.com/dlr", "+12025550124": None}
    messages = [
        {"originator": SENDER, "content": TEXT, "recipients": [{"recipient": person}], "report_url": url}
        for person, url in urls.items()
    ]
    call(sandbox, "POST", "/whatsapp/v2/send", json={"messages": messages})
    send(sandbox, OTHER, report_url="https://example.com/dlr")
    sandbox.advance(seconds=4)
    sandbox.flush()
    frame = sandbox.events
    assert frame["at"].is_monotonic_increasing
    by_recipient = frame.groupby(["request_id", "recipient"], sort=False)[["status", "answer"]].agg(list)
    assert by_recipient.status.tolist() == [LIFE] * 3
    assert sorted(by_recipient.answer) == [["200"] * 4, [ELSEWHERE] * 4, [ELSEWHERE] * 4]
    assert len(receiver.requests) == 4
    sandbox.reset()
    assert sandbox.events.empty


def test_an_event_does_not_follow_a_redirect(receiver: LocalServer) -> None:
    with serving(answering(307, Location=receiver.url)) as mover, Sandbox(event_pauses=[]) as sandbox:
        send(sandbox, report_url=mover.url)
        sandbox.flush()
        assert list(sandbox.events.answer) == ["307"]
        assert receiver.requests == []


def test_an_event_comes_again_until_it_is_taken() -> None:
    refusals = [answering(503), Handler.hang_up, answering(404)]

    def script(handler: Handler) -> None:
        (refusals.pop(0) if refusals else answering(201))(handler)

    with serving(script) as server, Sandbox(life=[(0, "queued", None)], event_pauses=[0.05, 0.1, 0.15]) as sandbox:
        began = time.monotonic()
        send(sandbox, report_url=server.url)
        sandbox.flush()
        assert time.monotonic() - began >= 0.3
        assert list(sandbox.events.answer) == ["201"]
        assert list(sandbox.events.tries) == [4]
        first, *others = received(server)
        assert others == [first] * 3


@pytest.mark.parametrize(
    ("script", "answer"),
    [(answering(500), "500"), (answering(302), "302"), (Handler.hang_up, "no answer: RemoteDisconnected")],
)
def test_an_event_that_nobody_takes_is_given_up_and_kept(script: Any, answer: str) -> None:
    with serving(script) as server, Sandbox(event_pauses=[0.01, 0.02]) as sandbox:
        send(sandbox, report_url=server.url)
        sandbox.advance(seconds=4)
        sandbox.flush()
        assert list(sandbox.events.answer) == [answer] * 4
        assert list(sandbox.events.tries) == [3] * 4
        assert len(server.requests) == 12


def test_a_receiver_that_does_not_run_gets_its_events_when_it_does() -> None:
    port = free_port()
    with Sandbox(life=[(0, "queued", None)], event_pauses=[0.01, 60]) as sandbox:
        send(sandbox, report_url=f"http://127.0.0.1:{port}/")
        wait_for(lambda: list(sandbox.events.tries) == [2])
        assert list(sandbox.events.answer) == ["no answer: ConnectionRefusedError"]
        with pytest.raises(SandboxError, match=r"1 event is still under way after 0\.05 seconds"):
            sandbox.flush(timeout=0.05)


def test_one_that_has_to_come_again_does_not_hold_up_the_others(receiver: LocalServer) -> None:
    with serving(answering(503)) as server, Sandbox(life=[(0, "queued", None)], event_pauses=[60]) as sandbox:
        send(sandbox, report_url=server.url)
        wait_for(lambda: list(sandbox.events.answer) == ["503"])
        for _ in range(20):
            send(sandbox, report_url=receiver.url)
        wait_for(lambda: len(receiver.requests) == 20)


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_no_refusal() -> None:
    def closes_without_a_word(handler: Handler) -> None:
        handler.reply(200, b"")
        handler.hang_up()

    for script in (answering(200, b"thank you"), closes_without_a_word):
        with serving(script) as server, Sandbox(event_pauses=[]) as sandbox:
            send(sandbox, report_url=server.url)
            for seconds in (1, 1, 2):
                sandbox.flush()
                time.sleep(0.2)  # by then its end is closed
                sandbox.advance(seconds=seconds)
            sandbox.flush()
            assert list(sandbox.events.answer) == ["200"] * 4
            assert (server.connections == 1) == (script is not closes_without_a_word)


def test_a_receiver_that_does_not_answer_holds_up_neither_the_api_nor_closing() -> None:
    threads = threading.active_count()
    asked = threading.Event()

    def script(handler: Handler) -> None:
        asked.set()
        handler.server.ended.wait(60)
        handler.hang_up()

    with serving(script) as server:
        sandbox = Sandbox()
        began = time.monotonic()
        for _ in range(3):
            send(sandbox, *(f"+1202555{n:04}" for n in range(100, 200)), report_url=server.url)
        sandbox.advance(seconds=1)
        assert asked.wait(10)
        sandbox.close()
        assert time.monotonic() - began < 8  # a receiver is given 10 seconds to answer
        frame = sandbox.events
        assert len(frame) == 600
        assert frame.answer.str.endswith("the sandbox was closed").all()
        assert frame.answer[frame.tries == 0].str.startswith("not posted: ").all()
        assert frame.answer[frame.tries == 1].str.startswith("no answer: ").all()
        assert 1 <= frame.tries.sum() <= 8
        assert sandbox.flush() is None
    assert threading.active_count() == threads


def test_what_is_due_when_it_closes_is_in_the_books() -> None:
    for _ in range(20):
        with Sandbox() as sandbox:
            send(sandbox, report_url=f"http://127.0.0.1:{free_port()}/")
        assert list(sandbox.events.status) == ["queued"]
        assert sandbox.events.answer[0].endswith("the sandbox was closed")


def test_reset_forgets_what_is_still_to_be_posted(receiver: LocalServer) -> None:
    with serving(answering(503)) as server, Sandbox(event_pauses=[0.1] * 5) as sandbox:
        send(sandbox, report_url=server.url)
        wait_for(lambda: list(sandbox.events.answer) == ["503"])
        send(sandbox, report_url=receiver.url)
        sandbox.reset()
        most_requests = len(server.requests) + 1  # one may be under way
        assert sandbox.events.empty
        sandbox.advance(hours=1)
        sandbox.flush()
        send(sandbox, OTHER, report_url=receiver.url)
        sandbox.flush()
        assert len(server.requests) <= most_requests
        assert [event["status"] for event in received(receiver) if event["recipient"] == OTHER] == ["queued"]
        assert len(sandbox.events) == 1


def test_every_message_has_its_events_once_and_in_order_whatever_happens_at_once(receiver: LocalServer) -> None:
    people = [f"+1202555{n:04}" for n in range(100, 200)]
    with Sandbox() as sandbox, ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(send, sandbox, *people, report_url=receiver.url) for _ in range(12)]
        while not all(reply.done() for reply in sent):
            sandbox.advance(seconds=1)
        sandbox.advance(seconds=4)
        sandbox.flush(60)
        statuses_by_message = defaultdict(list)
        for event in received(receiver):
            statuses_by_message[event["msg_id"]].append(event["status"])
        assert dict(statuses_by_message) == dict.fromkeys(sandbox.messages.msg_id, LIFE)
        assert len(sandbox.events) == 4800
        assert receiver.connections <= 8


def test_an_event_may_come_before_the_answer_to_its_send(receiver: LocalServer, sandbox: Sandbox) -> None:
    """As with any server that answers late: whoever waits for the answer first would wait in vain."""
    sandbox.fail_next("delay", seconds=60)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(send, sandbox, report_url=receiver.url)
        wait_for(lambda: receiver.requests)
        assert not waiting.done()
        sandbox.close()
        with pytest.raises(requests.ConnectionError):
            waiting.result(timeout=10)


# People who write


def at_path(event: dict[str, Any], dotted: str) -> Any:
    for step in dotted.split("."):
        event = event[step]
    return event


def test_a_reply_is_an_event_in_the_sandboxs_own_shape(receiver: LocalServer) -> None:
    with Sandbox(callback_url=receiver.url) as sandbox:
        send(sandbox, report_url="http://127.0.0.1:9/")
        sandbox.advance(hours=1)
        message_id = sandbox.reply(PERSON[1:], "Thank you")
        [event] = received(receiver)
        assert event["event_type"] == "SANDBOX_INBOUND_EVENT"
        fields = {name: at_path(event, path) for name, path in INBOUND_FIELDS.items()}
        at = fields.pop("at")
        assert fields == {
            "sender": PERSON,
            "originator": SENDER,
            "message_id": message_id,
            "kind": "text",
            "text": "Thank you",
        }
        assert 3600 <= at / 1000 - time.time() + 60 <= 3720
        assert set(event) == {"event_type", *(path.split(".")[0] for path in INBOUND_FIELDS.values())}
        [row] = sandbox.replies.to_dict("records")
        assert (row["message_id"], row["sender"], row["originator"]) == (message_id, PERSON, SENDER)
        assert (row["kind"], row["text"], row["typing"]) == ("text", "Thank you", False)


def test_a_reply_may_have_metas_shape(receiver: LocalServer) -> None:
    with Sandbox(callback_url=receiver.url, inbound="meta") as sandbox:
        message_id = sandbox.reply(PERSON, "Hi", originator=SENDER)
        sandbox.reply(PERSON, "Yes", kind="button", originator=SENDER)
        sandbox.reply(PERSON, "me", media=b"\x89PNG", content_type="image/png", originator=SENDER)
        values = [event["entry"][0]["changes"][0]["value"] for event in received(receiver)]
        assert [value["metadata"]["display_phone_number"] for value in values] == [SENDER[1:]] * 3
        first, second, third = (value["messages"][0] for value in values)
        assert abs(int(first.pop("timestamp")) - time.time()) < 60
        assert first == {"from": PERSON[1:], "id": message_id, "type": "text", "text": {"body": "Hi"}}
        assert second["button"] == {"text": "Yes"}
        assert (third["type"], third["image"]["mime_type"], third["image"]["caption"]) == ("image", "image/png", "me")
        assert third["image"]["id"] == sandbox.replies.media_id[2]


def test_a_reply_goes_to_the_latest_messages_report_url_and_number(receiver: LocalServer) -> None:
    with Sandbox(originators=[SENDER, OTHER]) as sandbox:
        send(sandbox, report_url="http://127.0.0.1:9/")
        message = {
            "originator": OTHER,
            "content": TEXT,
            "recipients": [{"recipient": PERSON}],
            "report_url": receiver.url,
        }
        call(sandbox, "POST", "/whatsapp/v2/send", json={"messages": [message]})
        sandbox.reply(PERSON, "Hi")
        sandbox.reply(PERSON, "Hi", originator=SENDER)
        numbers = [event["business_number"] for event in received(receiver) if "business_number" in event]
        assert numbers == [OTHER, SENDER]


def test_a_reply_to_nobody_in_particular_goes_to_the_only_registered_number(receiver: LocalServer) -> None:
    with Sandbox(originators=[SENDER], callback_url=receiver.url) as sandbox:
        sandbox.reply(PERSON, "Hi")
        assert received(receiver)[0]["business_number"] == SENDER
        with pytest.raises(SandboxError, match="none of the sandbox's originators"):
            sandbox.reply(PERSON, "Hi", originator=OTHER)
    with Sandbox(callback_url=receiver.url) as sandbox, pytest.raises(SandboxError, match="as originator="):
        sandbox.reply(PERSON, "Hi")


def test_a_reply_that_can_not_be_posted_is_an_error_with_a_way_out(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="callback_url="):
        sandbox.reply(PERSON, "Hi", originator=SENDER)
    send(sandbox, report_url="https://example.com/secret")
    with pytest.raises(SandboxError, match=r"https://example\.com is not on this machine") as raised:
        sandbox.reply(PERSON, "Hi")
    assert "secret" not in str(raised.value)
    with serving(answering(500)) as server:
        sandbox.callback_url = f"{server.url}/secret"
        with pytest.raises(SandboxError, match=rf"receiver at {server.url} .*\(500\)") as raised:
            sandbox.reply(PERSON, "Hi")
        assert "secret" not in str(raised.value)
    with pytest.raises(SandboxError, match="no answer: ConnectionRefusedError"):
        sandbox.reply(PERSON, "Hi")
    for options in ({}, {"text": "x", "content_type": "image/png"}, {"text": "x", "originator": "my shop"}):
        with pytest.raises(SandboxError, match=r"media=|country code"):
            sandbox.reply(PERSON, **options)
    with pytest.raises(SandboxError, match="country code"):
        sandbox.reply("me", "Hi")


# The endpoints around messages


@pytest.mark.parametrize("version", ["/v2", ""])
@pytest.mark.parametrize(("body", "typing"), [(None, False), ({}, False), ({"typing": True}, True)])
def test_what_a_person_wrote_can_be_marked_as_read(
    version: str, body: Any, typing: bool, receiver: LocalServer, sandbox: Sandbox
) -> None:
    sandbox.callback_url = receiver.url
    message_id = sandbox.reply(PERSON, "Hi", originator=SENDER)
    assert sandbox.replies.read_at.isna().all()
    reply = call(sandbox, "POST", f"/whatsapp{version}/read-receipt/{message_id}", json=body)
    assert reply.status_code == 200
    assert list(reply.json()) == ["message"]
    assert sandbox.replies.read_at.notna().all()
    assert list(sandbox.replies.typing) == [typing]


def test_a_receipt_for_nothing_is_not_found_and_an_odd_one_is_refused(receiver: LocalServer, sandbox: Sandbox) -> None:
    sandbox.callback_url = receiver.url
    message_id = sandbox.reply(PERSON, "Hi", originator=SENDER)
    path = "/whatsapp/v2/read-receipt/"
    reply = call(sandbox, "POST", f"{path}nothing")
    assert reply.status_code == 404
    assert reply.json()["detail"]["code"] == "WHATSAPP_MESSAGE_NOT_EXISTS"
    for body in ({"typing": "yes"}, [], {"typo": True}):
        assert call(sandbox, "POST", path + message_id, json=body).status_code == 422
    assert call(sandbox, "POST", path + message_id, token="wrong").status_code == 401
    sandbox.fail_next("status", code=503, path=path)
    assert call(sandbox, "POST", path + message_id).status_code == 503
    assert sandbox.replies.read_at.isna().all()
    sandbox.reset()
    assert sandbox.replies.empty
    assert call(sandbox, "POST", path + message_id).status_code == 404


def test_a_file_that_a_person_sent_can_be_downloaded(receiver: LocalServer) -> None:
    content = bytes(range(256)) * 1000
    with Sandbox(callback_url=receiver.url) as sandbox:
        sandbox.reply(PERSON, "look", media=content, content_type="image/png", filename="a.png", originator=SENDER)
        sandbox.reply(PERSON, media=b"x", originator=SENDER)
        picture, other = received(receiver)
        assert (picture["message_type"], picture["text"]["body"]) == ("image", "look")
        assert (picture["media"]["content_type"], picture["media"]["filename"]) == ("image/png", "a.png")
        assert (other["message_type"], "text" in other) == ("document", False)
        path = "/whatsapp/v2/download/"
        reply = call(sandbox, "GET", path + picture["media"]["id"])
        assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
        assert reply.content == content
        assert call(sandbox, "GET", path + other["media"]["id"]).content == b"x"
        assert call(sandbox, "GET", path + picture["media"]["id"], token="wrong").status_code == 401
        missing = call(sandbox, "GET", f"{path}nothing")
        assert missing.status_code == 404
        assert missing.json()["detail"].keys() == {"code", "message"}
        sandbox.fail_next("drop_before", path=path)
        with pytest.raises(requests.ConnectionError):
            call(sandbox, "GET", path + other["media"]["id"])


def test_a_receiver_may_use_the_api_while_it_is_told() -> None:
    """It marks as read, downloads and answers from within its handler; nothing waits for anything else."""
    with Sandbox() as sandbox:
        done = []

        def script(handler: Handler) -> None:
            event = json.loads(handler.server.requests[-1].body)
            if event["event_type"] == "SANDBOX_INBOUND_EVENT":
                done.append(call(sandbox, "GET", f"/whatsapp/v2/download/{event['media']['id']}").content)
                done.append(call(sandbox, "POST", f"/whatsapp/v2/read-receipt/{event['message_id']}").status_code)
                done.append(send(sandbox))
            handler.reply(200, b"")

        with serving(script) as server:
            sandbox.callback_url = server.url
            sandbox.reply(PERSON, media=b"x", originator=SENDER)
            sandbox.flush()
        assert done == [b"x", 200, sandbox.messages.request_id[0]]
        assert list(sandbox.events.answer) == ["200"]


def test_the_balance_is_what_it_was_told_to_be(sandbox: Sandbox) -> None:
    path = "/messages/v1/balance"
    assert call(sandbox, "GET", path).json() == {"balance": 100.0}
    with Sandbox(balance=0.5) as poor:
        assert call(poor, "GET", path).json() == {"balance": 0.5}
    assert call(sandbox, "GET", path, token="wrong").status_code == 401
    sandbox.fail_next("status", code=500, path=path)
    assert call(sandbox, "GET", path).status_code == 500


def test_a_token_can_be_checked(sandbox: Sandbox) -> None:
    path = "/auth/v1/authenticate/application/verify-token"
    good, bad, none = (call(sandbox, "GET", path, token=token) for token in ("sandbox", "wrong", None))
    assert (good.status_code, bad.status_code, none.status_code) == (200, 401, 401)
    assert isinstance(good.json(), dict)
    assert bad.json()["detail"]["code"] == "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED"
    sandbox.fail_next("delay", seconds=0.05, path=path)
    began = time.perf_counter()
    assert call(sandbox, "GET", path).status_code == 200
    assert time.perf_counter() - began >= 0.05


def test_a_report_stays_right_when_a_frame_is_changed_by_its_owner(sandbox: Sandbox) -> None:
    request_id = send(sandbox)
    before = call(sandbox, "GET", f"/whatsapp/v2/report/{request_id}").json()["messages"][0]
    sandbox.messages.content[0]["text"]["body"] = "changed"
    sandbox.messages.reference[0]["cust_ref"] = "changed"
    after = call(sandbox, "GET", f"/whatsapp/v2/report/{request_id}").json()["messages"][0]
    assert before["reference"] == after["reference"]
    assert sandbox.messages.content[0] == TEXT
