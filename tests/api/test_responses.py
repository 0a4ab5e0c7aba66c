"""The reading of answers holds whatever comes: any JSON, any header, any bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st

from d7nb import errors
from d7nb.api.responses import Detail, Kind, SendResponse, parse_details, parse_retry_after, parse_send_response

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
NUMBERS = st.sampled_from(["+12025550123", "12025550123", "+61491570006", "+46701740605"])

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NUMBERS
anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
keys = st.sampled_from(["code", "message", "loc", "msg", "type", "detail", "status", "request_id"])
nearly = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=12)
statuses = st.integers(100, 599)


def read(status: int, content: bytes, **headers: str) -> SendResponse:
    return parse_send_response(status, headers, content, NOW)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"code": "A", "message": "b"}, [Detail("b", "A")]),
        ([{"code": "A", "message": "b"}, {"code": "C", "message": "d"}], [Detail("b", "A"), Detail("d", "C")]),
        ([{"loc": ["body", 0, "x"], "msg": "b", "type": "t"}], [Detail("b", "t", ("body", 0, "x"))]),
        ("plain", [Detail("plain")]),
        (["plain", {"code": "A"}, None, 5], [Detail("plain"), Detail("", "A")]),
        ({"loc": "body", "msg": ["b"]}, [Detail("['b']")]),
        (None, []),
        (5, []),
    ],
)
def test_the_shapes_of_detail_become_one(detail: Any, expected: list[Detail]) -> None:
    assert parse_details({"detail": detail}) == expected


@given(anything | nearly | st.builds(lambda detail: {"detail": detail}, nearly))
def test_no_json_breaks_the_reading_of_details(body: Any) -> None:
    for detail in parse_details(body):
        assert isinstance(detail.message, str)
        assert isinstance(detail.code, str)
        assert all(isinstance(place, str | int) for place in detail.loc)


@given(statuses, st.binary() | st.builds(lambda body: json.dumps(body).encode(), anything | nearly))
def test_every_answer_has_a_kind_and_only_a_good_one_has_no_error(status: int, content: bytes) -> None:
    answer = read(status, content)
    assert answer.kind in get_args(Kind)
    assert (answer.error is None) == (answer.kind == "accepted")
    assert answer.status == (status if answer.error else 200)
    if answer.kind == "accepted":
        assert 200 <= status < 300
        assert json.loads(content)["status"].lower() == "accepted"
        assert answer.request_id == json.loads(content)["request_id"]


@given(statuses, st.builds(lambda body: json.dumps(body).encode(), nearly))
def test_what_may_have_gone_out_is_never_called_refused(status: int, content: bytes) -> None:
    kind = read(status, content).kind
    if status >= 500 or status in {408, 409}:
        assert kind == "unknown"
    if kind in {"refused", "limited"}:
        assert 300 <= status < 500
    assert (kind == "limited") == (status == 429)


@given(statuses, NUMBERS, st.sampled_from(["string", "object", "list", "loc"]), st.text(alphabet="ab :,", max_size=8))
def test_no_error_shows_a_whole_number(status: int, number: str, shape: str, around: str) -> None:
    words = f"{around}{number}{around}"
    detail = {"string": words, "object": {"code": words, "message": words}, "list": [words]}
    body = {"detail": detail.get(shape, [{"loc": ["body", words], "msg": words, "type": words}])}
    error = read(status, json.dumps(body).encode()).error
    assert error is not None
    assert number.removeprefix("+") not in f"{error} {error!r} {error.code} {error.details} {vars(error)}"


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ (GMT|-0000|[+-]\d{4})"))
def test_no_retry_after_breaks_the_reading(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**9))
def test_a_retry_after_in_seconds_is_that_many(seconds: int) -> None:
    assert parse_retry_after(f" {seconds} ", NOW) == seconds


def test_the_error_of_an_answer_is_kept_and_not_raised() -> None:
    answer = read(429, b'{"detail":"slow"}', **{"Retry-After": "5"})
    assert isinstance(answer.error, errors.RateLimited)
    assert (answer.kind, answer.status, answer.error.retry_after) == ("limited", 429, 5)
