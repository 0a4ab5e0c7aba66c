"""What we give to others for their tests, used as they would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import phonenumbers
import pytest
import yaml
from vcr import VCR
from vcr.errors import CannotOverwriteExistingCassetteException

import d7nb
from d7nb.plugins.manager import Manager
from d7nb.testing import (  # noqa: F401  (the fixtures are used by name)
    d7nb_plugins,
    d7nb_sandbox,
    numbers,
    replayed,
    vcr_config,
)

FROM = "+12025550100"
REAL = "+14155552671"  # libphonenumber's own example of a number that looks real


def body(recipient: str) -> dict[str, Any]:
    content = {"message_type": "TEXT", "text": {"body": "Hi"}}
    return {"messages": [{"originator": FROM, "content": content, "recipients": [{"recipient": recipient}]}]}


def test_numbers_are_valid_different_and_from_the_range_of_fiction() -> None:
    all_of_them = numbers(2000)
    assert len(set(all_of_them)) == 2000
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in all_of_them)
    assert all("55501" in number for number in all_of_them)
    with pytest.raises(ValueError, match="2,000 fictional numbers"):
        numbers(2001)


def test_the_sandbox_fixture(d7nb_sandbox: d7nb.Sandbox) -> None:  # noqa: F811
    assert d7nb_sandbox.client().post(body(numbers(1)[0])).kind == "accepted"


def test_the_plugins_fixture(d7nb_plugins: Manager) -> None:  # noqa: F811
    assert d7nb.plugins.current() is d7nb_plugins
    assert set(d7nb_plugins.table()["source"]) == {"built in"}


class TestRecording:
    @pytest.fixture
    def cassette(self, tmp_path: Path, sandbox: d7nb.Sandbox) -> Path:
        path = tmp_path / "one.yaml"
        with VCR(**vcr_config({REAL: numbers(1)[0]}, record_mode="once")).use_cassette(str(path)):
            with sandbox.client(workers=1) as client:
                client.post(body(REAL))
        words = path.read_text(encoding="utf-8").replace(sandbox.url, "https://api.d7networks.com")
        path.write_text(words, encoding="utf-8")
        return path

    def test_neither_token_nor_number_is_written(self, cassette: Path) -> None:
        words = cassette.read_text(encoding="utf-8")
        assert REAL[1:] not in words
        assert "sandbox" not in words.lower().replace('"status"', "")
        assert numbers(1)[0][1:] in words
        headers = yaml.safe_load(words)["interactions"][0]["request"]["headers"]
        assert {name.lower() for name in headers}.isdisjoint({"authorization", "user-agent", "content-length"})

    def test_the_real_number_is_put_back_and_the_body_must_match(self, cassette: Path) -> None:
        with replayed(cassette, {REAL: numbers(1)[0]}) as client:
            assert client.post(body(REAL)).kind == "accepted"

    def test_another_message_is_not_the_recorded_one(self, cassette: Path) -> None:
        with pytest.raises(CannotOverwriteExistingCassetteException):
            with replayed(cassette, {REAL: numbers(1)[0]}) as client:
                client.post(body(numbers(2)[1]))

    def test_what_was_not_asked_for_is_told(self, cassette: Path) -> None:
        with pytest.raises(AssertionError, match="cassette: 1, of which were made: 0"):
            with replayed(cassette):
                pass

    def test_the_network_is_closed_meanwhile(self, cassette: Path) -> None:
        import socket

        with replayed(cassette, {REAL: numbers(1)[0]}) as client:
            with pytest.raises(OSError, match="network is closed"):
                socket.create_connection(("127.0.0.1", 9))
            client.post(body(REAL))
