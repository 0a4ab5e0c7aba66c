"""The verbs and options of the command line, written down, and how their values are read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
import pytest

import d7nb
from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.cli import main
from d7nb.cli.commands import COMMANDS, cli
from d7nb.cli.receive import VARIABLE
from d7nb.events import STOP_WORDS

if TYPE_CHECKING:
    from pathlib import Path

TABLE_OPTIONS = ["TABLE", "--to", "--text", "--originator", "--country"]
INBOUND_OPTIONS = [
    f"--inbound-{field}" for field in ("sender", "originator", "at", "text", "kind", "message-id", "event-type")
]
INTERFACE = {
    "demo": [],
    "check": [*TABLE_OPTIONS, "--all", "--out"],
    "send": [
        *TABLE_OPTIONS,
        *("--campaign", "--schedule", "--batch-size", "--rate", "--confirm", "--resend", "--canary", "--stop-if"),
        *("--ledger", "--sandbox", "--base-url", "--out"),
    ],
    "compose": [
        *("TABLE", "--to", "--originator", "--campaign", "--country", "--sandbox", "--base-url", "--port"),
        "--no-browser",
    ],
    "ledger": ["--ledger"],
    "ledger export": ["FILE", "--ledger"],
    "ledger aside": ["--ledger"],
    "ledger opt-outs": ["--ledger"],
    "ledger create": ["--ledger"],
    "ledger backup": ["FILE", "--ledger"],
    "ledger restore": ["[FILE]", "--ledger"],
    "ledger forget": ["CAMPAIGN", "--before", "--destination", "--force", "--ledger"],
    "receive": [
        *("--port", "--host", "--secret", "--secret-file", "--ledger", "--base-url", "--inbound"),
        *INBOUND_OPTIONS,
        "--stop-word",
    ],
    "plugins": [],
    "doctor": ["--base-url", "--ledger", "--offline"],
    "sandbox": ["--port", "--originator", "--callback-url", "--lenient"],
}
DEFAULTS = {
    "check": {"--to": "recipient"},
    "send": {"--to": "recipient", "--campaign": "default", "--batch-size": 100, "--rate": 80, "--stop-if": 0.05},
    "compose": {"--port": 8866},
    "receive": {"--port": 0, "--host": "127.0.0.1", "--base-url": "https://api.d7networks.com"},
    "sandbox": {"--port": 0},
}
CHOICES = {
    "send --resend": ["failed", "changed", "all"],
    "receive --inbound": ["meta", "sandbox"],
}
REPEATABLE = {"receive --inbound", "receive --stop-word", "sandbox --originator"}
PERSON = "+12025550123"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"


def commands() -> dict[str, click.Command]:
    """Every command by its verbs."""
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": subcommand for sub, subcommand in command.commands.items()}
    return found


def name_of(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.Context(cli))
    return parameter.opts[0]


def options() -> dict[str, click.Parameter]:
    """Every option by its verbs and its name."""
    return {f"{verbs} {name_of(option)}": option for verbs, command in commands().items() for option in command.params}


def test_the_verbs_and_options_are_these() -> None:
    assert {verbs: [name_of(option) for option in command.params] for verbs, command in commands().items()} == INTERFACE
    assert tuple(verbs for verbs in INTERFACE if " " not in verbs) == COMMANDS


def test_the_defaults_and_choices_are_these() -> None:
    defaults = {
        f"{verbs} {name}": default for verbs, of_options in DEFAULTS.items() for name, default in of_options.items()
    }
    given = {name: option.to_info_dict()["default"] for name, option in options().items()}
    assert {name: default for name, default in given.items() if name in defaults} == defaults
    assert {name for name, default in given.items() if isinstance(default, str | int | float)} - set(defaults) == {
        name for name, option in options().items() if getattr(option, "is_flag", False)
    }
    choices = {name: option.type.choices for name, option in options().items() if isinstance(option.type, click.Choice)}
    assert {name: list(values) for name, values in choices.items()} == CHOICES
    assert {name for name, option in options().items() if option.multiple} == REPEATABLE


@pytest.mark.parametrize("verbs", ["", *INTERFACE])
def test_the_help_names_every_option_within_80_columns(
    verbs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for flag in ("-h", "--help"):
        with pytest.raises(SystemExit) as ended:
            main([*verbs.split(), flag])
        assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert all(name in printed for name in INTERFACE.get(verbs, COMMANDS))


def test_every_command_and_option_has_a_help() -> None:
    assert all(command.help for command in commands().values())
    assert all(option.help for option in options().values() if isinstance(option, click.Option))


# values


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "customers.csv"
    path.write_text(f"phone,name\n{PERSON},Ali\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def sent(table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Send the table to a sandbox: the exit code and the messages."""
    monkeypatch.setenv("D7_API_TOKEN", "sandbox")

    def run(*arguments: str) -> tuple[int, pd.DataFrame]:
        with d7nb.Sandbox() as sandbox:
            code = main(["send", *arguments, "--base-url", sandbox.url, "--confirm", "1"])
            return code, sandbox.messages

    return run


@pytest.mark.parametrize(
    ("given", "body"),
    [
        (["--text", "+1 for {name}"], "+1 for Ali"),
        (["--text", "- a list for {name}"], "- a list for Ali"),
        (["--text", "-5"], "-5"),
        (["--text", "-.5"], "-.5"),
        (["--text", "-"], "-"),
        (["--text=-hi"], "-hi"),
        (["--text=--sandbox"], "--sandbox"),
        (["--text", "a=b"], "a=b"),
        (["--text", "first", "--text", "last"], "last"),
    ],
)
def test_a_value_is_taken_as_it_is(sent: Any, table: str, given: list[str], body: str) -> None:
    code, messages = sent(table, "--to", "phone", "--originator", "+12025550100", *given)
    assert code == 0
    assert messages["content"].tolist() == [{"message_type": "TEXT", "text": {"body": body}}]
    assert messages["originator"].tolist() == ["+12025550100"]


def test_options_may_stand_on_both_sides_of_the_table(sent: Any, table: str) -> None:
    assert sent("--to", "phone", table, "--originator=+12025550100", "--text", "Hi")[0] == 0


def test_a_table_whose_name_begins_with_a_hyphen_comes_after_two(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-t.csv").write_text(f"phone\n{PERSON}\n", encoding="utf-8")
    assert main(["check", "--to", "phone", "--text", "Hi", "--", "-t.csv"]) == 0


@pytest.mark.parametrize("value", ["--sandbox", "--sandbx", "-x", "--country=AE", "--help"])
def test_an_option_is_no_value_of_another(table: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Or ``--campaign --sandbox`` would send real messages, of a campaign ``--sandbox``."""
    with pytest.raises(SystemExit) as ended:
        main(["send", table, "--to", "phone", "--campaign", value, "--originator", "+12025550100", "--text", "Hi"])
    assert ended.value.code == 2
    assert "Option '--campaign' requires an argument" in capsys.readouterr().err


@pytest.mark.parametrize("rest", [[], ["--", "u.csv"]])
def test_an_option_that_lacks_its_value_is_an_error(rest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "t.csv", "--text", *rest])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.endswith("Option '--text' requires an argument.\n")
    assert "python -m d7nb check --help" in printed


def test_the_ledger_may_be_named_before_the_subcommand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, nowhere = str(tmp_path / "own.sqlite3"), str(tmp_path / "none" / "own.sqlite3")
    assert main(["ledger", "--ledger", here, "opt-outs"]) == 0
    assert main(["ledger", "--ledger", nowhere, "opt-outs"]) == 2
    assert main(["ledger", "--ledger", nowhere, "opt-outs", "--ledger", here]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".sqlite3"] == ["own.sqlite3"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``receive`` and ``sandbox`` would serve."""
    given: dict[str, Any] = {}

    def serve(*arguments: Any, **keywords: Any) -> None:
        given.update(keywords, arguments=arguments[1:])

    monkeypatch.setattr("d7nb.events.serve", serve, raising=False)
    monkeypatch.setattr("d7nb.sandbox.serve", serve, raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    return given


@pytest.mark.parametrize(
    ("given", "shapes"),
    [
        ([], [META, SANDBOX]),
        (["--inbound", "sandbox"], [SANDBOX]),
        (["--inbound", "sandbox", "--inbound", "meta"], [SANDBOX, META]),
        (["--inbound-sender", "a.b"], [InboundShape(sender="a.b")]),
        (["--inbound-sender", "a.b", "--inbound-message-id", "id", "--inbound", "meta"], None),
    ],
)
def test_receive_takes_shapes_and_paths(served: dict[str, Any], given: list[str], shapes: Any) -> None:
    assert main(["receive", "--secret", "s" * 20, *given]) == 0
    assert served["inbound"] == (shapes or [InboundShape(sender="a.b", message_id="id"), META])
    assert served["arguments"] == ("s" * 20,)
    assert (served["host"], served["port"]) == ("127.0.0.1", 0)
    assert served["destination"] == "https://api.d7networks.com"


def test_receive_takes_more_stop_words(served: dict[str, Any]) -> None:
    assert main(["receive", "--secret", "s" * 20, "--stop-word", "GENUG", "--stop-word", "-"]) == 0
    assert served["stop_words"] == [*STOP_WORDS, "GENUG", "-"]


@pytest.mark.parametrize(
    ("given", "originators"),
    [
        ([], None),
        (["--originator", "+12025550100"], ["+12025550100"]),
        (["--originator", "+12025550100", "--originator", "+12025550101"], ["+12025550100", "+12025550101"]),
    ],
)
def test_the_sandbox_takes_originators(served: dict[str, Any], given: list[str], originators: Any) -> None:
    assert main(["sandbox", *given, "--lenient"]) == 0
    assert served["originators"] == (originators and tuple(originators))
    assert (served["port"], served["lenient"], served["callback_url"]) == (0, True, None)


# what is wrong


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--nothing"],
        ["nothing"],
        ["send"],
        ["send", "t.csv", "--nothing"],
        ["send", "t.csv", "--camp", "spring"],
        ["send", "t.csv", "u.csv"],
        ["send", "t.csv", "--rate", "fast"],
        ["send", "t.csv", "--stop-if", "few"],
        ["send", "t.csv", "--resend", "some"],
        ["receive", "--inbound", "other"],
        ["ledger", "nothing"],
        ["ledger", "forget", "spring"],
        ["ledger", "export"],
        ["ledger", "backup"],
        ["ledger", "backup", "a", "b"],
        ["sandbox", "--port", "http"],
    ],
    ids=" ".join,
)
def test_arguments_that_make_no_sense_end_with_two(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Error: " in printed.err
    assert "--help" in printed.err


@pytest.mark.parametrize("secret", [PERSON, "+1 (202) 555-0123", TOKEN])
@pytest.mark.parametrize(
    "given",
    [
        ["{}"],
        ["send", "t.csv", "{}"],
        ["send", "t.csv", "--confirm", "{}x"],
        ["ledger", "forget", "x", "--before", "{}"],
    ],
    ids=" ".join,
)
def test_no_error_shows_a_number_or_a_token(given: list[str], secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([argument.format(secret) for argument in given])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "•••" in printed
    assert "5550123" not in printed
    assert "555-0123" not in printed
    assert TOKEN[-10:] not in printed


def test_a_file_that_is_not_there_is_named_without_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{PERSON}.csv"]) == 2
    assert "d7nb: No such file or directory: +120••••••23.csv" in capsys.readouterr().err


def test_help_loads_nothing_that_only_commands_need() -> None:
    heavy = (
        "sqlalchemy requests pydantic starlette ipywidgets jinja2 phonenumbers d7nb.planning d7nb.store d7nb.display"
    )
    code = f"""
import contextlib, sys
from d7nb.cli import main
for arguments in (["--version"], ["--help"], ["send", "--help"], ["doctor", "--help"], ["receive", "--help"]):
    with contextlib.suppress(SystemExit):
        main(arguments)
print(*(set({heavy!r}.split()) & sys.modules.keys()), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stderr.strip() == ""
