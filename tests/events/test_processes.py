"""``python -m d7nb receive`` as a person runs it: started, killed, ended in peace; and what it prints."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import requests

from d7nb import Ledger
from d7nb.cli import main
from d7nb.cli.receive import VARIABLE
from tests.support.receiver_process import (
    SECRET,
    delivery_event,
    kill_while_receiving,
    load_statuses,
    post_all,
    record_accepted,
    remote_receiver,
    shuffled_bodies,
)
from tests.support.sender_process import fictional


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A ledger that need not be tried on both databases."""
    return str(tmp_path / "ledger.sqlite3")


def test_whoever_is_killed_in_the_middle_has_lost_nothing_that_was_acknowledged(sqlite: str) -> None:
    print(kill_while_receiving(sqlite, seed=7, kills=3, events=5_000))


def test_at_its_end_it_answers_what_it_took_and_takes_nothing_more(sqlite: str) -> None:
    names = record_accepted(sqlite, 1)
    with remote_receiver(sqlite) as receiver:
        other = sqlite3.connect(sqlite, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # so that nothing can be written
        answers: list[int] = []
        url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
        body = orjson.dumps(delivery_event(0, "read", names[0]))
        posting = threading.Thread(target=lambda: answers.append(requests.post(url, data=body, timeout=30).status_code))
        posting.start()
        time.sleep(0.5)
        receiver.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert receiver.process.poll() is None
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", receiver.port), timeout=5).close()
        other.close()
        posting.join(30)
        assert receiver.end(signal.SIGTERM)[0] == 0
    assert answers == [200]
    assert load_statuses(sqlite, 1).status.tolist() == ["read"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_a_signal_and_never_showed_the_secret_or_a_number(sqlite: str, number: int) -> None:
    names = record_accepted(sqlite, 4)
    with remote_receiver(sqlite) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
        post_all(receiver.port, shuffled_bodies(names, 1)[0], connections=4)
        for body in (b"+12025550123", b"", b"[{}]", b"x" * 100_000):
            assert requests.post(url, data=body, timeout=30).status_code in {400, 413}
        requests.post(f"{url}x", data=b"+12025550123", timeout=30)
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as connection:
            connection.sendall(f"POST /{SECRET} HTTP/9\r\n\r\n".encode())
            assert b" 400 " in connection.recv(1000)
        code, output = receiver.end(number)
    assert code == 0
    assert SECRET not in output
    assert "2025550123" not in output
    assert "Traceback" not in output
    assert re.search(
        r"d7nb receives events at http://127\.0\.0\.1:\d+/YOUR-SECRET and records them in .*ledger.sqlite3 ", output
    )
    assert "D7 documents neither a signature" in output
    assert set(load_statuses(sqlite, 4).status) == {"read"}


IMPATIENT = """
import sys, d7nb
from d7nb.events import foreground
foreground._HEAD_TIMEOUT = 0.4
with d7nb.Ledger(sys.argv[1]) as ledger:
    foreground.serve(ledger, sys.argv[2])
"""


@contextmanager
def impatient(place: str) -> Iterator[int]:
    """The port of a receiver that waits for no head longer than 0.4 seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, place, SECRET], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = re.search(r":(\d+)/", process.stdout.readline())
        assert port
        yield int(port[1])
    finally:
        process.kill()
        process.communicate()


def answer(connection: socket.socket) -> bytes:
    """One answer, to the end of its body."""
    got = b""
    while not got.endswith((b"ok\n", b"Not Found")):
        part = connection.recv(1000)
        assert part, got
        got += part
    return got


@pytest.mark.parametrize("head", [b"", b"POST /", b"GET /x HTTP/1.1\r\nhost: d7nb\r\n\r\nPOST /"])
def test_who_holds_a_connection_and_never_asks_is_hung_up_on(sqlite: str, head: bytes) -> None:
    record_accepted(sqlite, 1)
    with impatient(sqlite) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head)
        if head.startswith(b"GET"):
            assert answer(connection).startswith(b"HTTP/1.1 404")
            connection.sendall(b"x")
        assert connection.recv(1000) == b""


def test_who_asks_in_time_may_wait_for_an_answer_and_ask_again_later(sqlite: str) -> None:
    names = record_accepted(sqlite, 2)
    with impatient(sqlite) as port, requests.Session() as session:
        url = f"http://127.0.0.1:{port}/{SECRET}"
        other = sqlite3.connect(sqlite, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        letting_go = threading.Timer(1, other.rollback)
        letting_go.start()
        assert session.post(url, data=orjson.dumps(delivery_event(0, "read", names[0])), timeout=30).status_code == 200
        letting_go.join()
        other.close()
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            body = orjson.dumps(delivery_event(1, "read", names[1]))
            head = f"POST /{SECRET} HTTP/1.1\r\nhost: d7nb\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            connection.sendall(head + body[:10])
            time.sleep(1)
            connection.sendall(body[10:])
            assert answer(connection).startswith(b"HTTP/1.1 200")
            time.sleep(1)
            connection.sendall(head + body)
            assert answer(connection).startswith(b"HTTP/1.1 200")


def test_it_takes_events_of_a_sandbox_and_shapes_and_words_of_one_s_own(sqlite: str) -> None:
    sandbox = "http://127.0.0.1:8700"
    arguments = ["--base-url", f"{sandbox}/", "--inbound-sender", "from.number", "--inbound-text", "said"]
    with remote_receiver(sqlite, *arguments, "--inbound", "meta", "--stop-word", "Ruhe") as receiver:
        url = f"http://127.0.0.1:{receiver.port}/{SECRET}"
        for person, word in zip(fictional(3), ["Ruhe!", "STOP", "hello"], strict=True):
            body = {"from": {"number": person}, "said": word}
            assert requests.post(url, json=body, timeout=30).status_code == 200
        unknown = {"event_type": "SANDBOX_INBOUND_EVENT", "sender": fictional(4)[3], "text": {"body": "STOP"}}
        assert requests.post(url, json=unknown, timeout=30).status_code == 400
    with Ledger(sqlite) as ledger:
        assert ledger.opted_out(sandbox, fictional(4)).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"events need a secret path: set {VARIABLE} to one, made with python"),
        (["--secret", "short"], "the secret has fewer than 16 characters: make one with python"),
        (["--secret", SECRET, "--base-url", "ftp://x"], "--base-url must be an http(s) address"),
        (["--secret", SECRET, "--inbound-text", "a.b"], "needs --inbound-sender, the path"),
        (["--secret", SECRET, "--inbound-sender", "a..b"], "'a..b' has an empty step"),
        (["--secret", SECRET, "--port", "99999"], "there is no port 99999"),
    ],
)
def test_what_can_t_be_done_is_told_in_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["receive", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.err.count("\n") == 1
    assert SECRET not in output.err + output.out


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert main(["receive", "--secret", SECRET, "--port", str(other.getsockname()[1])]) == 2
    assert "give another, or 0 for a free one" in capsys.readouterr().err


def test_the_secret_may_lie_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "secret"
    file.write_text("tiny\n", encoding="utf-8")
    assert main(["receive", "--secret-file", str(file)]) == 2
    assert "the secret has fewer than 16 characters" in capsys.readouterr().err
    assert main(["receive", "--secret-file", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_help_says_where_the_secret_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["receive", "--help"])
    assert ended.value.code == 0
    assert f"give it by {VARIABLE} or --secret-file" in " ".join(capsys.readouterr().out.split())
