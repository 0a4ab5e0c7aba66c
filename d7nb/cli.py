"""The command line: the same functions as in a notebook, and what it prints is masked.

Exit codes: 0 all went well, 1 some rows did not go, 2 it could not be done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d7nb.demo import show_demo
from d7nb.errors import D7Error, Interrupted, TableError
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from d7nb.client import Client
    from d7nb.delivery import Delivery
    from d7nb.planning import Plan

SHOWN_PROBLEMS = 50
_ANY_ORIGINATOR = "+12025550100"  # a check needs none; this one is nobody's

DONE, SOME_LEFT, IMPOSSIBLE, INTERRUPTED = 0, 1, 2, 130


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

    check = commands.add_parser("check", help="say what is wrong with a table, and send nothing")
    _add_table(check)
    check.add_argument("--all", action="store_true", help=f"print every problem, not only the first {SHOWN_PROBLEMS}")
    check.add_argument("--out", type=Path, metavar="FILE", help="write the problems (.csv or .xlsx)")
    check.set_defaults(run=_check)

    send = commands.add_parser("send", help="send a table")
    _add_table(send)
    send.add_argument("--campaign", default="default", metavar="NAME", help="name of this mailing (%(default)s)")
    send.add_argument("--schedule", metavar="TIME", help="when D7 shall send, such as 2026-11-30T09:00+04:00")
    send.add_argument("--batch-size", type=int, default=100, metavar="N", help="recipients a request (%(default)s)")
    send.add_argument("--rate", type=int, default=80, metavar="N", help="recipients a second (%(default)s)")
    send.add_argument(
        "--confirm", type=int, metavar="N", help="how many rows you expect to go; it is asked for if not given"
    )
    send.add_argument(
        "--sandbox", action="store_true", help="send to the embedded sandbox: no message leaves this machine"
    )
    send.add_argument("--base-url", metavar="URL", help="another address of the API, such as a running sandbox's")
    send.add_argument("--out", type=Path, metavar="FILE", help="write the table with its outcomes (.csv or .xlsx)")
    send.set_defaults(run=_send)

    sandbox = commands.add_parser("sandbox", help="run the local stand-in for D7 until Ctrl-C")
    sandbox.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; a free one if not given")
    sandbox.add_argument("--originator", action="append", metavar="NUMBER", help="registered number; any if not given")
    sandbox.add_argument("--lenient", action="store_true", help="accept what old samples send, too")
    sandbox.set_defaults(run=_sandbox)
    return parser


def _add_table(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "table", metavar="TABLE", help="CSV or Excel file; without --text its columns name D7's fields"
    )
    command.add_argument("--to", default="recipient", metavar="COLUMN", help="column of phone numbers (%(default)s)")
    command.add_argument("--text", metavar="TEMPLATE", help="text to send, such as 'Hi {name}'")
    command.add_argument("--originator", metavar="NUMBER", help="registered number that the messages come from")
    command.add_argument("--country", metavar="REGION", help="region whose national numbers are meant, such as AE")


def _demo(_options: argparse.Namespace) -> int:
    show_demo()
    return DONE


def _plan(options: argparse.Namespace, **more: Any) -> Plan:
    from d7nb.content import Text  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.planning import plan  # noqa: PLC0415
    from d7nb.reading import read_table  # noqa: PLC0415

    if options.out is not None and options.out.suffix not in {".csv", ".xlsx"}:
        message = f"--out {options.out.name}: give a name that ends in .csv or .xlsx"
        raise TableError(message)
    if options.out is not None and not options.out.resolve().parent.is_dir():
        raise TableError(f"--out {options.out.name}: its folder is not there")
    people = read_table(options.table)
    content = Text(options.text) if options.text is not None else None
    return plan(people, content, to=options.to, country=options.country, **more)


def _check(options: argparse.Namespace) -> int:
    planned = _plan(options, originator=options.originator or _ANY_ORIGINATOR)
    problems = planned.problems
    shown = problems if options.all else problems.head(SHOWN_PROBLEMS)
    for problem in shown.astype("object").where(shown.notna(), "").to_dict("records"):
        where = f"row {problem['row']}, {problem['column']}" if problem["row"] != "" else "the whole plan"
        value = f" [{problem['value']}]" if problem["value"] else ""
        print(f"{where}{value}: {problem['severity']} {problem['code']}: {problem['message']} ({problem['hint']})")
    if len(shown) < len(problems):
        print(f"... and {len(problems) - len(shown):,} more: --all prints them, --out writes them")
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in planned.summary.items())
    print(f"{len(planned):,} rows: {counts}; {len(problems):,} problems")
    if options.out is not None:
        _write(problems, options.out)
    return SOME_LEFT if planned.summary["invalid"] or planned.summary["held"] else DONE


def _send(options: argparse.Namespace) -> int:
    planned = _plan(options, originator=options.originator, campaign=options.campaign, schedule=options.schedule)
    print(planned)
    with ExitStack() as stack:
        client = _client(options, stack)
        confirm = options.confirm
        if confirm is None and not options.sandbox:
            confirm = _asked(planned, client)
        try:
            delivery = planned.send(client, confirm=confirm)
        except Interrupted as interrupted:
            _write_delivery(interrupted.delivery, options.out)
            raise
    print(delivery)
    _write_delivery(delivery, options.out)
    return DONE if delivery.summary["accepted"] == len(delivery) else SOME_LEFT


def _client(options: argparse.Namespace, stack: ExitStack) -> Client:
    from d7nb.client import BASE_URL, Client  # noqa: PLC0415

    how = {"rate": options.rate, "batch_size": options.batch_size}
    if options.sandbox:
        from d7nb.sandbox import Sandbox  # noqa: PLC0415

        return stack.enter_context(stack.enter_context(Sandbox()).client(**how))
    return stack.enter_context(Client(base_url=options.base_url or BASE_URL, **how))


def _asked(planned: Plan, client: Client) -> int:
    """Have the count typed: a real message can't be called back."""
    ready = planned.summary["ready"]
    if not sys.stdin.isatty():
        message = f"nothing was sent: say --confirm {ready} to send {ready:,} messages through {client.base_url}"
        raise D7Error(message)
    typed = input(f"Type {ready} to send {ready:,} messages through {client.base_url}: ")
    return int(typed) if typed.strip().isdecimal() else -1


def _write_delivery(delivery: Delivery, out: Path | None) -> None:
    if out is not None:
        frame = delivery.frame
        times = frame["d7_created_at"].dt.tz_localize(None)  # Excel knows no zones; the times are UTC
        _write(frame.assign(d7_created_at=times) if out.suffix == ".xlsx" else frame, out)


def _write(frame: pd.DataFrame, out: Path) -> None:
    try:
        if out.suffix == ".csv":
            frame.to_csv(out, index=False)
        else:
            frame.to_excel(out, index=False)
    except Exception as error:  # noqa: BLE001  (Excel can't hold everything, but no outcome may be lost)
        print(f"d7nb: {out.name} could not be written ({type(error).__name__}), so:", file=sys.stderr)
        folder = out.parent if out.suffix == ".xlsx" else Path(tempfile.mkdtemp())
        out = folder / f"{out.stem}.csv"
        frame.to_csv(out, index=False)
    print(f"wrote {out.name}")


def _sandbox(options: argparse.Namespace) -> int:
    from d7nb.sandbox import serve  # noqa: PLC0415

    serve(port=options.port, originators=options.originator, lenient=options.lenient)
    return DONE
