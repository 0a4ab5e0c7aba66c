"""A hint says the same in a notebook, a shell and the form, each in the language of the place."""

from __future__ import annotations

import copy
import pickle

import click
import pytest

from d7nb.cli.commands import cli
from d7nb.errors import PlanError
from d7nb.hints import FLAGS, SEND_AGAIN, Call, Hint, Option, Surface, Wording, render, speaking

RESEND = Call("plan.send", (Option("resend", True), Option("confirm", 3)), ("client",))
RELEASE = Call("plan.release", (Option("choose", "first"), Option("rows", [3])))


@pytest.mark.parametrize(
    ("part", "notebook", "shell", "form"),
    [
        (Option("country", "AE"), 'country="AE"', "--country AE", "Country: AE"),
        (Option("country"), "country=", "--country", "Country"),
        (Option("campaign", "in May"), 'campaign="in May"', "--campaign 'in May'", "Campaign: in May"),
        (Option("stop_if", 0.05), "stop_if=0.05", "--stop-if 0.05", "stop_if=0.05 in a notebook"),
        (Option("filters"), "filters=", "filters= in a notebook", "filters= in a notebook"),
        (
            RESEND,
            "plan.send(client, resend=True, confirm=3)",
            "the same command with --resend all --confirm 3",
            "form.plan.send(client, resend=True, confirm=3) in a cell",
        ),
        (SEND_AGAIN, "plan.send(client)", "the same command again", "the Send button"),
        (
            RELEASE,
            'plan.release(choose="first", rows=[3])',
            'plan.release(choose="first", rows=[3]) in a notebook',
            'form.plan.release(choose="first", rows=[3]) in a cell',
        ),
        (Call("delivery.frame", arguments=None), "delivery.frame", "--out FILE", "form.delivery.frame in a cell"),
        (
            Call("delivery.settle", arguments=('"sent"',)),
            'delivery.settle("sent")',
            'plan.delivery(d7nb.Client()).settle("sent") in a notebook with the same plan',
            'form.delivery.settle("sent") in a cell',
        ),
        (
            Call("plan.delivery", arguments=("client",)),
            "plan.delivery(client)",
            "plan.delivery(d7nb.Client()) in a notebook",
            "form.plan.delivery(client) in a cell",
        ),
        (
            Call("plan.send", arguments=("client", "resend=rows")),
            "plan.send(client, resend=rows)",
            "the same command with --resend all",
            "form.plan.send(client, resend=rows) in a cell",
        ),
        (
            Call("d7nb.Ledger().aside"),
            "d7nb.Ledger().aside()",
            "python -m d7nb ledger aside",
            "d7nb.Ledger().aside() in a cell",
        ),
        (Option("force", True), "force=True", "--force", "force=True in a notebook"),
        (Wording("the notebook", "the shell"), "the notebook", "the shell", ""),
        ("fill the cell in", *["fill the cell in"] * 3),
    ],
)
def test_each_surface_speaks_its_own_language(
    part: str | Option | Call | Wording, notebook: str, shell: str, form: str
) -> None:
    hint = Hint("do it: ", part)
    expected: dict[Surface, str] = {"notebook": notebook, "shell": shell, "form": form}
    assert {surface: render(hint, surface) for surface in expected} == {
        surface: f"do it: {words}" for surface, words in expected.items()
    }
    assert hint == f"do it: {notebook}"


def test_a_hint_keeps_its_parts_when_it_is_copied_and_pickled() -> None:
    hint = Hint("give ", Option("country", "AE"))
    for twin in (copy.copy(hint), copy.deepcopy(hint), pickle.loads(pickle.dumps(hint))):
        assert twin == hint
        assert render(twin, "shell") == "give --country AE"


def test_a_hint_in_a_hint_keeps_its_parts() -> None:
    hint = Hint("not tried: ", Hint("give ", Option("country", "AE")))
    assert hint == 'not tried: give country="AE"'
    assert render(hint, "shell") == "not tried: give --country AE"


def test_an_error_is_masked_and_still_knows_its_hint() -> None:
    error = PlanError(Hint("+12025550123 has no country: give ", Option("country", "US")))
    assert str(error) == '+120••••••23 has no country: give country="US"'
    assert render(error.args[0], "shell") == "+120••••••23 has no country: give --country US"


def test_what_is_rendered_in_a_block_speaks_its_language() -> None:
    hint = Hint("give ", Option("country", "AE"))
    with speaking("shell"):
        assert render(hint) == "give --country AE"
        assert render(hint, "form") == "give Country: AE"
    assert render(hint) == 'give country="AE"'


def parameters(command: click.Command) -> set[str]:
    """The options of a command and of those below it, by their names in Python."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = [command.get_command(context, name) for name in command.list_commands(context)]
        return set().union(*(parameters(each) for each in below if each is not None))
    names = [name for parameter in command.params for name in parameter.opts]
    return {name.removeprefix("--").replace("-", "_") for name in names if name.startswith("--")}


def test_the_command_line_has_the_options_that_hints_name_in_a_shell() -> None:
    assert parameters(cli) >= FLAGS
