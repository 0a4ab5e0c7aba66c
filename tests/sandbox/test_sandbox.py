"""The sandbox as its users meet it: a server, its answers, what it keeps, and what goes wrong on request."""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import pandas as pd
import pytest
import requests

import d7nb.sandbox
from d7nb.errors import D7Error, SandboxError
from d7nb.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

SENDER = "+12025550100"
PERSON = "+12025550123"
OTHER = "+12125550188"
SEND = "/whatsapp/v2/send"
TEXT = {"message_type": "TEXT", "text": {"body": "Hello"}}
COLUMNS = [
    "request_id",
    "msg_id",
    "originator",
    "recipient",
    "message_type",
    "content",
    "reference",
    "status",
    "reason",
    "report_url",
    "schedule_time",
    "created_at",
    "warnings",
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def message(*recipients: str, originator: str = SENDER, **more: Any) -> dict[str, Any]:
    people = [{"recipient": recipient} for recipient in recipients or [PERSON]]
    return {"originator": originator, "content": TEXT, "recipients": people, **more}


def call(sandbox: Sandbox, method: str, path: str, token: str | None = "sandbox", **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= options.pop("headers", {})
    options = {"timeout": 10, "allow_redirects": False, **options}
    return requests.request(method, sandbox.url + path, headers=headers, **options)


def post(sandbox: Sandbox, *messages: dict[str, Any], **options: Any) -> requests.Response:
    return call(sandbox, "POST", SEND, json={"messages": list(messages or [message()])}, **options)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with None for what is missing, as JSON has it."""
    return frame.astype(object).where(frame.notna(), None)


def report(sandbox: Sandbox, request_id: str, version: str = "v2") -> requests.Response:
    return call(sandbox, "GET", f"/whatsapp/{version}/report/{request_id}")


# Start and end


def test_it_serves_from_the_first_moment_until_closed() -> None:
    threads = threading.active_count()
    sandbox = Sandbox()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", sandbox.url)
    assert post(sandbox).status_code == 200
    assert repr(sandbox) == f"<Sandbox at {sandbox.url}: 1 message accepted>"
    sandbox.close()
    sandbox.close()
    assert repr(sandbox) == "<Sandbox closed: 1 message accepted>"
    assert len(sandbox.messages) == 1
    assert threading.active_count() == threads
    with pytest.raises(requests.ConnectionError):
        post(sandbox)


def test_two_sandboxes_know_nothing_of_each_other(sandbox: Sandbox) -> None:
    with Sandbox() as other:
        assert post(other).status_code == 200
        assert sandbox.url != other.url
        assert sandbox.messages.empty


def test_a_kept_connection_is_no_hindrance_to_closing() -> None:
    with requests.Session() as session, Sandbox() as sandbox:
        assert session.get(f"{sandbox.url}/_sandbox/messages", timeout=10).status_code == 200
        sandbox.close()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{sandbox.url}/_sandbox/messages", timeout=10)


def test_connections_that_come_while_it_closes_are_closed_too(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        sandbox = Sandbox()
        address = urlsplit(sandbox.url)
        with socket.create_connection((address.hostname, address.port or 0), timeout=10) as connection:
            sandbox.close()
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
    gc.collect()  # a socket that nobody closed would be a ResourceWarning, and so an error, here
    assert caplog.records == []


def test_closing_ends_what_still_waits() -> None:
    sandbox = Sandbox()
    sandbox.fail_next("delay", seconds=600)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, sandbox)
        while sandbox.messages.empty:
            pass
        sandbox.close()
        with pytest.raises(requests.ConnectionError):
            waiting.result(timeout=10)


def test_a_port_that_is_taken_is_an_error_with_a_way_out(sandbox: Sandbox) -> None:
    port = urlsplit(sandbox.url).port
    assert port
    with pytest.raises(SandboxError, match=rf"port {port} .*port=0") as raised:
        Sandbox(port=port)
    assert isinstance(raised.value, D7Error)


def test_an_answer_on_a_kept_connection_comes_at_once(sandbox: Sandbox) -> None:
    """Without TCP_NODELAY each waits 40 ms for a delayed acknowledgement."""
    took = []
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer sandbox"
        for _ in range(10):
            began = time.perf_counter()
            session.post(sandbox.url + SEND, json={"messages": [message()]}, timeout=10)
            took.append(time.perf_counter() - began)
    assert min(took[1:]) < 0.03


def test_it_prints_and_logs_nothing(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="uvicorn")
    post(sandbox)
    post(sandbox, token="wrong")
    sandbox.fail_next("drop_before")
    with pytest.raises(requests.ConnectionError):
        post(sandbox)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_it_makes_a_client_for_itself(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(token: str, **options: Any) -> dict[str, Any]:
        return {"token": token, **options}

    monkeypatch.setitem(sys.modules, "d7nb.api.client", SimpleNamespace(Client=made))
    first: Any = sandbox.client(rate=None)
    second: Any = sandbox.client()
    assert first == {"token": "sandbox", "base_url": sandbox.url, "destination": first["destination"], "rate": None}
    assert first["destination"].startswith("sandbox:")
    assert second["destination"] == first["destination"]
    with Sandbox() as other:
        third: Any = other.client()
        assert third["destination"] != first["destination"]


# The documented answers


def test_a_good_request_is_accepted(sandbox: Sandbox) -> None:
    reply = post(sandbox)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json().keys() == {"request_id", "status", "created_at"}
    assert reply.json()["status"] == "accepted"
    assert UUID(reply.json()["request_id"]).version == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", reply.json()["created_at"])


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer Sandbox", "Basic sandbox", "sandbox"])
@pytest.mark.parametrize(("method", "path"), [("POST", SEND), ("GET", "/whatsapp/v2/report/1")])
def test_every_other_token_is_refused(authorization: str | None, method: str, path: str, sandbox: Sandbox) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = call(sandbox, method, path, token=None, headers=headers, json={"messages": [message()]})
    assert reply.status_code == 401
    assert reply.json()["detail"].keys() == {"code", "message"}
    assert reply.json()["detail"]["code"] == "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED"
    assert sandbox.messages.empty


def test_originators_are_compared_by_digits_and_others_are_not_found() -> None:
    with Sandbox(originators=[SENDER, OTHER[1:]]) as sandbox:
        for originator in (SENDER, SENDER[1:], OTHER, OTHER[1:]):
            assert post(sandbox, message(originator=originator)).status_code == 200
        reply = post(sandbox, message(), message(originator="+12025550199"), message(originator="my shop"))
        assert reply.status_code == 404
        assert [item["code"] for item in reply.json()["detail"]] == ["INVALID_WHATSAPP_ORIGINATOR"] * 2
        assert "2025550199" not in reply.text
        assert len(sandbox.messages) == 4


@pytest.mark.parametrize("originator", ["my shop", "0123456789", SENDER + "\n"])
def test_any_number_is_registered_by_default_but_nothing_else(originator: str, sandbox: Sandbox) -> None:
    assert post(sandbox, message(originator=originator)).status_code == 404


def test_a_body_that_is_no_json_is_refused_in_fastapis_form(sandbox: Sandbox) -> None:
    json_headers = {"Content-Type": "application/json"}
    for data in (b'{"messages": [', b"\xff", b"messages=x"):
        reply = call(sandbox, "POST", SEND, data=data, headers=json_headers)
        assert reply.status_code == 422
        [item] = reply.json()["detail"]
        assert item.keys() == {"loc", "msg", "type"}
        assert item["type"] == "json_invalid"
        assert item["loc"][0] == "body"
    assert call(sandbox, "POST", SEND).json()["detail"][0]["type"] == "missing"
    form = call(
        sandbox, "POST", SEND, data=json.dumps({"messages": [message()]}), headers={"Content-Type": "text/plain"}
    )
    assert form.status_code == 422


def test_other_paths_and_methods_are_answered_as_fastapi_does(sandbox: Sandbox) -> None:
    for path in ("/", "/whatsapp/v1/send", SEND + "/", "/whatsapp/v2/report"):
        reply = call(sandbox, "GET", path)
        assert (reply.status_code, reply.json()) == (404, {"detail": "Not Found"})
    reply = call(sandbox, "GET", SEND)
    assert (reply.status_code, reply.json()) == (405, {"detail": "Method Not Allowed"})


def test_too_many_recipients_are_refused_only_where_a_limit_was_invented(sandbox: Sandbox) -> None:
    people = [f"+1202555{n:04}" for n in range(100, 200)] * 11
    assert post(sandbox, message(*people)).status_code == 200
    with Sandbox(max_recipients=3) as small:
        assert post(small, message(PERSON, OTHER), message()).status_code == 200
        reply = post(small, message(PERSON, OTHER), message(PERSON, OTHER))
        assert reply.status_code == 413
        assert len(small.messages) == 3


# What it keeps


def test_messages_has_its_columns_from_the_beginning(sandbox: Sandbox) -> None:
    empty = sandbox.messages
    assert list(empty.columns) == COLUMNS
    assert len(empty) == 0
    post(sandbox)
    assert list(empty.dtypes) == list(sandbox.messages.dtypes)


def test_messages_has_a_row_for_each_message_and_recipient_in_order(sandbox: Sandbox) -> None:
    reference = {"cust_ref": "c", "message_tag5": "5"}
    first = message(PERSON, OTHER, report_url="https://example.com/dlr")
    first["recipients"][1]["reference"] = reference
    one = post(sandbox, first, message(originator=OTHER)).json()
    two = post(sandbox).json()
    frame = sandbox.messages
    assert list(frame.request_id) == [one["request_id"]] * 3 + [two["request_id"]]
    assert list(frame.recipient) == [PERSON, OTHER, PERSON, PERSON]
    assert list(frame.originator) == [SENDER, SENDER, OTHER, SENDER]
    assert list(frame.reference) == [{}, reference, {}, {}]
    assert list(frame.report_url[:2]) == ["https://example.com/dlr"] * 2
    assert frame.report_url[2:].isna().all()
    assert frame.schedule_time.isna().all()
    assert list(frame.created_at) == [one["created_at"]] * 3 + [two["created_at"]]
    assert list(frame.content) == [TEXT] * 4
    assert frame.msg_id.is_unique
    assert {UUID(msg_id).version for msg_id in frame.msg_id} == {1}
    assert list(sandbox.messages.msg_id) == list(frame.msg_id)


def test_messages_can_be_read_over_http_without_a_token(sandbox: Sandbox) -> None:
    post(sandbox)
    answer = call(sandbox, "GET", "/_sandbox/messages", token=None).json()
    assert list(answer) == ["messages"]
    assert [list(row) for row in answer["messages"]] == [COLUMNS]
    assert answer["messages"] == plain(sandbox.messages).to_dict("records")


@pytest.mark.parametrize("over_http", [True, False])
def test_reset_forgets_messages_faults_and_time(over_http: bool, sandbox: Sandbox) -> None:
    request_id = post(sandbox).json()["request_id"]
    sandbox.advance(days=1000)
    sandbox.fail_next("status", code=500)
    sandbox.fail_next("refuse", recipient=PERSON)
    if over_http:
        assert call(sandbox, "POST", "/_sandbox/reset", token=None).status_code == 200
    else:
        sandbox.reset()
    assert sandbox.messages.empty
    assert report(sandbox, request_id).status_code == 404
    reply = post(sandbox)
    assert reply.status_code == 200
    assert abs(pd.Timestamp(reply.json()["created_at"]) - pd.Timestamp.now("UTC")) < pd.Timedelta(hours=1)


# Reports and time


def test_a_report_has_the_documented_shape_on_both_paths(sandbox: Sandbox) -> None:
    template = {"message_type": "TEMPLATE", "template": {"template_id": "offer", "language": "en"}}
    text = message(PERSON)
    text["recipients"][0]["reference"] = {"cust_ref": "c", "messageTag1": "t"}
    request_id = post(sandbox, text, message(OTHER, content=template)).json()["request_id"]
    sandbox.advance(seconds=4)
    answer = report(sandbox, request_id).json()
    ids = list(sandbox.messages.msg_id)
    nothing = dict.fromkeys(
        ["cust_ref", "message_tag1", "message_tag2", "message_tag3", "message_tag4", "message_tag5", "conversation_id"]
    )
    conversations = [row.pop("waConvId") for row in answer["messages"]]
    assert all(re.fullmatch("[0-9a-f]{32}", conversation) for conversation in conversations)
    assert answer == {
        "request_id": request_id,
        "messages": [
            {
                "msg_id": ids[0],
                "originator": SENDER[1:],
                "recipient": PERSON,
                "reference": nothing | {"cust_ref": "c", "message_tag1": "t"},
                "conversation_type": "service",
                "message_type": "TEXT",
                "template_id": None,
                "status": "read",
                "reason": "Read by the user",
            },
            {
                "msg_id": ids[1],
                "originator": SENDER[1:],
                "recipient": OTHER,
                "reference": nothing,
                "conversation_type": "marketing",
                "message_type": "TEMPLATE",
                "template_id": "offer",
                "status": "read",
                "reason": "Read by the user",
            },
        ],
        "request_stage": "processed",
        "schedule_time": None,
    }
    assert report(sandbox, request_id, "v1").json() == report(sandbox, request_id, "v2").json()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_report_on_an_unknown_request_is_not_found(version: str, sandbox: Sandbox) -> None:
    reply = report(sandbox, "0c6b1f6e-0000-4000-8000-000000000000", version)
    assert reply.status_code == 404
    assert reply.json()["detail"].keys() == {"code", "message"}
    assert reply.json()["detail"]["code"] == "WHATSAPP_LOG_NOT_EXISTS"


def test_a_message_lives_on_a_clock_that_can_be_moved() -> None:
    life = [(0, "queued", None), (3600, "sent", None), (7200, "failed", "131026 Undeliverable")]
    with Sandbox(life=life) as sandbox:
        request_id = post(sandbox).json()["request_id"]
        seen = []
        for _ in range(4):
            [reported] = report(sandbox, request_id).json()["messages"]
            row = plain(sandbox.messages).iloc[0]
            assert (reported["status"], reported["reason"]) == (row.status, row.reason)
            seen.append((row.status, row.reason))
            sandbox.advance(hours=1)
        assert seen == [life[0][1:], life[1][1:], life[2][1:], life[2][1:]]
        late = post(sandbox).json()
        assert list(sandbox.messages.status) == ["failed", "queued"]
        assert pd.Timestamp(late["created_at"]) > pd.Timestamp.now("UTC") + pd.Timedelta(hours=3)


def test_the_default_life_is_queued_sent_delivered_read(sandbox: Sandbox) -> None:
    post(sandbox)
    assert sandbox.messages.status[0] in {"queued", "sent"}  # a slow machine may need more than a second
    seen = []
    for _ in range(5):
        sandbox.advance(seconds=1)
        seen.append(sandbox.messages.status[0])
    assert list(dict.fromkeys(seen))[-2:] == ["delivered", "read"]


def test_a_scheduled_message_waits_for_its_time(sandbox: Sandbox) -> None:
    now = pd.Timestamp.now("UTC").floor("min")
    later = (now + pd.Timedelta(days=1)).strftime("%Y-%m-%dT%H:%MZ")
    body = {"messages": [message()], "message_globals": {"schedule_time": later}}
    request_id = call(sandbox, "POST", SEND, json=body).json()["request_id"]
    assert report(sandbox, request_id).json()["schedule_time"] == later
    sandbox.advance(hours=23)
    assert sandbox.messages.status[0] == "scheduled"
    scheduled = report(sandbox, request_id).json()
    assert (scheduled["request_stage"], scheduled["messages"][0]["status"]) == ("scheduled", "scheduled")
    sandbox.advance(hours=1, seconds=5)
    assert sandbox.messages.status[0] == "read"
    assert report(sandbox, request_id).json()["request_stage"] == "processed"
    past = {"messages": [message()], "message_globals": {"schedule_time": "2001-01-01T00:00Z"}}
    assert call(sandbox, "POST", SEND, json=past).status_code == 200
    assert sandbox.messages.status[1] == "queued"


def test_the_clock_does_not_go_back_and_a_life_is_not_empty(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="forward"):
        sandbox.advance(seconds=-1)
    with pytest.raises(SandboxError, match="9999"):
        sandbox.advance(days=3_000_000)
    assert post(sandbox).status_code == 200
    with pytest.raises(SandboxError, match="life"):
        Sandbox(life=[])


# Faults


def raw_exchange(sandbox: Sandbox) -> bytes:
    """Every byte that comes back for one good send, down to the socket."""
    body = json.dumps({"messages": [message()]}).encode()
    head = f"POST {SEND} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox\r\nContent-Length: {len(body)}\r\n\r\n"
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(("kind", "accepted"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_connection_has_no_byte_of_an_answer(kind: str, accepted: int, sandbox: Sandbox) -> None:
    sandbox.fail_next(kind)
    assert raw_exchange(sandbox) == b""
    assert len(sandbox.messages) == accepted
    sandbox.fail_next(kind)
    with pytest.raises(requests.ConnectionError, match="Remote end closed connection without response"):
        post(sandbox)
    assert len(sandbox.messages) == 2 * accepted
    assert post(sandbox).status_code == 200


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 599])
def test_a_status_has_a_likely_body(code: int, sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=code)
    reply = post(sandbox)
    assert reply.status_code == code
    detail = reply.json()["detail"]
    assert detail
    shapes: dict[int, Any] = {401: {"code", "message"}, 402: {"code", "message"}, 422: {"loc", "msg", "type"}}
    if code in shapes:
        assert (detail[0] if code == 422 else detail).keys() == shapes[code]
    if code == 404:
        assert [item["code"] for item in detail] == ["INVALID_WHATSAPP_ORIGINATOR"]
    assert sandbox.messages.empty
    assert post(sandbox).status_code == 200


@pytest.mark.parametrize("retry_after", [3, "120", "Fri, 31 Dec 2027 23:59:59 GMT"])
def test_a_status_may_say_when_to_come_again(retry_after: int | str, sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=429, retry_after=retry_after)
    assert post(sandbox).headers["retry-after"] == str(retry_after)
    assert "retry-after" not in post(sandbox).headers


def test_a_status_may_have_a_body_of_ones_own_and_take_in(sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=400, body={"detail": "no"})
    assert post(sandbox).json() == {"detail": "no"}
    sandbox.fail_next("status", code=502, body="<h1>Bad</h1>", taken=True)
    assert post(sandbox).text == "<h1>Bad</h1>"
    assert len(sandbox.messages) == 1
    sandbox.fail_next("status", code=204)
    assert post(sandbox).content == b""


def test_a_delayed_answer_comes_late_but_the_message_is_in(sandbox: Sandbox) -> None:
    sandbox.fail_next("delay", seconds=600)
    with pytest.raises(requests.ReadTimeout):
        post(sandbox, timeout=0.1)
    assert len(sandbox.messages) == 1
    sandbox.fail_next("delay", seconds=0.05)
    began = time.perf_counter()
    assert post(sandbox).json()["status"] == "accepted"
    assert time.perf_counter() - began >= 0.05


def test_latency_holds_up_each_answer_and_not_the_others() -> None:
    with Sandbox(latency=0.2) as sandbox, ThreadPoolExecutor(16) as pool:
        began = time.perf_counter()
        replies = list(pool.map(lambda _: post(sandbox), range(16)))
        took = time.perf_counter() - began
        assert {reply.status_code for reply in replies} == {200}
        assert 0.2 <= took < 16 * 0.2 / 2


def test_a_200_may_say_rejected(sandbox: Sandbox) -> None:
    sandbox.fail_next("rejected")
    reply = post(sandbox)
    assert reply.status_code == 200
    assert reply.json().keys() == {"request_id", "status", "created_at"}
    assert reply.json()["status"] == "rejected"
    assert sandbox.messages.empty
    assert report(sandbox, reply.json()["request_id"]).status_code == 404


@pytest.mark.parametrize("kind", ["garbage", "empty"])
@pytest.mark.parametrize("taken", [True, False])
def test_a_200_may_be_unreadable(kind: str, taken: bool, sandbox: Sandbox) -> None:
    sandbox.fail_next(kind, **({} if taken else {"taken": False}))
    reply = post(sandbox)
    assert reply.status_code == 200
    assert reply.content.startswith(b"<!doctype html>" if kind == "garbage" else b"")
    with pytest.raises(requests.JSONDecodeError):
        reply.json()
    assert len(sandbox.messages) == int(taken)


def test_a_redirect_names_another_place(sandbox: Sandbox) -> None:
    sandbox.fail_next("redirect", url="http://127.0.0.1:9/steal")
    reply = post(sandbox)
    assert (reply.status_code, reply.headers["location"]) == (307, "http://127.0.0.1:9/steal")
    assert sandbox.messages.empty


def test_a_refused_recipient_is_named_by_its_place(sandbox: Sandbox) -> None:
    sandbox.fail_next("refuse", recipient=OTHER[1:])
    for _ in range(2):
        reply = post(sandbox, message(), message(PERSON, OTHER))
        assert reply.status_code == 422
        assert [item["loc"] for item in reply.json()["detail"]] == [
            ["body", "messages", 1, "recipients", 1, "recipient"]
        ]
        assert OTHER[1:] not in reply.text
    assert post(sandbox, message()).status_code == 200
    assert list(sandbox.messages.recipient) == [PERSON]


@pytest.mark.parametrize(("options", "status"), [({}, 400), ({"status": 413}, 413)])
def test_a_refused_recipient_may_go_unnamed(options: dict[str, Any], status: int, sandbox: Sandbox) -> None:
    sandbox.fail_next("refuse", recipient=OTHER, named=False, **options)
    reply = post(sandbox, message(PERSON, OTHER))
    assert reply.status_code == status
    assert reply.json()["detail"].keys() == {"code", "message"}
    assert OTHER[1:] not in reply.text
    assert sandbox.messages.empty


def test_faults_strike_as_often_as_told_and_in_their_order(sandbox: Sandbox) -> None:
    sandbox.fail_next("status", times=2, code=503)
    sandbox.fail_next("status", code=429)
    assert [post(sandbox).status_code for _ in range(4)] == [503, 503, 429, 200]


def test_a_fault_strikes_the_send_alone_unless_given_a_path(sandbox: Sandbox) -> None:
    request_id = post(sandbox).json()["request_id"]
    sandbox.fail_next("status", code=500)
    assert report(sandbox, request_id).status_code == 200
    assert post(sandbox).status_code == 500
    sandbox.fail_next("status", code=500, path="/whatsapp/v2/report")
    assert post(sandbox).status_code == 200
    assert report(sandbox, request_id).status_code == 500
    assert report(sandbox, request_id).status_code == 200


def test_faults_by_chance_repeat_with_their_seed_until_reset() -> None:
    def statuses(seed: int) -> list[int]:
        with Sandbox() as sandbox:
            sandbox.fail_next("status", code=503, probability=0.5, seed=seed)
            seen = [post(sandbox).status_code for _ in range(20)]
            sandbox.reset()
            assert post(sandbox).status_code == 200
            return seen

    assert statuses(1) == statuses(1) != statuses(2)
    assert set(statuses(1)) == {200, 503}


@pytest.mark.parametrize(
    ("kind", "times", "options", "pattern"),
    [
        ("stauts", 1, {}, "no fault 'stauts': did you mean 'status'"),
        ("xyz", 1, {}, "Choose from: status, drop_before"),
        ("status", 1, {"cod": 500}, "fault 'status' has no option 'cod': did you mean 'code'"),
        ("drop_after", 1, {"seconds": 1}, "no option 'seconds'"),
        ("refuse", 1, {"recipient": PERSON, "probability": 1}, "no option 'probability'"),
        ("status", 1, {}, "'code'"),
        ("status", 1, {"code": 99}, "'code'"),
        ("status", 1, {"code": "many"}, "'code'"),
        ("delay", 1, {"seconds": -1}, "'seconds'"),
        ("refuse", 1, {"recipient": "me"}, "'recipient'"),
        ("status", 0, {"code": 500}, "greater than or equal to 1"),
        ("status", 1, {"code": 500, "probability": 1.5}, "'probability'"),
    ],
)
def test_a_fault_that_does_not_exist_is_an_error(
    kind: str, times: int, options: dict[str, Any], pattern: str, sandbox: Sandbox
) -> None:
    with pytest.raises(SandboxError, match=pattern) as raised:
        sandbox.fail_next(kind, times, **options)
    fault = {"kind": kind, "times": times, "options": options}
    reply = call(sandbox, "POST", "/_sandbox/faults", token=None, json=fault)
    assert (reply.status_code, reply.json()) == (400, {"detail": str(raised.value)})
    assert PERSON not in reply.text
    assert post(sandbox).status_code == 200


def test_faults_can_be_asked_for_over_http(sandbox: Sandbox) -> None:
    fault = {"kind": "status", "times": 2, "options": {"code": 503}}
    assert call(sandbox, "POST", "/_sandbox/faults", token=None, json=fault).status_code == 200
    assert [post(sandbox).status_code for _ in range(3)] == [503, 503, 200]
    assert call(sandbox, "POST", "/_sandbox/faults", token=None, json={"kind": "drop_before"}).status_code == 200
    assert raw_exchange(sandbox) == b""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"kind": 3}', b'{"kind": "empty", "time": 2}'])
def test_an_order_for_a_fault_that_can_not_be_read_says_how_it_looks(body: bytes, sandbox: Sandbox) -> None:
    reply = call(sandbox, "POST", "/_sandbox/faults", token=None, data=body)
    assert reply.status_code == 400
    assert '"kind": "status"' in reply.json()["detail"]


def test_any_thread_may_look_and_meddle_while_requests_come_in(sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=503, probability=0.3, seed=1)
    with ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(post, sandbox, message(PERSON, OTHER)) for _ in range(80)]
        sizes = []
        while not all(reply.done() for reply in replies):
            frame = sandbox.messages
            sizes.append(len(frame))
            assert frame.msg_id.is_unique
            sandbox.advance(seconds=1)
            sandbox.fail_next("empty", taken=False)
    statuses = [reply.result().status_code for reply in replies]
    accepted = {reply.result().json()["request_id"] for reply in replies if reply.result().content.startswith(b'{"req')}
    assert statuses.count(503) > 0
    assert sizes == sorted(sizes)
    assert set(sandbox.messages.request_id) == accepted
    assert len(sandbox.messages) == 2 * len(accepted)


# The package


def test_the_sandbox_shares_nothing_with_the_client_side() -> None:
    """Two independent readings of the API: nothing but the error tree, and the client that `client()` makes."""
    folder = Path(d7nb.sandbox.__file__).parent
    taken = {
        name
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name.split(".")[0] == "d7nb" and not name.startswith("d7nb.sandbox")
    }
    assert taken == {"d7nb.errors", "d7nb.api.client"}


def run(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    root = Path(d7nb.sandbox.__file__).parents[2]
    return subprocess.run(
        [sys.executable, *flags, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_its_extra_the_sandbox_says_how_to_get_it(missing: str) -> None:
    done = run(
        f"import sys; sys.modules[{missing!r}] = None\n"
        "try:\n    from d7nb.sandbox import Sandbox\n"
        "except ImportError as error:\n    print(error)"
    )
    assert missing in done.stdout
    assert 'pip install "d7nb[sandbox]"' in done.stdout


def test_a_sandbox_that_nobody_closed_ends_with_the_interpreter() -> None:
    code = """
import atexit, socket, urllib.parse
from d7nb.sandbox import Sandbox

def answers():
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

atexit.register(lambda: print(answers()))  # runs after what is registered later
port = urllib.parse.urlsplit(Sandbox().url).port
print(answers())
"""
    done = run(code, "-X", "dev", "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_its_url_and_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    root = Path(d7nb.sandbox.__file__).parents[2]
    code = f"from d7nb.sandbox import serve; serve(originators=[{SENDER!r}])"
    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", code],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        [url] = re.findall(r"http://[\w.:]+", line)
        remote = SimpleNamespace(url=url)
        assert post(remote).status_code == 200  # type: ignore[arg-type]
        assert post(remote, message(originator=OTHER)).status_code == 404  # type: ignore[arg-type]
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert (process.returncode, rest, errors) == (0, "", "")
