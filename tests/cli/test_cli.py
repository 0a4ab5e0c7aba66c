"""The command line, as a person uses it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import d7nb
from d7nb.api.inbound import InboundMessage
from d7nb.api.statuses import StatusUpdate
from d7nb.cli import main
from d7nb.store.dead_letters import DeadLetter, unmatched

NUMBERS = ["+12025550123", "+12025550124"]
WORDS = ["--to", "phone", "--originator", "+12025550100", "--text", "Hi {name}"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "customers.csv"
    path.write_text("phone,name\n" + "".join(f"{number},Ali\n" for number in NUMBERS), encoding="utf-8")
    return str(path)


def test_demo_ends_with_rows_outcomes_and_request_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    lines = capsys.readouterr().out.rstrip().splitlines()
    shown = lines[-9:]
    assert [re.findall(r"accepted|invalid|skipped", line) for line in shown].count(["accepted"]) == 4
    assert all(re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", line) for line in shown if "accepted" in line)
    assert lines[-10].split() == ["name", "recipient", "outcome", "request_id"]


def test_demo_shows_no_whole_number(capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo"])
    assert "2025550" not in capsys.readouterr().out


def test_send_counts_outcomes_and_writes_the_joined_table(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sent.csv"
    assert main(["send", table, *WORDS, "--sandbox", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 accepted" in printed
    assert not any(number in printed for number in NUMBERS)
    written = pd.read_csv(out, dtype=str)
    assert written["phone"].tolist() == NUMBERS
    assert written["d7_outcome"].tolist() == ["accepted"] * 2
    assert written["d7_request_id"].notna().all()


def test_send_writes_excel(table: str, tmp_path: Path) -> None:
    out = tmp_path / "sent.xlsx"
    assert main(["send", table, *WORDS, "--sandbox", "--out", str(out)]) == 0
    assert d7nb.read_table(out)["d7_recipient"].tolist() == NUMBERS


def test_what_excel_can_t_hold_is_written_as_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "customers.csv", tmp_path / "sent.xlsx"
    path.write_text("phone,name\n+12025550123,A\x0bli\n", encoding="utf-8")
    assert main(["send", str(path), *WORDS, "--sandbox", "--out", str(out)]) == 0
    assert "could not be written" in capsys.readouterr().err
    assert pd.read_csv(out.with_suffix(".csv"))["d7_outcome"].tolist() == ["accepted"]


def test_without_openpyxl_it_is_told_what_to_install(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    monkeypatch.setitem(sys.modules, "openpyxl.workbook", None)
    out = tmp_path / "sent.xlsx"
    assert main(["send", table, *WORDS, "--sandbox", "--out", str(out)]) == 0
    error = capsys.readouterr().err
    assert 'sent.xlsx needs openpyxl, which is not installed: pip install "d7nb[excel]"' in error
    assert "the table was written to sent.csv instead" in error


def test_a_folder_that_is_not_there_is_told_before_anything_goes(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", table, *WORDS, "--sandbox", "--out", "/no/such/folder/sent.csv"]) == 2
    printed = capsys.readouterr()
    assert "its folder does not exist" in printed.err
    assert "accepted" not in printed.out


def test_send_to_a_running_sandbox_and_with_a_token(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    with d7nb.Sandbox() as sandbox:
        assert main(["send", table, *WORDS, "--base-url", sandbox.url, "--confirm", "2"]) == 0
        assert sandbox.messages["recipient"].tolist() == NUMBERS


def test_rows_that_do_not_go_make_the_exit_code_one(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("phone,name\n+12025550123,Ali\n+12025550124,\n", encoding="utf-8")
    assert main(["send", str(path), *WORDS, "--sandbox"]) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--text", "Hi {nmae}"], "did you mean 'name'"),
        (["--text", "Hi {name"], "can't be read"),
        (["--to", "phones"], "did you mean 'phone'"),
        (["--out", "sent.txt"], ".csv or .xlsx"),
        (["--confirm", "3"], "2 would be sent"),
    ],
)
def test_what_can_t_be_done_is_told_in_one_line(
    table: str, change: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", table, *WORDS, "--sandbox", *change]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_nothing_real_is_sent_without_the_count(
    table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    with d7nb.Sandbox() as sandbox:
        assert main(["send", table, *WORDS, "--base-url", sandbox.url]) == 2
        assert sandbox.messages.empty
    assert "--confirm 2" in capsys.readouterr().err


def test_no_token_is_told(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", table, *WORDS, "--confirm", "2"]) == 2
    assert "D7_API_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "check", "send", "receive", "sandbox"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_the_sandbox_command_serves_until_it_is_interrupted() -> None:
    import requests

    command = [sys.executable, "-m", "d7nb", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        (url,) = re.findall(r"http://\S+", process.stdout.readline())
        try:
            assert requests.get(f"{url}/_sandbox/messages", timeout=10).json() == {"messages": []}
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent otherwise elsewhere")
def test_ctrl_c_ends_a_send_with_130_and_writes_its_outcomes(tmp_path: Path) -> None:
    path, out = tmp_path / "many.csv", tmp_path / "sent.csv"
    numbers = [f"+1{area}55501{line:02}" for area in (202, 212, 213) for line in range(100)]
    path.write_text("phone,name\n" + "".join(f"{number},Ali\n" for number in numbers), encoding="utf-8")
    slow = ["--rate", "20", "--batch-size", "10", "--out", str(out)]
    command = [sys.executable, "-m", "d7nb", "send", str(path), *WORDS, "--sandbox", *slow]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        progress = ""
        while not re.search(r" [1-9]\d*/300 ", progress):
            progress += (letter := process.stderr.read(1))
            assert letter
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    outcomes = pd.read_csv(out)["d7_outcome"].value_counts()
    assert set(outcomes.index) == {"accepted", "unsent"}
    assert f"{outcomes['accepted']} accepted" in printed


class TestCheck:
    @pytest.fixture
    def faulty(self, tmp_path: Path) -> str:
        path = tmp_path / "faulty.csv"
        path.write_text("phone,name\n+12025550123,Ali\ncall me,Sara\n+12025550124,\n", encoding="utf-8")
        return str(path)

    def test_it_prints_every_problem_at_its_row_and_column(
        self, faulty: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", faulty, "--to", "phone", "--text", "Hi {name}"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("row 1, phone [call me]: error characters: ")
        assert lines[1].startswith("row 2, name: error missing: ")
        assert lines[2] == "3 rows: 1 ready, 2 invalid, 0 held, 0 skipped; 2 problems"

    def test_a_good_table_ends_with_zero(self, table: str) -> None:
        assert main(["check", table, "--to", "phone", "--text", "Hi {name}"]) == 0

    def test_it_writes_them(self, faulty: str, tmp_path: Path) -> None:
        out = tmp_path / "problems.csv"
        main(["check", faulty, "--to", "phone", "--text", "Hi {name}", "--out", str(out)])
        assert pd.read_csv(out)["code"].tolist() == ["characters", "missing"]

    def test_long_reports_are_cut_with_a_word(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "long.csv"
        path.write_text("phone\n" + "x\n" * 60, encoding="utf-8")
        words = ["check", str(path), "--to", "phone", "--text", "Hi"]
        main(words)
        assert "... and 10 more" in capsys.readouterr().out
        main([*words, "--all"])
        assert capsys.readouterr().out.count("row ") == 60


# The ledger


def test_sending_again_from_the_shell_sends_only_what_is_new(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    ledger = ["--ledger", str(tmp_path / "own.sqlite3")]
    with d7nb.Sandbox() as sandbox:
        words = ["send", table, *WORDS, "--base-url", sandbox.url, *ledger]
        assert main([*words, "--confirm", "2"]) == 0
        assert main(words) == 0  # nothing is to go, so nothing is asked
        assert "2 already_sent" in capsys.readouterr().out
        Path(table).write_text(Path(table).read_text() + "+12025550125,Sara\n", encoding="utf-8")
        assert main(words) == 2
        assert "add --confirm 1 to send 1 message through" in capsys.readouterr().err
        assert main([*words, "--confirm", "1"]) == 0
        assert main([*words, "--resend", "all", "--confirm", "3"]) == 0
        assert sandbox.messages["recipient"].value_counts().to_dict() == {
            NUMBERS[0]: 2,
            NUMBERS[1]: 2,
            "+12025550125": 2,
        }


def test_a_rehearsal_from_the_shell_leaves_no_trace(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["send", table, *WORDS, "--sandbox"]) == 0
        assert "2 accepted" in capsys.readouterr().out
    assert main(["ledger"]) == 0
    assert "nothing was sent yet" in capsys.readouterr().out


def test_a_canary_from_the_shell(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", table, *WORDS, "--sandbox", "--canary", "1", "--stop-if", "0"]) == 0
    assert main(["send", table, *WORDS, "--sandbox", "--canary", "0"]) == 2
    assert "--canary must be 1 row or more" in capsys.readouterr().err


def test_the_ledger_is_listed_exported_and_forgotten(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    out = tmp_path / "rows.csv"
    with d7nb.Sandbox() as sandbox:
        words = ["send", table, *WORDS, "--base-url", sandbox.url, "--confirm", "2"]
        assert main([*words, "--campaign", "spring"]) == 0
        assert main([*words, "--campaign", "for +12025550123"]) == 0
        capsys.readouterr()
        assert main(["ledger"]) == 0
        printed = capsys.readouterr().out
        assert re.search(
            r"spring +" + re.escape(sandbox.url) + r" +2 +0 +0 +0 +0 +\d{4}-\d\d-\d\d \d\d:\d\d UTC", printed
        )
        assert "for +120••••••23" in printed
        assert main(["ledger", "export", str(out)]) == 0
        rows = pd.read_csv(out)
        assert rows["campaign"].tolist() == ["spring"] * 2 + ["for +12025550123"] * 2
        assert set(rows["recipient"]) == {"+120••••••23", "+120••••••24"}
        capsys.readouterr()
        assert main(["ledger", "forget", "spring", "--before", "2026-01-01"]) == 0
        assert "forgot 0 rows" in capsys.readouterr().out
        assert main(["ledger", "forget", "spring", "--before", "2100-01-01", "--destination", "https://other"]) == 0
        assert "forgot 0 rows" in capsys.readouterr().out
        assert main(["ledger", "forget", "spring", "--before", "2100-01-01"]) == 0
        assert "forgot 2 rows of spring; a plan that has them would send them again" in capsys.readouterr().out
        assert main([*words, "--campaign", "spring"]) == 0
        assert len(sandbox.messages) == 6


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_ledger_is_exported_in_slices_as_it_would_be_in_one_piece(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    files = [tmp_path / f"{name}{ending}" for name in ("whole", "sliced")]
    with d7nb.Sandbox() as sandbox:
        sandbox.fail_next("drop_after")
        for campaign in ("spring", "autumn", "winter"):
            words = ["send", table, *WORDS, "--base-url", sandbox.url, "--confirm", "2", "--campaign", campaign]
            assert main(words) in {0, 1}
    for file, rows_at_once in zip(files, (50_000, 1), strict=True):
        monkeypatch.setattr("d7nb.store.views.ROWS_AT_ONCE", rows_at_once)
        assert main(["ledger", "export", str(file)]) == 0
    whole, sliced = (pd.read_csv(file) if ending == ".csv" else pd.read_excel(file) for file in files)
    assert len(whole) == 6
    pd.testing.assert_frame_equal(sliced, whole)
    if ending == ".csv":
        assert files[0].read_bytes() == files[1].read_bytes()
    assert "instead" not in capsys.readouterr().err


def test_what_may_have_gone_out_is_not_forgotten_by_mistake(
    table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    with d7nb.Sandbox() as sandbox:
        sandbox.fail_next("drop_after")
        assert main(["send", table, *WORDS, "--base-url", sandbox.url, "--confirm", "2"]) == 1
    words = ["ledger", "forget", "default", "--before", "2100-01-01"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "2 rows of this campaign may have been sent, or are being sent" in error
    assert "or give --force to delete them anyway" in error
    assert main([*words, "--force"]) == 0


def test_a_date_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ledger", "forget", "spring", "--before", "tomorrow"])
    assert "'tomorrow' is not a date such as 2026-11-30" in capsys.readouterr().err


def test_a_ledger_that_can_t_be_used_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.sqlite3"
    path.write_bytes(b"no database" * 100)
    assert main(["ledger", "--ledger", str(path)]) == 2
    assert "d7nb: the ledger none.sqlite3 is damaged" in capsys.readouterr().err


def test_what_came_in_can_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "own.sqlite3")
    for command, nothing in (("aside", "nothing was put aside"), ("opt-outs", "nobody opted out")):
        assert main(["ledger", command, "--ledger", place]) == 0
        assert capsys.readouterr().out == f"{nothing}\n"
    at = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    stop = InboundMessage("+12025550123", "", at, "STOP\x1b[2J")
    with d7nb.Ledger(place) as ledger:
        odd = DeadLetter("it is no event", '{"from": "+12025550124"}\x1b[2J')
        not_ours = unmatched(StatusUpdate("r1", "read", at))
        ledger.take_in("https://api.d7networks.com", opt_outs=[stop], aside=[odd, not_ours], at=at)
    assert main(["ledger", "--ledger", place, "aside"]) == 0
    told = capsys.readouterr().out
    assert "2026-11-23 09:30 UTC  it is no event" in told
    assert '{"from": "+120••••••24"}' in told
    assert "it is about a message that is not in this ledger" in told
    assert main(["ledger", "opt-outs", "--ledger", place]) == 0
    listed = capsys.readouterr().out
    assert "+120••••••23" in listed
    assert "STOP" in listed
    assert "\x1b" not in told + listed


@pytest.mark.parametrize("typed", ["2", " 02 "])
def test_at_a_terminal_the_count_is_typed(
    table: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or typed)
    with d7nb.Sandbox() as sandbox:
        assert main(["send", table, *WORDS, "--base-url", sandbox.url]) == 0
        assert asked == [f"Type 2 to send 2 messages through {sandbox.url}: "]


@pytest.mark.parametrize("typed", ["", "3", "yes", None])
def test_anything_else_typed_sends_nothing(
    table: str, typed: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(_: str) -> str:
        if typed is None:
            raise EOFError  # Ctrl-D
        return typed

    monkeypatch.setenv("D7_API_TOKEN", "sandbox")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    with d7nb.Sandbox() as sandbox:
        assert main(["send", table, *WORDS, "--base-url", sandbox.url]) == 2
        assert sandbox.messages.empty
    assert "d7nb: nothing was sent, because you did not type 2\n" in capsys.readouterr().err


def test_outcomes_go_to_a_folder_that_is_named_if_the_file_can_t_be_written(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sent.csv"
    out.mkdir()
    assert main(["send", table, *WORDS, "--sandbox", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "sent.csv could not be written (IsADirectoryError); the table was written to sent.csv instead" in printed.err
    (written,) = re.findall(r"^wrote (.+sent\.csv)$", printed.out, re.MULTILINE)
    assert pd.read_csv(written)["d7_outcome"].tolist() == ["accepted"] * 2
