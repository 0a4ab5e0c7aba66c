"""What a client asks besides sending: receipts, media, credit and the token. A download is whole or not there."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import d7nb
from d7nb import errors
from tests.support.servers import Handler, Script, answering, free_port, sending, serving

PICTURE = bytes(range(256)) * 1000
PERSON = "+12025550123"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"
NOT_THERE = b'{"detail":{"code":"WHATSAPP_MESSAGE_NOT_EXISTS","message":"No such message"}}'


def asked(script: Script, ask: Callable[[d7nb.Client], Any], **options: Any) -> tuple[Any, list[Any]]:
    """What a client makes of a server's answer, and what the server was asked."""
    with serving(script) as server, d7nb.Client(TOKEN, base_url=server.url, timeout=(5, 2), **options) as client:
        return ask(client), server.requests


def refused(script: Script, ask: Callable[[d7nb.Client], Any], **options: Any) -> errors.ApiError:
    """The error that comes instead; nothing of it is asked twice."""
    with (
        serving(script) as server,
        d7nb.Client(TOKEN, base_url=server.url, timeout=(5, 0.2), **options) as client,
        pytest.raises(errors.ApiError) as caught,
    ):
        ask(client)
    assert len(server.requests) == 1
    return caught.value


# asked of the sandbox


@pytest.fixture
def inbox() -> Iterator[tuple[d7nb.Sandbox, d7nb.Client]]:
    """A sandbox to which people can write, and a client of it."""
    with serving() as receiver, d7nb.Sandbox(callback_url=receiver.url, balance=12.5) as sandbox:
        with sandbox.client() as client:
            yield sandbox, client


def test_what_a_person_wrote_is_marked_read(inbox: tuple[d7nb.Sandbox, d7nb.Client]) -> None:
    sandbox, client = inbox
    message_id = sandbox.reply(PERSON, "Hello", originator="+12025550100")
    client.mark_read(message_id)
    assert (sandbox.replies["read_at"].notna().item(), sandbox.replies["typing"].item()) == (True, False)
    client.mark_read(message_id, typing=True)
    assert sandbox.replies["typing"].item()
    with pytest.raises(errors.NotFound, match=r"WHATSAPP_MESSAGE_NOT_EXISTS.*\(fix the data\)"):
        client.mark_read("another")


def test_what_a_person_sent_is_downloaded(inbox: tuple[d7nb.Sandbox, d7nb.Client], tmp_path: Path) -> None:
    sandbox, client = inbox
    sandbox.reply(PERSON, media=PICTURE, content_type="image/png", originator="+12025550100")
    media_id = sandbox.replies["media_id"].item()
    assert client.download(media_id, tmp_path / "a.png").read_bytes() == PICTURE
    with pytest.raises(errors.NotFound):
        client.download("another", tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_sandbox_has_credit_and_one_token(inbox: tuple[d7nb.Sandbox, d7nb.Client]) -> None:
    sandbox, client = inbox
    assert client.balance() == 12.5
    client.check_token()
    with d7nb.Client("another", base_url=sandbox.url) as stranger, pytest.raises(errors.Unauthorized):
        stranger.check_token()


# receipts


@pytest.mark.parametrize("body", [b"", b"Message marked as read", b'{"message":"done"}', b"<html>"])
def test_a_message_is_marked_read_whatever_d7_says_to_it(body: bytes) -> None:
    told, (request,) = asked(answering(200, body), lambda client: client.mark_read("abc"))
    assert told is None
    assert (request.method, request.path, request.body) == ("POST", "/whatsapp/v2/read-receipt/abc", b"")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_receipt_can_show_that_an_answer_is_being_written() -> None:
    _, (request,) = asked(answering(200), lambda client: client.mark_read("abc", typing=True))
    assert (request.body, request.headers["Content-Type"]) == (b'{"typing":true}', "application/json")


def test_ids_can_not_lead_elsewhere(tmp_path: Path) -> None:
    odd = "../send?x=y#z/wamid.A=="
    _, (receipt,) = asked(answering(200), lambda client: client.mark_read(odd))
    _, (media,) = asked(answering(200), lambda client: client.download(odd, tmp_path / "a"))
    quoted = "..%2Fsend%3Fx%3Dy%23z%2Fwamid.A%3D%3D"
    assert (receipt.path, media.path) == (f"/whatsapp/v2/read-receipt/{quoted}", f"/whatsapp/v2/download/{quoted}")


# what goes wrong, whatever is asked


ASK: dict[str, Callable[[d7nb.Client], Any]] = {
    "mark_read": lambda client: client.mark_read("abc"),
    "download": lambda client: client.download("abc", Path(os.environ["D7NB_LEDGER"]).with_name("picture")),
    "balance": lambda client: client.balance(),
    "check_token": lambda client: client.check_token(),
    "report": lambda client: client.report("abc"),
}
WRONG: dict[str, tuple[Script, type[errors.ApiError], str]] = {
    "401": (answering(401, b'{"detail":{"code":"A","message":"b"}}'), errors.Unauthorized, "make a new one"),
    "403": (answering(403), errors.Forbidden, "its rights"),
    "404": (answering(404, NOT_THERE), errors.NotFound, "No such message (fix the data)"),
    "422": (answering(422, b'{"detail":[{"loc":["path"],"msg":"too long"}]}'), errors.InvalidRequest, "too long"),
    "429": (answering(429, b"", Retry_After="7"), errors.RateLimited, "(wait)"),
    "307": (answering(307, Location="https://elsewhere.example"), errors.Misdirected, "a redirect"),
    "503": (answering(503, b"down"), errors.ApiError, "no readable answer (503)"),
    "time-out": (lambda handler: handler.server.ended.wait(), errors.ApiError, "did not answer in time; try again"),
    "no answer": (Handler.hang_up, errors.ApiError, "broke before D7 answered; try again"),
    "no http": (sending(b"220 smtp ready\r\n"), errors.ApiError, "try again"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("ask", ASK)
def test_what_goes_wrong_is_an_error_of_its_kind_and_asked_once(ask: str, wrong: str, tmp_path: Path) -> None:
    script, kind, words = WRONG[wrong]
    error = refused(script, ASK[ask])
    assert type(error) is kind
    assert words in str(error)
    assert error.__context__ is None
    assert error.retry_after == (7 if wrong == "429" else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ask", ASK)
def test_where_nobody_answers_the_error_says_that_nothing_was_reached(ask: str) -> None:
    with (
        d7nb.Client(TOKEN, base_url=f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(errors.NotConnected, match="no connection to D7"),
    ):
        ASK[ask](client)


@pytest.mark.parametrize("ask", ASK)
def test_a_failure_gives_its_connection_back(ask: str) -> None:
    """With one worker there is one connection, and a second question would wait for it for ever."""
    with (
        serving(answering(503, b"x" * 200_000)) as server,
        d7nb.Client(TOKEN, base_url=server.url, workers=1) as client,
    ):
        for _ in range(3):
            with pytest.raises(errors.ApiError, match="503"):
                ASK[ask](client)


# credit, and the token


@pytest.mark.parametrize(("body", "balance"), [(b'{"balance":12.5,"sms_count":3}', 12.5), (b'{"balance":-1}', -1.0)])
def test_the_balance_is_a_number(body: bytes, balance: float) -> None:
    told, (request,) = asked(answering(200, body), lambda client: client.balance())
    assert told == balance
    assert isinstance(told, float)
    assert (request.method, request.path) == ("GET", "/messages/v1/balance")


@pytest.mark.parametrize(
    "body", [b"", b"12.5", b"[]", b"{}", b'{"balance":null}', b'{"balance":true}', b'{"balance":"x"}']
)
def test_a_balance_that_is_none_is_an_error(body: bytes) -> None:
    assert type(refused(answering(200, body), lambda client: client.balance())) is errors.ApiError


@pytest.mark.parametrize("body", [b"", b"{}", b"true", b"<html>"])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_success_means_that_the_token_is_valid(status: int, body: bytes) -> None:
    told, (request,) = asked(answering(status, body), lambda client: client.check_token())
    assert told is None
    assert (request.method, request.path) == ("GET", "/auth/v1/authenticate/application/verify-token")


@pytest.mark.parametrize(
    ("header", "time"),
    [
        ("Mon, 23 Nov 2026 10:00:30 GMT", datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 12:00:30 +0200", datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:00:30 -0000", datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)),
        ("yesterday", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
    ],
)
@pytest.mark.parametrize("status", [200, 401, 503])
def test_a_probe_tells_d7s_time_with_whatever_answer(status: int, header: str, time: datetime | None) -> None:
    def dated(handler: Handler) -> None:
        handler.date_time_string = lambda *_: header  # type: ignore[method-assign]
        handler.reply(status, b"")

    probe, _ = asked(dated, lambda client: client.probe())
    assert probe.time == time
    assert (probe.error is None) == (status == 200)


# downloads


def test_media_is_saved_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    saved, (request,) = asked(
        answering(200, PICTURE, Content_Type="image/png"), lambda client: client.download("abc", target)
    )
    assert saved == target
    assert target.read_bytes() == PICTURE
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert (request.path, request.headers["Accept"]) == ("/whatsapp/v2/download/abc", "*/*")
    if os.name == "posix":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_packed_media_is_unpacked_and_its_own_size_counts(tmp_path: Path) -> None:
    packed = answering(200, gzip.compress(bytes(10**6)), Content_Encoding="gzip")
    saved, _ = asked(packed, lambda client: client.download("abc", tmp_path / "a", limit=10**6))
    assert saved.stat().st_size == 10**6
    error = refused(packed, lambda client: client.download("abc", tmp_path / "b", limit=10**6 - 1))
    assert "larger than 999,999 bytes" in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def endless(handler: Handler) -> None:
    """Says nothing of a length, and never ends by itself."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    handler.close_connection = True
    while not handler.server.ended.is_set():
        handler.wfile.write(bytes(2**16))


def test_what_has_no_end_ends_at_the_limit(tmp_path: Path) -> None:
    error = refused(endless, lambda client: client.download("abc", tmp_path / "a", limit=10**6))
    assert "give a larger limit= to allow it" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_what_says_that_it_is_too_large_is_not_begun(tmp_path: Path) -> None:
    """The body never comes, and is not waited for."""
    huge = sending(b"HTTP/1.1 200 OK\r\nContent-Length: 104857601\r\n\r\n")
    error = refused(huge, lambda client: client.download("abc", tmp_path / "a"))
    assert "larger than 104,857,600 bytes" in str(error)


def test_a_size_that_is_none_is_not_believed(tmp_path: Path) -> None:
    absurd = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\npicture"
    saved, _ = asked(sending(absurd), lambda client: client.download("abc", tmp_path / "a"))
    assert saved.read_bytes() == b"picture"


def test_a_download_at_the_limit_is_kept(tmp_path: Path) -> None:
    saved, _ = asked(answering(200, PICTURE), lambda client: client.download("a", tmp_path / "a", limit=len(PICTURE)))
    assert saved.stat().st_size == len(PICTURE)
    refused(answering(200, PICTURE), lambda client: client.download("a", tmp_path / "b", limit=len(PICTURE) - 1))


@pytest.mark.parametrize(
    "script",
    [
        sending(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"),
        sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"),
        sending(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
    ],
    ids=["cut", "cut chunks", "not packed"],
)
def test_what_breaks_off_leaves_nothing_behind(script: Script, tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    target.write_bytes(b"the old one")
    error = refused(script, lambda client: client.download("abc", target, overwrite=True))
    assert "try again" in str(error)
    assert target.read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_an_answer_that_stops_is_given_up(tmp_path: Path) -> None:
    def stops(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
        handler.wfile.flush()
        handler.server.ended.wait()

    refused(stops, lambda client: client.download("abc", tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for one thread")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
        handler.wfile.flush()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        handler.server.ended.wait()

    with serving(interrupt) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.download("abc", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/problem+json"])
@pytest.mark.parametrize("chunked", [False, True])
def test_words_on_an_error_are_no_file(kind: str, chunked: bool, tmp_path: Path) -> None:
    """Whatever status they come with: nobody has published what a download looks like."""

    def script(handler: Handler) -> None:
        halves = NOT_THERE[:20], NOT_THERE[20:]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves) + b"0\r\n\r\n"
        if chunked:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
            handler.wfile.write(head.encode() + chunks)
        else:
            handler.reply(200, NOT_THERE, {"Content-Type": kind})

    error = refused(script, lambda client: client.download("abc", tmp_path / "a"))
    assert isinstance(error, errors.Refused)
    assert error.code == "WHATSAPP_MESSAGE_NOT_EXISTS"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"[1, 2]", b'{"rows": []}', b"no json", b"", b'{"detail": 1' + b" " * 200_000])
def test_a_document_that_is_json_is_somebodys_file(body: bytes, tmp_path: Path) -> None:
    script = answering(200, body, Content_Type="application/json")
    saved, _ = asked(script, lambda client: client.download("abc", tmp_path / "a.json"))
    assert saved.read_bytes() == body


def test_a_file_that_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    target = tmp_path / f"from {PERSON}.png"
    target.write_bytes(b"the old one")
    with serving(answering(200, PICTURE)) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        with pytest.raises(FileExistsError, match="overwrite=True") as caught:
            client.download("abc", target)
        assert PERSON[1:] not in str(caught.value)
        with pytest.raises(FileExistsError, match="name a file in it"):
            client.download("abc", tmp_path, overwrite=True)
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            client.download("abc", tmp_path / "no" / "a")
        assert server.requests == []
        assert target.read_bytes() == b"the old one"
        assert client.download("abc", target, overwrite=True).read_bytes() == PICTURE
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes have no path elsewhere")
def test_what_is_no_file_is_never_overwritten(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with serving(answering(200, PICTURE)) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        with pytest.raises(FileExistsError, match="and is not a file: give another path"):
            client.download("abc", pipe, overwrite=True)
    assert pipe.is_fifo()


def test_who_was_faster_keeps_the_place(tmp_path: Path) -> None:
    target = tmp_path / "a"

    def slow(handler: Handler) -> None:
        target.write_bytes(b"another's")
        handler.reply(200, PICTURE)

    with serving(slow) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        with pytest.raises(FileExistsError):
            client.download("abc", target)
    assert target.read_bytes() == b"another's"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
