"""Whoever has an export of the ledger, the text, the campaign and d7nb's code finds no number by trying all of them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import d7nb
from d7nb.cli import main
from d7nb.content.rendering import digests_of
from d7nb.delivery.row_keys import keys_by_columns
from d7nb.privacy import mask_number
from d7nb.store.companion import CompanionFile
from d7nb.store.hashing import hash_under, key_secret
from d7nb.store.keys import base32, key_bytes
from tests.support.ledgers import people
from tests.support.plans import ORIGINATOR

CAMPAIGN, TEXT = "balance-2026-11", "Your statement is ready."
VICTIMS = [123, 456, 789]
"""Those of `people` who got the text."""


def planned(numbers: list[str], **options: object) -> d7nb.Plan:
    frame = pd.DataFrame({"phone": numbers})
    return d7nb.plan(frame, d7nb.Text(TEXT), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger that knows who got the text: half of them by content, half by the number as the key."""
    path = tmp_path / "ledger.sqlite3"
    with d7nb.Sandbox() as sandbox, sandbox.client() as client:
        for options in ({}, {"key": "phone"}):
            campaign = planned(people(VICTIMS), **options)
            with d7nb.Ledger(path) as ledger:
                sent = campaign.send(client, ledger=ledger, progress=False, resend="changed")
                assert sent.summary["accepted"] == len(VICTIMS)
                sent.refresh()
    return path


def exports(path: Path) -> Iterator[bytes]:
    """Yield all that is given away, or read by somebody who has the file: but not the companion."""
    with d7nb.Ledger(path) as ledger:
        frame = ledger.frame()
        assert len(frame) == 2 * len(VICTIMS)
        for shown in (frame, ledger.campaigns(), ledger.aside()):
            yield shown.to_csv().encode()
            yield repr(shown.to_dict("list")).encode()
    csv = path.with_name("export.csv")
    assert main(["ledger", "export", str(csv), "--ledger", str(path)]) == 0
    yield csv.read_bytes()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield "\n".join(connection.iterdump()).encode()
    connection.close()
    yield path.read_bytes()


def candidates(shown: set[str]) -> list[str]:
    """Return all fictional numbers that fit masked recipients."""
    numbers = [number for number in people(range(2_000)) if mask_number(number) in shown]
    assert len(numbers) > 5 * len(shown)
    return numbers


def keys_of(numbers: list[str]) -> Iterator[np.ndarray]:
    """Yield the row keys that d7nb makes for numbers: what D7 gets as a mark, by content and by the number as key."""
    yield planned(numbers)._mailing.keys
    yield keys_by_columns(CAMPAIGN, ((number,) for number in numbers))


def marks_of(numbers: list[str]) -> list[str]:
    return [mark for keys in keys_of(numbers) for mark in base32(keys)]


def hashes_of(number: str) -> Iterator[bytes]:
    """Yield hashes of a number without a secret."""
    for form in {number, number.removeprefix("+")}:
        for hashed in (hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.blake2b):
            yield hashed(form.encode()).digest()[:16]
        yield hashlib.blake2b(form.encode(), digest_size=16).digest()
        yield hash_under(b"")(form.encode())
    yield digests_of([number.encode()], hashlib.blake2b(digest_size=16))[0].tobytes()


def guesses(numbers: list[str], keyed: Callable[[bytes], bytes] = lambda key: key) -> dict[str, list[bytes]]:
    """Return what the attacker looks for, for each number."""
    wanted: dict[str, list[bytes]] = {number: list(hashes_of(number)) for number in numbers}
    for keys in keys_of(numbers):
        for number, key in zip(numbers, key_bytes(keys), strict=True):
            wanted[number].append(keyed(key))
    return wanted


def forms(value: bytes) -> Iterator[bytes]:
    """Yield how a hash may be written."""
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    yield base32(np.frombuffer(value, dtype=np.uint8).reshape(1, -1))[0].encode()


def recovered(text: bytes, wanted: dict[str, list[bytes]]) -> set[str]:
    """Return the numbers of which something is found in a text."""
    parts = {text[start : start + length] for length in (16, 26, 32) for start in range(len(text) - length + 1)}
    return {number for number, values in wanted.items() for value in values if not parts.isdisjoint(forms(value))}


def test_no_number_is_found_by_trying_all_that_fit(path: Path) -> None:
    with d7nb.Ledger(path) as ledger:
        numbers = candidates(set(ledger.frame()["recipient"]))
    assert set(people(VICTIMS)) < set(numbers)
    wanted = guesses(people(range(2_000)))  # these, and all others that there are
    assert set(numbers) < set(wanted)
    for text in exports(path):
        assert recovered(text, wanted) == set()
        assert not [number for number in numbers if number.removeprefix("+").encode() in text]


def test_the_attack_works_for_whoever_has_the_secret(path: Path) -> None:
    """So that the test above can fail."""
    companion = CompanionFile(path.with_name(f"{path.name}.companion")).read()
    assert companion is not None
    numbers = people(range(1_000))
    wanted = guesses(numbers, hash_under(key_secret(bytes.fromhex(companion.secret))))
    with d7nb.Ledger(path) as ledger:
        export = ledger.frame().to_csv().encode()
    assert recovered(export, wanted) == set(people(VICTIMS))
    assert recovered(path.read_bytes(), wanted) == set(people(VICTIMS))


def test_the_attack_works_on_what_an_older_d7nb_stored(path: Path) -> None:
    """Version 2 stored the marks as they are."""
    export = pd.DataFrame({"key": marks_of(people(VICTIMS))}).to_csv().encode()
    assert recovered(export, guesses(people(range(1_000)))) == set(people(VICTIMS))
