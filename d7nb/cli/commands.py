"""The command line's entry point: `main`, and the group that finds each command in the module of its name."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from d7nb.cli.exit_codes import IMPOSSIBLE, INTERRUPTED
from d7nb.errors import D7Error, Interrupted, message_of
from d7nb.hints import speaking
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "python -m d7nb"
COMMANDS = ("demo", "check", "send", "compose", "ledger", "receive", "plugins", "doctor", "sandbox")
"""In the order of the help. A command is the object of the same name in the module of the same name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: What follows ``python -m d7nb``; the arguments of the process if not given.

    Returns:
        The exit code: 0 all went well, 1 some rows did not go or a check failed, 2 it could not be done,
        130 interrupted.

    Raises:
        SystemExit: After help (0), and after arguments that can't be understood (2).

    Example:
        >>> main(["send", "no-such-file.csv", "--sandbox", "--originator", "+12025550100", "--text", "Hi"])
        2
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with (
            speaking("shell"),
            cli.make_context(PROGRAM, given) as context,
        ):  # click's own main() would return no exit code
            exit_code: int = cli.invoke(context)
            return exit_code
    except Interrupted as interrupted:
        with speaking("shell"):
            print(interrupted.delivery)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except (D7Error, OSError, ImportError, ValueError) as error:
        with speaking("shell"):
            print(f"d7nb: {_error_text(error)}", file=sys.stderr)
        return IMPOSSIBLE
    except click.exceptions.Exit as finished:
        status = finished.exit_code
    except click.ClickException as error:
        print(_masked_text(error), end="", file=sys.stderr)
        status = error.exit_code
    del arguments, given  # a traceback may show the variables of this frame, and those of click are not in it
    sys.exit(status)


def _error_text(error: Exception) -> str:
    """Return an error's message without an error number, which says nothing to an analyst."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return mask_text(f"{error.strerror}: {error.filename}")
    return mask_text(message_of(error))


def _masked_text(error: click.ClickException) -> str:
    """Return what click prints for an error; it quotes arguments, which may hold a number or a token."""
    text = io.StringIO()
    error.show(text)
    return mask_text(text.getvalue())


class _LazyGroup(click.Group):
    """A group that imports the module of a command when the command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(import_module(f"d7nb.cli.{cmd_name}"), cmd_name)
        return command  # type: ignore[no-any-return]


@click.group(
    cls=_LazyGroup,
    no_args_is_help=False,  # a missing command is an error in every version of click
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="d7nb", message="d7nb %(version)s")
def cli() -> None:
    """Send WhatsApp messages from a table through D7 Networks.

    To see the options of a command: python -m d7nb COMMAND --help
    """
