"""``doctor`` and ``plugins``: what is wrong is said with the way out, and nothing is shown that nobody may see."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy

import d7nb
from d7nb.cli import checks, main
from d7nb.ledger import Ledger
from d7nb.testing import fresh_plugins
from tests.support.ledgers import postgres, send
from tests.support.plans import ORIGINATOR
from tests.support.servers import Handler, Script, answering, free_port, serving

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"
PERSON = "+12025550123"
ROOT = Path(__file__).parents[2]

Doctor = Callable[..., tuple[int, dict[str, list[str]], str]]


@pytest.fixture(autouse=True)
def _empty_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d7nb.api.auth._from_keyring", lambda: None)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run it: its exit code, its findings by what was looked at, and all that it printed."""

    def run(*options: str) -> tuple[int, dict[str, list[str]], str]:
        capsys.readouterr()
        code = main(["doctor", *options])
        printed = capsys.readouterr().out
        found: dict[str, list[str]] = {}
        for mark, what, words in re.findall(r"^(ok|info|warn|fail) +(\S+) +(.*(?:\n {16}.*)*)", printed, re.MULTILINE):
            found.setdefault(what, []).append(f"{mark}: {' '.join(words.split())}")
        return code, found, printed

    return run


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D7_API_TOKEN", TOKEN)


# all is well


def test_all_is_well_with_a_sandbox(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, sandbox: d7nb.Sandbox) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    code, found, printed = doctor("--base-url", sandbox.url)
    assert code == 0
    assert found["D7"] == [f"ok: {sandbox.url} answers"]
    assert found["token"] == ["ok: found in the environment variable D7_API_TOKEN", "ok: D7 accepts it"]
    assert found["balance"] == ["info: 100.00 in the account's own currency"]
    assert found["plugins"] == ["ok: 2 built in, 0 more in use"]
    assert printed.splitlines()[-1] == "all is well"


def test_it_works_with_neither_network_nor_token(doctor: Doctor) -> None:
    code, found, printed = doctor("--offline")
    assert code == 0
    assert found["D7"] == ["info: not asked, because of --offline"]
    assert found["token"][0].startswith("warn: none found")
    assert "set the environment variable D7_API_TOKEN" in found["token"][0]
    assert printed.splitlines()[-1] == "1 to look at"


def test_it_names_the_versions_that_matter(doctor: Doctor) -> None:
    _, found, _ = doctor("--offline")
    assert found["d7nb"][0].startswith(f"ok: {d7nb.__version__}, Python 3.")
    assert f"pandas {pd.__version__}, " in found["packages"][0]
    assert re.sub(r" [\d.]+\w*", "", found["packages"][0]) == "ok: " + ", ".join(checks.PACKAGES)


def test_a_package_that_is_missing_fails_and_an_extra_does_not(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    find = checks.find_spec
    installed = checks.installed

    def number(name: str) -> str:
        if name == "pluggy":
            raise PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(checks, "installed", number)
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "pyarrow" else find(name))
    code, found, _ = doctor("--offline")
    assert code == 1
    assert found["packages"][1] == "fail: missing: pluggy pip install --upgrade d7nb"
    assert "fast (not installed), excel" in found["extras"][0]


def test_the_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brought = {
        extra: {re.match(r"[\w-]+", need)[0] for need in needs}  # type: ignore[index]
        for extra, needs in project["optional-dependencies"].items()
        if extra != "test"
    }
    assert {extra: set(modules) for extra, modules in checks.EXTRAS.items()} == brought
    needed = {re.match(r"[\w-]+", need)[0] for need in project["dependencies"]}  # type: ignore[index]
    assert {name.lower() for name in checks.PACKAGES} <= needed


# the token, and D7


@pytest.mark.usefixtures("token")
def test_a_token_that_d7_does_not_take_fails_and_is_not_shown(doctor: Doctor, sandbox: d7nb.Sandbox) -> None:
    code, found, printed = doctor("--base-url", sandbox.url)
    assert code == 1
    assert found["D7"][0].startswith("ok: ")
    assert found["token"][1].startswith("fail: not accepted: D7 answered 401")
    assert found["token"][1].endswith("make a new one in D7's dashboard")
    assert "balance" not in found
    assert TOKEN not in printed
    assert "not-a-real-token" not in printed


@pytest.mark.parametrize("token", ["Bearer abc", "ab\ncd", "  "])
def test_a_token_that_can_be_none_fails_and_the_rest_is_looked_at(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, token: str, sandbox: d7nb.Sandbox
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", token)
    code, found, printed = doctor("--base-url", sandbox.url)
    assert code == 1
    assert "copy it again" in found["token"][0] or "no D7 token" in found["token"][0]
    assert found["ledger"][0].startswith("ok: ")
    assert found["plugins"][0].startswith("ok: ")
    assert token.strip() == "" or token not in printed


def test_a_token_in_the_keyring_is_named_as_that(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d7nb.api.auth._from_keyring", lambda: TOKEN)
    _, found, printed = doctor("--offline")
    assert found["token"] == ["ok: found in the keyring"]
    assert TOKEN not in printed


def test_without_a_token_d7_is_looked_at_and_no_other_question_asked(doctor: Doctor) -> None:
    with serving(answering(401, b"{}")) as server:
        code, found, _ = doctor("--base-url", server.url)
        assert [request.path.rpartition("/")[2] for request in server.requests] == ["verify-token"]
    assert code == 0
    assert found["D7"] == [f"ok: {server.url} answers"]
    assert len(found["token"]) == 1


@pytest.mark.usefixtures("token")
def test_where_nobody_answers_it_says_so(doctor: Doctor) -> None:
    code, found, printed = doctor("--base-url", f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert (
        "no connection to D7: check your internet connection and proxy, and --base-url if you gave it" in found["D7"][0]
    )
    assert "clock" not in found
    assert found["token"] == ["ok: found in the environment variable D7_API_TOKEN"]
    assert printed.splitlines()[-1] == "1 failed"


@pytest.mark.usefixtures("token")
def test_it_does_not_wait_for_ever(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TIMEOUT", 0.1)
    with serving(lambda handler: handler.server.ended.wait()) as server:
        code, found, _ = doctor("--base-url", server.url)
    assert code == 1
    assert "did not answer in time" in found["D7"][0]


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("script", "mark", "told"),
    [
        (answering(503), "warn", "no readable answer (503)"),
        (answering(404, b"<html>"), "warn", "D7 answered 404"),
        (answering(403), "warn", "its rights"),
        (answering(429), "warn", "429"),
        (answering(302, Location="https://elsewhere.example"), "fail", "a redirect"),
    ],
    ids=["503", "404", "403", "429", "302"],
)
def test_an_answer_that_is_not_d7s_is_no_word_on_the_token(
    doctor: Doctor, script: Script, mark: str, told: str
) -> None:
    with serving(script) as server:
        code, found, _ = doctor("--base-url", server.url)
    assert code == (1 if mark == "fail" else 0)
    assert found["D7"][0].startswith(f"{mark}: {server.url}")
    assert told in found["D7"][0]
    assert len(found["token"]) == 1


@pytest.mark.parametrize(
    ("url", "told"),
    [("http://d7.example", "unencrypted"), ("d7", "--base-url must be an http(s) address")],
    ids=["http", "none"],
)
def test_an_address_that_will_not_do_fails(doctor: Doctor, url: str, told: str) -> None:
    code, found, _ = doctor("--base-url", url)
    assert code == 1
    assert told in found["D7"][0]


def test_certificates_that_are_not_there_are_told(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")
    code, found, _ = doctor("--base-url", "https://127.0.0.1:1")
    assert code == 1
    assert "REQUESTS_CA_BUNDLE" in found["D7"][0]


def test_a_proxy_is_named_without_its_password(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:secret@127.0.0.1:{free_port()}")
    _, found, printed = doctor("--base-url", "https://d7.example")
    assert found["proxy"] == ["info: the environment sets the proxy 127.0.0.1"]
    assert found["D7"][0].startswith("fail: ")
    assert "secret" not in printed


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    ("balance", "told"),
    [
        (b'{"balance": 12.5}', "info: 12.50 in the account's own currency"),
        (b'{"balance": 0}', "warn: 0.00: no message would be sent top it up in D7's dashboard"),
        (b"{}", "info: unknown: D7's answer holds no balance"),
    ],
    ids=["some", "none", "unread"],
)
def test_the_credit_is_told(doctor: Doctor, balance: bytes, told: str) -> None:
    with serving(lambda handler: handler.reply(200, balance if "balance" in handler.path else b"")) as server:
        code, found, _ = doctor("--base-url", server.url)
    assert (code, found["balance"]) == (0, [told])


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(), "ok: agrees with D7's"),
        (timedelta(seconds=50), "ok: agrees with D7's"),
        (timedelta(hours=-1), "warn: about 60 min behind D7's set it: "),
        (timedelta(minutes=5), "warn: about 5 min ahead of D7's set it: "),
    ],
    ids=str,
)
def test_clocks_are_compared(doctor: Doctor, ahead: timedelta, told: str) -> None:
    def dated(handler: Handler) -> None:
        theirs = format_datetime(datetime.now(UTC) - ahead, usegmt=True)
        handler.date_time_string = lambda *_: theirs  # type: ignore[method-assign]
        handler.reply(401, b"{}")

    with serving(dated) as server:
        code, found, _ = doctor("--base-url", server.url)
    assert code == 0
    assert found["clock"][0].startswith(told)


# the ledger


def test_it_makes_no_ledger(doctor: Doctor, tmp_path: Path) -> None:
    place = tmp_path / "mine.sqlite3"
    _, found, _ = doctor("--offline", "--ledger", str(place))
    assert "none yet; the first send makes it at " in found["ledger"][0]
    assert list(tmp_path.iterdir()) == []


def test_it_makes_no_ledger_in_a_database_either(doctor: Doctor) -> None:
    with postgres() as place:
        code, found, printed = doctor("--offline", "--ledger", place)
        assert code == 0
        assert found["ledger"][0].startswith("ok: none yet; the first send makes its tables in postgresql+psycopg://")
        engine = sqlalchemy.create_engine(place)
        assert sqlalchemy.inspect(engine).get_table_names() == []
        engine.dispose()
        Ledger(place).close()
        assert "can be read and written" in doctor("--offline", "--ledger", place)[1]["ledger"][0]
    assert "Traceback" not in printed


@pytest.mark.parametrize("loss", ["missing", "empty", "older", "no companion"])
def test_a_ledger_that_lost_something_is_told_and_nothing_is_made_or_changed(
    doctor: Doctor, tmp_path: Path, loss: str
) -> None:
    place, companion = tmp_path / "mine.sqlite3", tmp_path / "mine.sqlite3.companion"
    with Ledger(place) as ledger:
        send(ledger, [0])
    older = place.read_bytes()
    with Ledger(place) as ledger:
        send(ledger, [1])
    if loss == "missing":
        place.unlink()
    elif loss == "no companion":
        companion.unlink()
    else:
        place.write_bytes(b"" if loss == "empty" else older)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    code, found, _ = doctor("--offline", "--ledger", str(place))
    assert code == 1
    told = {
        "missing": "fail: the ledger mine.sqlite3 is gone or empty; it was there on",
        "empty": "fail: the ledger mine.sqlite3 is gone or empty; it was there on",
        "older": "fail: the ledger mine.sqlite3 is an older copy, and lacks messages that were sent on",
        "no companion": "fail: the ledger mine.sqlite3 needs the file mine.sqlite3.companion that was made with it",
    }[loss]
    assert found["ledger"][0].startswith(told)
    assert "python -m d7nb ledger create begins a new one on purpose" in found["ledger"][0]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_database_that_lost_its_ledger_is_told_and_no_tables_are_made(doctor: Doctor) -> None:
    with postgres() as place:
        with Ledger(place) as ledger:
            send(ledger, [0])
        engine = sqlalchemy.create_engine(place)
        with engine.begin() as connection:
            for name in sqlalchemy.inspect(connection).get_table_names():
                connection.exec_driver_sql(f"DROP TABLE {name} CASCADE")
        code, found, _ = doctor("--offline", "--ledger", place)
        assert code == 1
        assert "is gone or empty; it was there on" in found["ledger"][0]
        assert sqlalchemy.inspect(engine).get_table_names() == []
        engine.dispose()


@pytest.mark.skipif(os.name != "posix", reason="rights are told otherwise elsewhere")
def test_a_ledger_that_others_can_write_fails_with_the_command(doctor: Doctor, tmp_path: Path) -> None:
    place = tmp_path / "mine.sqlite3"
    Ledger(place).close()
    place.chmod(0o666)
    code, found, _ = doctor("--offline", "--ledger", str(place))
    assert code == 1
    assert found["ledger"][0].startswith("fail: others on this machine can write mine.sqlite3, and could let everybody")
    assert f"chmod 600 {place}" in found["ledger"][0]


def test_a_relative_path_in_the_environment_fails(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("D7NB_LEDGER", "ledger.sqlite3")
    monkeypatch.chdir(tmp_path)
    code, found, _ = doctor("--offline")
    assert code == 1
    assert found["ledger"][0].startswith("fail: D7NB_LEDGER is the relative path ledger.sqlite3")


@pytest.mark.skipif(os.name != "posix", reason="other shells quote otherwise")
def test_the_command_that_mends_it_can_be_run_as_it_is(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place = tmp_path / "Ann's data" / "ledger.sqlite3"
    place.parent.mkdir()
    Ledger(place).close()
    place.chmod(0o644)
    [told] = doctor("--offline", "--ledger", str(place))[1]["privacy"]
    assert str(tmp_path) not in told
    subprocess.run(["/bin/sh", "-c", told[told.index("chmod") :]], check=True)
    assert place.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="there is no root of all elsewhere")
def test_a_home_that_is_none_or_the_root_changes_no_address(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HOME", "/")
    assert url in doctor("--base-url", url)[1]["D7"][0]

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    _, found, printed = doctor("--base-url", url)
    assert url in found["D7"][0]
    assert "the check itself failed" not in printed


def test_it_counts_what_a_ledger_holds_and_what_is_in_doubt(doctor: Doctor, sandbox: d7nb.Sandbox) -> None:
    people = pd.DataFrame({"phone": [PERSON, "+12025550124", "+12025550125"]})
    plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator=ORIGINATOR)
    sandbox.fail_next("drop_after")
    with sandbox.client(batch_size=1, workers=1) as client:
        plan.send(client, progress=False)
    code, found, printed = doctor("--offline")
    assert code == 0
    assert re.match(
        r"ok: .*ledger.sqlite3 can be read and written \(schema \d+\): 1 campaign, 3 rows", found["ledger"][0]
    )
    assert found["ledger"][1].startswith(
        "warn: 1 row may have been sent, but nobody knows look for the message in D7's dashboard, or ask a recipient"
    )
    assert PERSON[1:] not in printed


@pytest.mark.skipif(os.name != "posix", reason="rights are told otherwise elsewhere")
def test_a_ledger_that_others_can_read_is_told_with_the_command_that_mends_it(doctor: Doctor, tmp_path: Path) -> None:
    place = tmp_path / "mine.sqlite3"
    Ledger(place).close()
    assert doctor("--offline", "--ledger", str(place))[1]["privacy"][0].startswith("ok: ")
    place.chmod(0o644)
    code, found, _ = doctor("--offline", "--ledger", str(place))
    assert code == 0
    (told,) = found["privacy"]
    assert told.startswith("warn: others on this machine can get at ")
    assert f"chmod 600 {place}" in told


@pytest.mark.skipif(os.name != "posix", reason="rights are told otherwise elsewhere")
def test_the_data_folder_is_looked_at_too(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("D7NB_LEDGER")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    Ledger().close()
    (tmp_path / "data" / "d7nb").chmod(0o755)
    _, found, printed = doctor("--offline")
    assert "~/data/d7nb/ledger.sqlite3 can be read and written" in found["ledger"][0]
    assert "can get at ~/data/d7nb chmod 700 ~/data/d7nb" in found["privacy"][0]
    assert str(tmp_path) not in printed


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no/such/folder/ledger.sqlite3", "its folder does not exist make it, or correct the path"),
        ("damaged.sqlite3", "is damaged, or is not a ledger"),
        (":memory:", "a ledger in memory would forget everybody"),
        ("mysql://ann:secret@db/x", "not mysql"),
    ],
    ids=["folder", "damaged", "memory", "mysql"],
)
def test_a_ledger_that_will_not_do_fails(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.sqlite3").write_bytes(b"no database" * 1000)
    code, found, printed = doctor("--offline", "--ledger", name)
    assert code == 1
    assert found["ledger"][0].startswith("fail: ")
    assert told in found["ledger"][0]
    assert found["plugins"][0].startswith("ok: ")
    assert "secret" not in printed


# plugins


class Broken:
    """An entry point that can't be loaded."""

    name, value, group = "broken", "nowhere", "d7nb"
    dist = None

    def load(self) -> Any:
        raise ImportError(f"ask {PERSON}")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A house with a plugin in it that is broken."""
    from d7nb import plugins
    from d7nb.plugins.manager import Manager

    monkeypatch.setattr("d7nb.plugins.manager.entry_points", lambda group: [Broken()])
    with plugins.using(Manager()):
        yield


@pytest.mark.usefixtures("broken")
def test_a_broken_plugin_fails(doctor: Doctor) -> None:
    code, found, _ = doctor("--offline")
    assert code == 1
    assert found["plugins"][0] == "ok: 2 built in, 0 more in use"
    assert found["plugins"][1].startswith("fail: broken of nowhere is broken: ImportError: ask +120••••••23")


def test_plugins_that_can_not_be_together_fail(doctor: Doctor) -> None:
    class Twin:
        @d7nb.hookimpl
        def d7nb_filters(self) -> list[Any]:
            return [d7nb.row_filter(lambda rows: rows, name="twin", register=False)]

    with fresh_plugins():
        d7nb.plugins.register(Twin(), "a")
        assert doctor("--offline")[1]["plugins"] == ["ok: 2 built in, 1 more in use"]
        d7nb.plugins.register(Twin(), "b")
        code, found, _ = doctor("--offline")
    assert code == 1
    assert "two plugins offer the filter 'twin'" in found["plugins"][1]


def test_whom_the_environment_lets_in_is_told(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D7NB_PLUGINS", "")
    assert doctor("--offline")[1]["plugins"][1] == "info: D7NB_PLUGINS allows only: none"


@pytest.mark.usefixtures("broken")
def test_plugins_are_listed_masked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "version", "source", "hooks", "status"]
    assert {row.split()[0] for row in rows} == {"d7nb.content", "d7nb.filters", "broken"}
    assert [row.strip() for row in rows if row.endswith(" broken: ImportError: ask +120••••••23")]


# and itself


def test_a_check_that_breaks_does_not_keep_the_others(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_: Any) -> Any:
        raise RuntimeError(f"of {PERSON}")

    monkeypatch.setitem(checks.CHECKS, "D7", breaks)
    code, found, printed = doctor("--offline")
    assert code == 1
    assert found["D7"] == ["fail: the check itself failed: RuntimeError: of +120••••••23"]
    assert "ledger" in found
    assert PERSON not in printed
