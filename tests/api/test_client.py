"""Every answer of D7, and what the client makes of it: asked over HTTP, of the sandbox."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple

import pytest

import d7nb
from d7nb import errors
from tests.support.servers import answering, serving

REAL = "https://api.d7networks.com"
PERSON = "+12025550123"
STRANGER = "+12025550199"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def body(originator: str = "+12025550100", **text: Any) -> dict[str, Any]:
    """A request of one message to one person."""
    content = {"message_type": "TEXT", "text": {"body": "Hello", **text}}
    return {"messages": [{"originator": originator, "content": content, "recipients": [{"recipient": PERSON}]}]}


@pytest.fixture
def client(sandbox: d7nb.Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client(clock=lambda: NOW) as client:
        yield client


def refusal(client: d7nb.Client, request: dict[str, Any] | None = None) -> errors.Refused:
    with pytest.raises(errors.Refused) as caught:
        client.post(request or body())
    return caught.value


# accepted, rejected, and what can't be read


def test_a_request_is_accepted(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    answer = client.post(body())
    assert (answer.kind, answer.status, answer.error) == ("accepted", 200, None)
    assert answer.request_id == sandbox.messages["request_id"].item()
    assert answer.created_at == sandbox.messages["created_at"].item()


def test_a_200_can_say_rejected(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("rejected", times=2)
    answer = client.exchange(b"{}")
    assert answer.kind == "rejected"
    assert answer.request_id
    error = refusal(client)
    assert (type(error), error.status, error.code) == (errors.Refused, 200, "rejected")


class Unclear(NamedTuple):
    """A fault after which nobody knows, and the status that came."""

    kind: str
    options: dict[str, Any]
    status: int | None


@pytest.mark.parametrize(
    "fault",
    [
        Unclear("garbage", {}, 200),
        Unclear("empty", {}, 200),
        Unclear("status", {"code": 200, "body": {"status": "accepted"}}, 200),
        Unclear("status", {"code": 200, "body": {"status": "accepted", "request_id": None}}, 200),
        Unclear("status", {"code": 200, "body": {"status": "queued", "request_id": "x"}}, 200),
        Unclear("status", {"code": 200, "body": {"status": None, "request_id": "x"}}, 200),
        Unclear("status", {"code": 200, "body": ["accepted"]}, 200),
        Unclear("status", {"code": 204}, 204),
        Unclear("status", {"code": 408}, 408),
        Unclear("status", {"code": 409}, 409),
        Unclear("status", {"code": 500, "taken": True}, 500),
        Unclear("status", {"code": 502, "body": "<h1>Bad Gateway</h1>"}, 502),
        Unclear("status", {"code": 503, "retry_after": 5}, 503),
        Unclear("status", {"code": 599}, 599),
        Unclear("drop_before", {}, None),
        Unclear("drop_after", {}, None),
    ],
    ids=lambda fault: f"{fault.kind} {fault.options}",
)
def test_an_answer_that_does_not_tell_is_unknown(sandbox: d7nb.Sandbox, client: d7nb.Client, fault: Unclear) -> None:
    sandbox.fail_next(fault.kind, **fault.options, times=2)
    answer = client.exchange(b"{}")
    assert (answer.kind, answer.status, answer.request_id) == ("unknown", fault.status, None)
    with pytest.raises(errors.Ambiguous) as caught:
        client.post(body())
    assert caught.value.status == fault.status
    assert caught.value.retry_after is None  # nobody is to take it for a 429


# refusals


class Refusal(NamedTuple):
    """A status, the body that comes with it, and what becomes of them."""

    status: int
    body: Any
    error: type[errors.Refused]
    code: str
    words: str  # of the message


COUNT = {"code": "TEMPLATE_PARAMETER_COUNT_MISMATCH", "message": "takes 2 parameters"}
FIELD = {"loc": ["body", "messages", 0, "recipients", 3, "recipient"], "msg": "field required", "type": "missing"}


@pytest.mark.parametrize(
    "case",
    [
        Refusal(400, {"detail": COUNT}, errors.InvalidRequest, COUNT["code"], "takes 2 parameters"),
        Refusal(400, {"detail": "no such template"}, errors.InvalidRequest, "", "400: no such template"),
        Refusal(400, "<html>", errors.InvalidRequest, "", "400"),
        Refusal(401, None, errors.Unauthorized, "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "make a new one"),
        Refusal(402, None, errors.InsufficientCredit, "INSUFFICIENT_CREDIT", "top it up"),
        Refusal(402, "", errors.InsufficientCredit, "", "402: the account has no credit"),
        Refusal(403, {"detail": "Forbidden"}, errors.Forbidden, "", "its rights"),
        Refusal(404, None, errors.NotFound, "INVALID_WHATSAPP_ORIGINATOR", "is not registered"),
        Refusal(404, {"detail": COUNT}, errors.NotFound, COUNT["code"], "takes 2"),
        Refusal(404, {"detail": "Not Found"}, errors.NotFound, "", "Not Found"),
        Refusal(405, {"detail": "Method Not Allowed"}, errors.Refused, "", "Method Not Allowed"),
        Refusal(413, "<html>", errors.InvalidRequest, "", "a smaller batch size"),
        Refusal(418, {"detail": []}, errors.Refused, "", "418"),
        Refusal(422, {"detail": [FIELD]}, errors.InvalidRequest, "missing", "messages.0.recipients.3.recipient: field"),
        Refusal(422, {"detail": [FIELD, COUNT, "and this"]}, errors.InvalidRequest, "missing", "; and this"),
        Refusal(429, {"detail": "slow down"}, errors.RateLimited, "", "slow down"),
    ],
    ids=lambda case: f"{case.status} {case.words}",
)
def test_a_refusal_becomes_its_own_error(sandbox: d7nb.Sandbox, client: d7nb.Client, case: Refusal) -> None:
    sandbox.fail_next("status", code=case.status, body=case.body, times=2)
    error = refusal(client)
    assert (type(error), error.status, error.code) == (case.error, case.status, case.code)
    assert case.words in str(error)
    answer = client.exchange(b"{}")
    assert (answer.kind, answer.status) == ("limited" if case.status == 429 else "refused", case.status)
    assert sandbox.messages.empty


def test_a_wrong_token_is_unauthorized(sandbox: d7nb.Sandbox) -> None:
    with d7nb.Client("another", base_url=sandbox.url) as client:
        error = refusal(client)
    assert isinstance(error, errors.Unauthorized)
    assert error.code == "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED"


def test_an_unknown_originator_is_said_in_a_list(client: d7nb.Client) -> None:
    with d7nb.Sandbox(originators=["+12025550100"]) as sandbox, sandbox.client() as client:
        error = refusal(client, body(originator=STRANGER))
    assert isinstance(error, errors.NotFound)
    assert [detail.code for detail in error.details] == ["INVALID_WHATSAPP_ORIGINATOR"]


def test_an_invalid_request_says_where(client: d7nb.Client) -> None:
    error = refusal(client, body(body="x" * 4097))
    assert isinstance(error, errors.InvalidRequest)
    assert error.status == 422
    assert error.details[0].loc[:3] == ("body", "messages", 0)
    assert "messages.0.content" in str(error)


def test_a_named_recipient_is_found_in_the_details(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("refuse", recipient=PERSON)
    assert refusal(client).details[0].loc == ("body", "messages", 0, "recipients", 0, "recipient")


def test_too_many_recipients_is_an_invalid_request() -> None:
    request = body()
    request["messages"][0]["recipients"] *= 3
    with d7nb.Sandbox(max_recipients=2) as sandbox, sandbox.client() as client:
        error = refusal(client, request)
    assert (type(error), error.status, error.code) == (errors.InvalidRequest, 413, "TOO_MANY_RECIPIENTS")


def test_d7s_own_words_are_shown_without_numbers(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    said = {"code": f"BAD_{PERSON}", "message": f"{PERSON} is not on WhatsApp", "loc": [PERSON]}
    for detail in (said, [said], said["message"]):
        sandbox.fail_next("status", code=422, body={"detail": detail})
        error = refusal(client)
        assert "is not on WhatsApp" in str(error)
        assert PERSON[1:] not in f"{error} {error.code} {error.details}"


# Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (7, 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(
    sandbox: d7nb.Sandbox, client: d7nb.Client, header: Any, seconds: float | None
) -> None:
    sandbox.fail_next("status", code=429, retry_after=header)
    error = refusal(client)
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == seconds


# reports


def test_a_report_is_given_as_it_came(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    request_id = client.post(body()).request_id
    assert request_id
    report = client.report(request_id)
    assert report["request_id"] == request_id
    assert [message["recipient"] for message in report["messages"]] == [PERSON]


def test_a_report_that_is_not_there_is_not_found(client: d7nb.Client) -> None:
    with pytest.raises(errors.NotFound) as caught:
        client.report("00000000-0000-4000-8000-000000000000")
    assert caught.value.code == "WHATSAPP_LOG_NOT_EXISTS"


@pytest.mark.parametrize(
    ("kind", "options", "status"),
    [
        ("garbage", {}, 200),
        ("empty", {}, 200),
        ("status", {"code": 200, "body": [1]}, 200),
        ("status", {"code": 204}, 204),
        ("status", {"code": 503}, 503),
        ("drop_before", {}, None),
        ("delay", {"seconds": 30}, None),
    ],
)
def test_a_report_without_a_readable_answer_says_so(
    sandbox: d7nb.Sandbox, kind: str, options: dict[str, Any], status: int | None
) -> None:
    sandbox.fail_next(kind, path="/whatsapp/v2/report", **options)
    with sandbox.client(timeout=(5, 0.2)) as client, pytest.raises(errors.ApiError) as caught:
        client.report("x")
    assert type(caught.value) is errors.ApiError
    assert caught.value.status == status
    assert "messages" not in str(caught.value)  # a question took none


def test_a_refused_report_is_the_same_error_as_a_refused_send(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("status", code=429, retry_after=3, path="/whatsapp/v2/report")
    with pytest.raises(errors.RateLimited) as caught:
        client.report("x")
    assert caught.value.retry_after == 3


def test_a_report_that_can_not_be_asked_for_is_not_connected(sandbox: d7nb.Sandbox) -> None:
    with sandbox.client() as client:
        sandbox.close()
        with pytest.raises(errors.NotConnected):
            client.report("x")


# where a token may go


@pytest.mark.parametrize(
    "base_url",
    ["http://api.d7networks.com", "http://192.168.1.5:8000", "http://127.0.0.1.evil.example", "HTTP://D7.test"],
)
def test_http_is_only_for_this_machine(base_url: str) -> None:
    with pytest.raises(errors.TokenError, match="unencrypted"):
        d7nb.Client("x", base_url=base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.d7networks.com",
        "ftp://x",
        "https://",
        "https://me:pass@x",
        "http://127.0.0.1@evil.example",
        "https://x?y=z",
    ],
)
def test_a_base_url_that_makes_no_sense_is_said(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"https://api\.d7networks\.com"):
        d7nb.Client("x", base_url=base_url)


@pytest.mark.parametrize(
    "base_url", ["https://d7 networks.com", "https://*.d7networks.com", "https://d7:port", "https://["]
)
def test_an_address_that_can_be_none_is_said_at_once(base_url: str) -> None:
    with pytest.raises(ValueError):
        d7nb.Client("x", base_url=base_url)


@pytest.mark.parametrize(
    "base_url", [REAL, f"{REAL}/", f"{REAL}:443", "HTTPS://API.D7Networks.com", f"{REAL}/proxied/", f"{REAL}:443/"]
)
def test_one_place_is_one_destination_however_it_is_spelled(base_url: str) -> None:
    assert d7nb.Client("x", base_url=base_url).destination == REAL


def test_another_port_is_another_destination() -> None:
    assert d7nb.Client("x", base_url=f"{REAL}:8443/x/").destination == f"{REAL}:8443"
    assert d7nb.Client("x", base_url="http://[::1]:80/").destination == "http://[::1]"


# the client itself


@pytest.mark.parametrize("option", [{"workers": 0}, {"batch_size": 0}, {"rate": 0}, {"rate": -1}])
def test_options_that_make_no_sense_are_said(option: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        d7nb.Client("x", **option)  # type: ignore[arg-type]


def test_a_request_never_carries_more_than_the_rate() -> None:
    assert d7nb.Client("x", rate=20).batch_size == 20
    assert d7nb.Client("x", rate=None).batch_size == 100
    assert d7nb.Client("x", rate=500, batch_size=300).batch_size == 300


def test_each_sandbox_is_a_destination_of_its_own(sandbox: d7nb.Sandbox) -> None:
    with d7nb.Sandbox() as other:
        names = {sandbox.client().destination, sandbox.client(rate=5).destination, other.client().destination}
    assert len(names) == 2


def test_a_client_is_not_pickled() -> None:
    with pytest.raises(errors.TokenError, match="make a new one"):
        pickle.dumps(d7nb.Client("x"))


def test_another_server_is_not_taken_for_d7() -> None:
    """The log-in page of a hotel answers 200 to everything."""
    portal = answering(200, b"<html>Log in</html>")
    with serving(portal) as server, d7nb.Client("x", base_url=server.url) as client:
        assert client.exchange(b"{}").kind == "unknown"
