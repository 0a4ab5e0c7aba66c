"""The commands that take a table: say what is wrong with it, and send it."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d7nb.api.destinations import BASE_URL
from d7nb.api.rate_limit import RATE
from d7nb.cli.exit_codes import DONE, SOME_LEFT
from d7nb.cli.output import check_out, write
from d7nb.errors import D7Error, Interrupted
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    import argparse

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery
    from d7nb.planning.plans import Plan

SHOWN_PROBLEMS = 50
_ANY_ORIGINATOR = "+12025550100"  # a check needs none; this one is nobody's


def add_check(commands: Any) -> None:
    """``check``: say what is wrong with a table."""
    check = commands.add_parser("check", help="say what is wrong with a table, and send nothing")
    _add_table(check)
    check.add_argument("--all", action="store_true", help=f"print every problem, not only the first {SHOWN_PROBLEMS}")
    check.add_argument("--out", type=Path, metavar="FILE", help="write the problems (.csv or .xlsx)")
    check.set_defaults(run=_check)


def add_send(commands: Any) -> None:
    """``send``: send a table."""
    send = commands.add_parser("send", help="send a table; run it again, and nobody gets anything twice")
    _add_table(send)
    send.add_argument("--campaign", default="default", metavar="NAME", help="name of this mailing (%(default)s)")
    send.add_argument("--schedule", metavar="TIME", help="when D7 shall send, such as 2026-11-30T09:00+04:00")
    send.add_argument("--batch-size", type=int, default=100, metavar="N", help="recipients a request (%(default)s)")
    send.add_argument("--rate", type=int, default=RATE, metavar="N", help="recipients a second (%(default)s)")
    send.add_argument(
        "--confirm", type=int, metavar="N", help="how many rows you expect to go; it is asked for if not given"
    )
    send.add_argument(
        "--resend",
        choices=["failed", "changed", "all"],
        help="send again: what failed; to people who got another text in this campaign; everything",
    )
    send.add_argument("--canary", type=int, metavar="N", help="send so many rows first, and the rest if they go well")
    send.add_argument(
        "--stop-if", type=float, default=0.05, metavar="SHARE", help="share of those that may fail (%(default)s)"
    )
    send.add_argument("--ledger", metavar="PLACE", help="file or PostgreSQL URL; otherwise D7NB_LEDGER, or your own")
    send.add_argument(
        "--sandbox", action="store_true", help="send to the embedded sandbox: no message leaves this machine"
    )
    send.add_argument("--base-url", metavar="URL", help="another address of the API, such as a running sandbox's")
    send.add_argument("--out", type=Path, metavar="FILE", help="write the table with its outcomes (.csv or .xlsx)")
    send.set_defaults(run=_send)


def _add_table(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "table", metavar="TABLE", help="CSV or Excel file; without --text its columns name D7's fields"
    )
    command.add_argument("--to", default="recipient", metavar="COLUMN", help="column of phone numbers (%(default)s)")
    command.add_argument("--text", metavar="TEMPLATE", help="text to send, such as 'Hi {name}'")
    command.add_argument("--originator", metavar="NUMBER", help="registered number that the messages come from")
    command.add_argument("--country", metavar="REGION", help="region whose national numbers are meant, such as AE")


def _plan(options: argparse.Namespace, **more: Any) -> Plan:
    from d7nb.content import Text  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.planning.planner import plan  # noqa: PLC0415
    from d7nb.tables.reader import read_table  # noqa: PLC0415

    check_out(options.out)
    people = read_table(options.table)
    content = Text(options.text) if options.text is not None else None
    return plan(people, content, to=options.to, country=options.country, **more)


def _check(options: argparse.Namespace) -> int:
    planned = _plan(options, originator=options.originator or _ANY_ORIGINATOR)
    problems = planned.problems
    shown = problems if options.all else problems.head(SHOWN_PROBLEMS)
    for problem in shown.astype("object").where(shown.notna(), "").to_dict("records"):
        column, message, hint = (mask_text(str(problem[name])) for name in ("column", "message", "hint"))
        where = f"row {problem['row']}, {column}" if problem["row"] != "" else "the whole plan"
        value = f" [{problem['value']}]" if problem["value"] else ""
        print(f"{where}{value}: {problem['severity']} {problem['code']}: {message} ({hint})")
    if len(shown) < len(problems):
        print(f"... and {len(problems) - len(shown):,} more: --all prints them, --out writes them")
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in planned.summary.items())
    print(f"{len(planned):,} rows: {counts}; {len(problems):,} problems")
    if options.out is not None:
        write(problems, options.out)
    return SOME_LEFT if planned.summary["invalid"] or planned.summary["held"] else DONE


def _send(options: argparse.Namespace) -> int:
    planned = _plan(options, originator=options.originator, campaign=options.campaign, schedule=options.schedule)
    print(planned)
    with ExitStack() as stack:
        ledger = options.ledger
        if options.sandbox and ledger is None:  # the sandbox ends with this command, so nothing of it is worth keeping
            ledger = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "rehearsal.sqlite3"
        client = _client(options, stack)
        resend = options.resend == "all" or options.resend
        confirm = options.confirm
        if confirm is None:
            count = int(planned.going(client, ledger=ledger, resend=resend).sum())
            confirm = count if options.sandbox else _asked(count, client)
        try:
            delivery = planned.send(
                client, ledger=ledger, confirm=confirm, resend=resend, canary=options.canary, stop_if=options.stop_if
            )
        except Interrupted as interrupted:
            _write_delivery(interrupted.delivery, options.out)
            raise
    print(delivery)
    _write_delivery(delivery, options.out)
    gone = delivery.summary["accepted"] + delivery.summary["already_sent"]
    return DONE if gone == len(delivery) else SOME_LEFT


def _client(options: argparse.Namespace, stack: ExitStack) -> Client:
    from d7nb.api.client import Client  # noqa: PLC0415

    how = {"rate": options.rate, "batch_size": options.batch_size}
    if options.sandbox:
        from d7nb.sandbox import Sandbox  # noqa: PLC0415

        return stack.enter_context(stack.enter_context(Sandbox()).client(**how))
    return stack.enter_context(Client(base_url=options.base_url or BASE_URL, **how))


def _asked(count: int, client: Client) -> int:
    """Have the count typed: a real message can't be called back."""
    if not count:
        return 0
    if not sys.stdin.isatty():
        message = f"nothing was sent: say --confirm {count} to send {count:,} messages through {client.base_url}"
        raise D7Error(message)
    typed = input(f"Type {count} to send {count:,} messages through {client.base_url}: ")
    return int(typed) if typed.strip().isdecimal() else -1


def _write_delivery(delivery: Delivery, out: Path | None) -> None:
    if out is not None:
        write(delivery.frame, out)
