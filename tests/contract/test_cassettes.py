"""Every documented answer, replayed from a cassette through the real client.

vcrpy is not safe with several threads: cassettes are played with one worker, and with the network closed.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from vcr.errors import CannotOverwriteExistingCassetteException  # type: ignore[import-untyped]

import d7nb
from d7nb import errors
from d7nb.api.client import BALANCE_PATH, REPORT_PATH, SEND_PATH
from d7nb.api.destinations import BASE_URL
from d7nb.testing import d7nb_cassette  # noqa: F401  (a fixture, used by name)
from tests.support import record_cassettes
from tests.support.record_cassettes import (
    CAME_IN,
    FOLDER,
    LETTER,
    NO_REQUEST,
    ORIGINATOR,
    RECIPIENT,
    SCENES,
    STRANGER,
    tape,
    text,
)
from tests.support.servers import serving

FILES = sorted(FOLDER.glob("*/*.yaml"))
FIRST = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def client() -> Iterator[d7nb.Client]:
    """A client of the real API, as far as it knows."""
    with d7nb.Client("not-a-token", workers=1) as client:
        yield client


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to get to another machine: to find it, or to connect."""
    attempts: list[Any] = []

    def attempt(*where: Any, **_: Any) -> None:
        attempts.append(where)
        raise OSError("closed by the test")

    monkeypatch.setattr(socket, "getaddrinfo", attempt)
    monkeypatch.setattr(socket.socket, "connect", attempt)
    return attempts


@pytest.fixture
def play(request: pytest.FixtureRequest, d7nb_cassette: d7nb.Client) -> Any:  # noqa: F811
    """Play the scene that the test is named after, from its cassette, to the last interaction."""
    scene = SCENES[request.node.name]
    return lambda: scene.play(d7nb_cassette, ORIGINATOR, CAME_IN if scene.came_in else RECIPIENT)


def test_accepted(play: Any) -> None:
    assert play() == ("accepted", FIRST, "2026-11-23T10:00:00.000Z", None)


def test_rejected(play: Any) -> None:
    answer = play()
    assert (answer.kind, answer.request_id, answer.status) == ("rejected", FIRST, 200)


def test_unauthorized(play: Any) -> None:
    answer = play()
    assert (answer.kind, type(answer.error)) == ("refused", errors.Unauthorized)
    assert answer.error.code == "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED"


def test_unknown_originator(play: Any) -> None:
    answer = play()
    assert (answer.kind, type(answer.error)) == ("refused", errors.NotFound)
    assert [detail.code for detail in answer.error.details] == ["INVALID_WHATSAPP_ORIGINATOR"]
    assert STRANGER[1:] not in str(answer.error)


def test_invalid_request(play: Any) -> None:
    answer = play()
    assert (answer.kind, type(answer.error)) == ("refused", errors.InvalidRequest)
    assert answer.error.details[0].loc == ("body", "messages", 0, "originator")
    assert "messages.0.originator" in str(answer.error)


def test_report(play: Any) -> None:
    answer, report = play()
    assert answer.kind == "accepted"
    assert report["request_id"] == answer.request_id
    assert [message["recipient"] for message in report["messages"]] == [RECIPIENT]


def test_missing_report(play: Any) -> None:
    with pytest.raises(errors.NotFound) as caught:
        play()
    assert caught.value.code == "WHATSAPP_LOG_NOT_EXISTS"


def test_plan(play: Any) -> None:
    answers = play()
    assert [answer.kind for answer in answers] == ["accepted", "accepted"]
    assert answers[0].request_id != answers[1].request_id


def test_mark_read(play: Any) -> None:
    assert play() is None


def test_unknown_message(play: Any) -> None:
    with pytest.raises(errors.NotFound) as caught:
        play()
    assert caught.value.code == "WHATSAPP_MESSAGE_NOT_EXISTS"


def test_download(play: Any) -> None:
    assert play() == LETTER


def test_balance(play: Any) -> None:
    assert play() == 100.0


def test_valid_token(play: Any) -> None:
    assert play() is None


def test_invalid_token(play: Any) -> None:
    with pytest.raises(errors.Unauthorized) as caught:
        play()
    assert caught.value.code == "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED"


# what was not recorded


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", SEND_PATH, text(ORIGINATOR, RECIPIENT, body="Another text")),
        ("POST", SEND_PATH, text(ORIGINATOR, STRANGER)),
        ("POST", SEND_PATH, None),
        ("POST", SEND_PATH + "?x=y", text(ORIGINATOR, RECIPIENT)),
        ("GET", SEND_PATH, text(ORIGINATOR, RECIPIENT)),
        ("GET", REPORT_PATH + NO_REQUEST, None),
    ],
)
def test_what_was_not_recorded_fails_and_reaches_nobody(
    client: d7nb.Client, reached: list[Any], method: str, path: str, body: Any
) -> None:
    cassette = tape(FOLDER / "test_cassettes" / "test_report.yaml")
    with cassette, pytest.raises(CannotOverwriteExistingCassetteException):
        client._session.request(method, path, orjson.dumps(body) if body else None)
    assert reached == []


def test_what_was_recorded_is_answered_once(client: d7nb.Client, reached: list[Any]) -> None:
    body = orjson.dumps(text(ORIGINATOR, RECIPIENT))
    with tape(FOLDER / "test_cassettes" / "test_accepted.yaml"):
        assert client.exchange(body).kind == "accepted"
        with pytest.raises(CannotOverwriteExistingCassetteException):
            client.exchange(body)
    assert reached == []


def test_a_cassette_that_is_not_there_answers_nothing(client: d7nb.Client, reached: list[Any], tmp_path: Path) -> None:
    with tape(tmp_path / "none.yaml"), pytest.raises(CannotOverwriteExistingCassetteException):
        client.exchange(b"{}")
    assert reached == []
    assert list(tmp_path.iterdir()) == []


def test_a_connection_from_before_the_cassette_is_not_used(tmp_path: Path) -> None:
    """The client's own pools once passed vcrpy by, and a replay would have sent."""
    with serving() as server, d7nb.Client("not-a-token", base_url=server.url, workers=1) as client:
        assert client.exchange(b"{}").kind == "accepted"
        with tape(tmp_path / "none.yaml"), pytest.raises(CannotOverwriteExistingCassetteException):
            client.exchange(b"{}")
        assert len(server.requests) == 1
        assert client.exchange(b"{}").kind == "accepted"  # and it goes on after it


# what the files hold


def test_there_is_a_cassette_for_each_scene_and_no_other() -> None:
    assert {path.stem for path in FILES} == set(SCENES)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE) == list(SCENES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_cassette_says_what_it_is(path: Path) -> None:
    metadata = record_cassettes.read(path)["metadata"]
    assert set(metadata) == {"shows", "source", "date", "d7nb", "how_to_record_from_the_real_api"}
    assert metadata["source"] in {"the real API", "the sandbox of d7nb, not D7"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", metadata["date"])
    assert metadata["shows"] == SCENES[path.stem].shows


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_cassette_holds_only_what_others_may_see(path: Path) -> None:
    for interaction in record_cassettes.read(path)["interactions"]:
        assert interaction["request"]["uri"].startswith(BASE_URL + "/")
        headers = {*interaction["request"]["headers"], *interaction["response"]["headers"]}
        assert {name.lower() for name in headers} <= {"accept", "content-type", "retry-after"}


@pytest.mark.parametrize("path", [path for path in FOLDER.rglob("*") if path.is_file()], ids=lambda path: path.stem)
def test_no_file_holds_a_secret(path: Path) -> None:
    assert record_cassettes.secrets(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "words",
    [
        "Authorization: x",
        "bearer abc",
        "eyJhbGciOiJIUzI1NiJ9.x.y",
        "set-cookie: a",
        "me@firm.example",
        "+971500000001",
        '"971500000001"',
        "+1 202 555 9999",
        "call 020-7946-0000.",
    ],
)
def test_a_secret_would_be_found(words: str) -> None:
    assert record_cassettes.secrets(f"a: {words}\n")


# the recording


def test_the_cassettes_are_what_the_sandbox_says_today(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails: look at what changed, and record anew with ``python -m tests.support.record_cassettes``."""
    assert record_cassettes.main([], tmp_path) == 0
    for path in FILES:
        old, new = record_cassettes.read(path), record_cassettes.read(tmp_path / "test_cassettes" / path.name)
        if old["metadata"]["source"] == new["metadata"]["source"]:
            assert new["interactions"] == old["interactions"]
    capsys.readouterr()
    assert record_cassettes.main([], tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: unchanged" for name in SCENES]


@pytest.mark.parametrize("missing", ["D7_API_TOKEN", "D7_ORIGINATOR", "D7_RECIPIENT"])
def test_a_real_recording_needs_a_token_and_two_numbers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reached: list[Any],
    missing: str,
    tmp_path: Path,
) -> None:
    for name in {"D7_API_TOKEN", "D7_ORIGINATOR", "D7_RECIPIENT"} - {missing}:
        monkeypatch.setenv(name, "x")
    assert record_cassettes.main(["--real"], tmp_path) == 2
    assert missing in capsys.readouterr().out
    assert (reached, list(tmp_path.iterdir())) == ([], [])


REAL_TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.as-if-it-were-real"
REAL_ORIGINATOR, REAL_RECIPIENT = "12125550177", "+61491570156"


@pytest.fixture
def real_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A sandbox that takes a token which looks real, and knows one originator."""
    monkeypatch.setattr("d7nb.sandbox.app.TOKEN", REAL_TOKEN)
    monkeypatch.setenv("D7_API_TOKEN", REAL_TOKEN)
    monkeypatch.setenv("D7_ORIGINATOR", REAL_ORIGINATOR)
    monkeypatch.setenv("D7_RECIPIENT", REAL_RECIPIENT)
    with serving() as receiver, d7nb.Sandbox(originators=[REAL_ORIGINATOR], callback_url=receiver.url) as sandbox:
        for name, value in record_cassettes.write_to(sandbox, REAL_RECIPIENT).items():
            monkeypatch.setenv(name, value)
        yield sandbox.url


def test_a_real_recording_takes_the_place_of_the_other(
    real_api: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record_cassettes.main(["--real"], tmp_path, real_api) == 0
    assert "test_rejected: left as it is" in capsys.readouterr().out
    written = sorted((tmp_path / "test_cassettes").iterdir())
    assert {path.stem for path in written} == set(SCENES) - {"test_rejected"}
    for path in written:
        words = path.read_text(encoding="utf-8")
        assert record_cassettes.secrets(words) == []
        assert REAL_ORIGINATOR not in words
        assert REAL_RECIPIENT[1:] not in words
        assert "source: the real API" in words
        here = FOLDER / "test_cassettes" / path.name
        assert record_cassettes.read(path)["interactions"] == record_cassettes.read(here)["interactions"]


def test_what_did_not_come_in_is_left_as_it_is(
    real_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("D7_MEDIA_ID")
    assert record_cassettes.main(["--real"], tmp_path, real_api) == 0
    assert "test_download: left as it is, D7_MEDIA_ID does not say what came in" in capsys.readouterr().out
    written = {path.stem for path in (tmp_path / "test_cassettes").iterdir()}
    assert "test_mark_read" in written
    assert "test_download" not in written


def test_nobody_reads_in_a_cassette_what_credit_there_is() -> None:
    with d7nb.Sandbox(balance=1234.5) as sandbox, sandbox.client(workers=1) as client:
        scrub = record_cassettes.Scrubber(sandbox.url, {})
        response = client._session.request("GET", BALANCE_PATH)
        told = {"headers": {}, "body": {"string": response.content}}
        request = SimpleNamespace(uri=sandbox.url, body=None, headers={})
        assert scrub(request, told)[1]["body"]["string"] == b'{"balance":100.0}'


def test_a_recording_that_shows_something_else_is_not_written(
    real_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "expired")
    with pytest.raises(ValueError, match=r"test_accepted should show \(200,\), but \(401,\) came"):
        record_cassettes.main(["--real"], tmp_path, real_api)
    assert list(tmp_path.iterdir()) == []
