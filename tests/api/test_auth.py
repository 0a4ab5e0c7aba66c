"""Where the token comes from, and that nothing ever shows it."""

from __future__ import annotations

import copy
import inspect
import logging
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import d7nb
from d7nb.api.auth import find_token
from d7nb.errors import ApiError, TokenError
from tests.support.servers import Handler, answering, free_port, sending, serving

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"
SIGNATURE = TOKEN.rpartition(".")[2]


@pytest.fixture
def stored() -> Iterator[dict[tuple[str, str], str]]:
    """A keyring of the test's own, by service and user."""
    keyring = pytest.importorskip("keyring")
    tokens: dict[tuple[str, str], str] = {}

    def get_password(_: object, service: str, user: str) -> str | None:
        return tokens.get((service, user))

    members = {"priority": 1, "get_password": get_password, "set_password": None}
    before = keyring.get_keyring()
    keyring.set_keyring(type("Fake", (keyring.backend.KeyringBackend,), members)())
    yield tokens
    keyring.set_keyring(before)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody at a terminal, and what they were asked."""
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", typed)
    return asked


def used(token: str | None = None) -> str:
    """The token that a client sends."""
    with serving() as server, d7nb.Client(token, base_url=server.url) as client:
        client.exchange(b"{}")
    return server.requests[0].headers["Authorization"].removeprefix("Bearer ")


# the order


def test_argument_environment_keyring_person_in_this_order(
    monkeypatch: pytest.MonkeyPatch, stored: dict[tuple[str, str], str], person: list[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "from-environment")
    stored["d7nb", "api-token"] = "from-keyring"
    assert used("from-argument") == "from-argument"
    assert used() == "from-environment"
    monkeypatch.delenv("D7_API_TOKEN")
    assert used() == "from-keyring"
    assert person == []
    stored.clear()
    assert used() == "typed"
    assert person == ["D7 API token: "]


def test_a_keyring_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch, person: list[str]) -> None:
    keyring = pytest.importorskip("keyring")
    keyring_errors = pytest.importorskip("keyring.errors")

    def locked(*_: str) -> None:
        raise keyring_errors.KeyringLocked

    monkeypatch.setattr(keyring, "get_password", locked)
    assert used() == "typed"


def test_keyring_is_an_extra(monkeypatch: pytest.MonkeyPatch, person: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert used() == "typed"


def test_without_anybody_to_ask_there_is_no_token(stored: dict[tuple[str, str], str]) -> None:
    with pytest.raises(TokenError, match="D7_API_TOKEN"):
        d7nb.Client()


@pytest.mark.parametrize("asks", [True, False])
def test_in_a_notebook_the_kernel_says_whether_it_can_ask(
    monkeypatch: pytest.MonkeyPatch, stored: dict[tuple[str, str], str], person: list[str], asks: bool
) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=asks))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    if asks:
        assert used() == "typed"
    else:
        with pytest.raises(TokenError):
            d7nb.Client()
        assert person == []


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_argument_is_not_looked_up_elsewhere(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    """Who gives a token means that one; another one could belong to another account."""
    monkeypatch.setenv("D7_API_TOKEN", "from-environment")
    with pytest.raises(TokenError):
        d7nb.Client(blank)


def test_what_surrounds_a_pasted_token_is_dropped() -> None:
    assert used(f"  {TOKEN}\n") == TOKEN


# never shown


UNFIT = [f"Bearer {TOKEN}", f"{TOKEN[:9]}\n{TOKEN[9:]}", f"{TOKEN}é", f"{TOKEN}\x00", f"{TOKEN}\u200b", f"a\tb{TOKEN}"]


def shown(error: BaseException) -> str:
    """Everything that a traceback can show of an error, local variables and chained errors included."""
    linked, seen = [error], []
    while linked:
        one = linked.pop()
        seen.append("".join(traceback.TracebackException.from_exception(one, capture_locals=True).format()))
        seen.append(f"{one!s} {one!r} {one.args!r} {vars(one)!r}")
        linked += [other for other in (one.__cause__, one.__context__) if other]
    return "\n".join(seen)


def uncut(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose tracebacks are not cut: a defect's would not be, either, and there the token must not be seen."""
    return inspect.unwrap(method)


@pytest.mark.parametrize("number", range(len(UNFIT)))
def test_a_token_that_can_not_be_one_is_refused_and_not_shown(number: int) -> None:
    with pytest.raises(TokenError, match="copy it again") as caught:
        d7nb.Client(UNFIT[number])
    assert "find_token" in shown(caught.value)
    assert SIGNATURE not in shown(caught.value)


@pytest.mark.parametrize("options", [{"base_url": "http://d7.test"}, {"base_url": "x"}, {"workers": 0}])
def test_a_client_that_can_not_be_made_shows_no_token(options: dict[str, Any]) -> None:
    with pytest.raises((TokenError, ValueError)) as caught:
        d7nb.Client(TOKEN, **options)
    assert SIGNATURE not in shown(caught.value)


def test_neither_the_client_nor_what_it_holds_shows_the_token() -> None:
    client = d7nb.Client(TOKEN)
    parts = [client, *vars(client).values(), find_token(TOKEN)]
    parts += [*vars(client._session).values(), *vars(client._session._http).values()]
    assert SIGNATURE not in " ".join(f"{part!r} {part!s} {getattr(part, '__dict__', '')!r}" for part in parts)


def test_a_token_is_neither_pickled_nor_copied() -> None:
    for thing in (d7nb.Client(TOKEN), find_token(TOKEN)):
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TokenError) as caught:
                way(thing)
            assert SIGNATURE not in shown(caught.value)


FAILURES = {
    "refused": answering(401, b'{"detail":{"code":"A","message":"b"}}'),
    "redirect": answering(307, Location="https://elsewhere.example"),
    "limited": answering(429, b"{}", Retry_After="5"),
    "server error": answering(500),
    "unreadable": answering(200, b"<html>"),
    "no answer": Handler.hang_up,
    "no http": sending(b"220 smtp ready\r\n"),
    "cut": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "time-out": lambda handler: handler.server.ended.wait(),
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_failure_shows_the_token_in_a_traceback_or_a_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        serving(FAILURES[name]) as server,
        d7nb.Client(TOKEN, base_url=server.url, timeout=(5, 0.1)) as client,
    ):
        for method, given in ((d7nb.Client.post, {}), (d7nb.Client.report, "x")):
            with pytest.raises(ApiError) as caught:
                method(client, given)
            assert SIGNATURE not in shown(caught.value)
            with pytest.raises(ApiError) as caught:
                uncut(method)(client, given)
            text = shown(caught.value)
            assert "self = Client(" in text  # local variables are there indeed
            assert SIGNATURE not in text
            assert caught.value.__context__ is None  # the frames of requests hold what was sent
    assert [request.headers["Authorization"] for request in server.requests] == [f"Bearer {TOKEN}"] * 4
    assert "urllib3" in caplog.text
    assert SIGNATURE not in caplog.text


def test_no_connection_shows_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        d7nb.Client(TOKEN, base_url=f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(ApiError) as caught,
    ):
        client.post({})
    assert SIGNATURE not in shown(caught.value) + caplog.text


def test_a_good_answer_is_logged_without_the_token(sandbox: d7nb.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with d7nb.Client(TOKEN, base_url=sandbox.url) as client:
        client.exchange(b"{}")
    assert "POST /whatsapp/v2/send" in caplog.text
    assert SIGNATURE not in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for one thread")
def test_an_interrupt_in_the_middle_of_a_request_shows_no_token() -> None:
    """The one exception that comes right out of requests, with the local variables of all that is in between."""

    def interrupt(handler: Handler) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        handler.server.ended.wait()

    with (
        serving(interrupt) as server,
        d7nb.Client(TOKEN, base_url=server.url) as client,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        uncut(d7nb.Client.exchange)(client, b"{}")
    text = shown(caught.value)
    assert "'Authorization': 'Bearer •••'" in text
    assert SIGNATURE not in text
