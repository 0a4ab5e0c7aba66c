"""Options that several commands share, as decorators, and the plan that the options of a table describe."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from d7nb.cli.output import check_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.planning.plans import Plan

F = TypeVar("F", bound="Callable[..., Any]")

_OPTION_LIKE = re.compile(r"-(?!\d*\.?\d+\Z)[^ ]+")


class StrictOptions(click.Command):
    """A command in which an option never takes another option for its value.

    Click gives an option whatever follows it: ``--campaign --sandbox`` would name the campaign ``--sandbox`` and send
    real messages.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            BadOptionUsage: An option lacks its value. What begins with a hyphen is a value only if it is a number, or
                several words.
        """
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        with_value = {name for option in options if not option.is_flag for name in option.opts}
        before_separator = takewhile(lambda argument: argument != "--", args)
        for name, value in pairwise([*before_separator, None]):
            if name in with_value and (value is None or _OPTION_LIKE.fullmatch(value)):
                advice = f" If it begins with a hyphen, write {name}=VALUE." if value else ""
                raise click.BadOptionUsage(name, f"Option {name!r} requires an argument.{advice}", ctx)
        return super().parse_args(ctx, args)


def _given_or_inherited(context: click.Context, _: click.Parameter, location: str | None) -> Any:
    """Return the ledger's location: the one given here, else the one given before the subcommand."""
    if location is not None:
        context.obj = location
    return context.obj


ledger_option = click.option(
    "--ledger",
    metavar="LOCATION",
    callback=_given_or_inherited,
    help="File or PostgreSQL URL of the ledger; if not given, D7NB_LEDGER, or the usual file in your data folder.",
)
base_url_option = click.option(
    "--base-url", metavar="URL", help="Address of the API if it is not D7's own, such as that of a running sandbox."
)
originator_option = click.option(
    "--originator", metavar="NUMBER", help="Registered number that the messages come from."
)
country_option = click.option(
    "--country", metavar="COUNTRY", help="Country of the numbers that are written without a country code, such as AE."
)
port_option = click.option(
    "--port", type=int, default=0, metavar="N", help="Port to listen on; a free one if not given."
)


def out_option(content: str) -> Callable[[F], F]:
    """Return the option that names the file to write."""
    return click.option("--out", type=Path, metavar="FILE", help=f"Write {content} to this file (.csv or .xlsx).")


def table_options(command: F) -> F:
    """Add the table, and the options that say what is in it and what is made of it."""
    decorators = (
        click.argument("table", metavar="TABLE"),
        click.option("--to", default="recipient", show_default=True, metavar="COLUMN", help="Column of phone numbers."),
        click.option("--text", metavar="TEMPLATE", help="Text to send, with columns in braces, such as 'Hi {name}'."),
        originator_option,
        country_option,
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def plan_table(table: str, text: str | None, out: Path | None, **plan_options: Any) -> Plan:
    """Plan a table, after making sure that the file that is written afterwards can be written.

    Args:
        table: The file to read.
        text: The template of a text; without one, the columns of the table name D7's fields.
        out: The file that the command writes afterwards.
        **plan_options: What `d7nb.plan` takes.
    """
    from d7nb.content import Text  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.planning.planner import plan  # noqa: PLC0415
    from d7nb.tables.reader import read_table  # noqa: PLC0415

    check_out(out)
    people = read_table(table)
    return plan(people, None if text is None else Text(text), **plan_options)
