"""The command line: the same functions as in a notebook, and what it prints is masked.

Exit codes: 0 all went well, 1 some rows did not go or a check failed, 2 it could not be done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from d7nb.cli.compose import add_compose
from d7nb.cli.demo import show_demo
from d7nb.cli.doctor import add_doctor
from d7nb.cli.exit_codes import DONE, IMPOSSIBLE, INTERRUPTED
from d7nb.cli.ledger import add_ledger
from d7nb.cli.plugins import add_plugins
from d7nb.cli.receive import add_receive
from d7nb.cli.send import add_check, add_send
from d7nb.errors import D7Error, Interrupted
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The words after ``python -m d7nb``; those of the process where none are given.

    Returns:
        The exit code.

    Example:
        >>> main(["send", "no-such-file.csv", "--sandbox", "--originator", "+12025550100", "--text", "Hi"])
        2
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)  # type: ignore[no-any-return]
    except Interrupted as interrupted:
        print(interrupted.delivery)
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except (D7Error, OSError, ImportError, ValueError) as error:
        print(f"d7nb: {error}", file=sys.stderr)
        return IMPOSSIBLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m d7nb", description="Send WhatsApp messages from a table through D7 Networks."
    )
    parser.add_argument("--version", action="version", version=f"d7nb {version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run the main job on an invented table and the embedded sandbox")
    demo.set_defaults(run=_demo)

    add_check(commands)
    add_send(commands)
    add_compose(commands)
    add_ledger(commands)
    add_receive(commands)
    add_plugins(commands)
    add_doctor(commands)

    sandbox = commands.add_parser("sandbox", help="run the local stand-in for D7 until Ctrl-C")
    sandbox.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; a free one if not given")
    sandbox.add_argument("--originator", action="append", metavar="NUMBER", help="registered number; any if not given")
    sandbox.add_argument("--callback-url", metavar="URL", help="where its events go: an address on this machine")
    sandbox.add_argument("--lenient", action="store_true", help="accept what old samples send, too")
    sandbox.set_defaults(run=_sandbox)
    return parser


def _demo(_options: argparse.Namespace) -> int:
    show_demo()
    return DONE


def _sandbox(options: argparse.Namespace) -> int:
    from d7nb.sandbox import serve  # noqa: PLC0415

    how = {"originators": options.originator, "lenient": options.lenient, "callback_url": options.callback_url}
    serve(port=options.port, **how)
    return DONE
