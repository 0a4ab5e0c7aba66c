"""The README can't rot: its examples are run, its commands are those of CI, its names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import d7nb
from d7nb.cli import main
from d7nb.delivery.outcomes import OUTCOMES
from d7nb.plugins.builtins import CONTENT_TYPES
from d7nb.testing import fresh_plugins

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_examples_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "phone,name,balance\n+12025550123,Ali,1234.5\n+12025550124,Sara,0\n"
    (tmp_path / "customers.csv").write_text(table, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    with fresh_plugins():
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), namespace)
    delivery = namespace["delivery"]
    assert isinstance(delivery, d7nb.Delivery)
    assert delivery.summary["accepted"] == 2


def test_the_shell_examples_are_commands_that_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "customers.csv").write_text("phone,name\n+12025550123,Ali\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python -m d7nb")]
    words = [[word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)[3:]] for command in commands]
    *ended, receive, sandbox = words
    assert [each[0] for each in words] == ["check", "send", *["ledger"] * 3, "plugins", "doctor", "receive", "sandbox"]
    assert [main(each) for each in ended] == [0] * 7
    assert (tmp_path / "sent.csv").exists()
    for lasting in (receive, sandbox):
        with pytest.raises(SystemExit):
            main([lasting[0], "--help"])
        assert lasting[1] in capsys.readouterr().out


def test_there_are_two_set_up_commands_and_ci_calls_the_second() -> None:
    set_up = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert [command.split(" && ")[-1] for command in set_up] == [
        ".venv/bin/python -m d7nb demo",
        ".venv/bin/python -m pytest",
    ]
    assert "grep -m1 'python -m pytest' README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_outcomes_are_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))
    assert explained == set(OUTCOMES)


def test_every_content_type_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", README))
    contents = {kind.__name__ for kind in CONTENT_TYPES}
    assert contents <= named
