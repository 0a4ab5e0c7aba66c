"""``send``: send a table."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from d7nb.api.destinations import BASE_URL
from d7nb.api.rate_limit import RATE
from d7nb.cli.exit_codes import DONE, SOME_FAILED
from d7nb.cli.output import write
from d7nb.cli.table_options import (
    StrictOptions,
    base_url_option,
    ledger_option,
    out_option,
    plan_table,
    table_options,
)
from d7nb.errors import D7Error, Interrupted

if TYPE_CHECKING:
    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery


@click.command(cls=StrictOptions)
@table_options
@click.option("--campaign", default="default", show_default=True, metavar="NAME", help="Name of the campaign.")
@click.option("--schedule", metavar="TIME", help="Time when D7 is to send, such as 2026-11-30T09:00+04:00.")
@click.option("--batch-size", type=int, default=100, show_default=True, metavar="N", help="Recipients per request.")
@click.option("--rate", type=int, default=RATE, show_default=True, metavar="N", help="Recipients per second.")
@click.option(
    "--confirm", type=int, metavar="N", help="Number of rows that you expect to be sent; asked for if not given."
)
@click.option(
    "--resend",
    type=click.Choice(["failed", "changed", "all"]),
    help="Send again: rows that failed, rows of people who got another text in this campaign (changed), or all.",
)
@click.option("--canary", type=int, metavar="N", help="Send this many rows first, and the rest only if they go well.")
@click.option(
    "--stop-if",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="Share of the rows of --canary that may fail.",
)
@ledger_option
@click.option("--sandbox", is_flag=True, help="Send to the embedded sandbox: no message leaves this machine.")
@base_url_option
@out_option("the table with its outcomes")
def send(
    *,
    table: str,
    to: str,
    text: str | None,
    originator: str | None,
    country: str | None,
    campaign: str,
    schedule: str | None,
    batch_size: int,
    rate: int,
    confirm: int | None,
    resend: str | None,
    canary: int | None,
    stop_if: float,
    ledger: str | Path | None,
    sandbox: bool,
    base_url: str | None,
    out: Path | None,
) -> int:
    """Send a table; a second run sends only what was not sent yet.

    TABLE is a CSV or Excel file. Without --text, its columns must be named after D7's fields, such as message_type
    and text.body.
    """
    terms = {"to": to, "originator": originator, "country": country, "campaign": campaign, "schedule": schedule}
    plan = plan_table(table, text, out, **terms)
    print(plan)
    which = True if resend == "all" else resend
    with ExitStack() as stack:
        if sandbox and ledger is None:  # the sandbox ends with this command, so nothing of it is worth keeping
            ledger = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "rehearsal.sqlite3"
        client = stack.enter_context(_open_client(stack, base_url, sandbox=sandbox, rate=rate, batch_size=batch_size))
        if confirm is None:
            count = int(plan.going(client, ledger=ledger, resend=which).sum())
            confirm = count if sandbox else _typed_count(count, client)
        try:
            delivery = plan.send(client, ledger=ledger, confirm=confirm, resend=which, canary=canary, stop_if=stop_if)
        except Interrupted as interrupted:
            _write_delivery(interrupted.delivery, out)
            raise
    print(delivery)
    _write_delivery(delivery, out)
    sent = delivery.summary["accepted"] + delivery.summary["already_sent"]
    return DONE if sent == len(delivery) else SOME_FAILED


def _open_client(stack: ExitStack, base_url: str | None, *, sandbox: bool, rate: int, batch_size: int) -> Client:
    """Return a client of the API, or of a sandbox that ends with the stack."""
    from d7nb.api.client import Client  # noqa: PLC0415  (a command loads what it needs)

    if not sandbox:
        return Client(base_url=base_url or BASE_URL, rate=rate, batch_size=batch_size)
    from d7nb.sandbox import Sandbox  # noqa: PLC0415

    return stack.enter_context(Sandbox()).client(rate=rate, batch_size=batch_size)


def _typed_count(count: int, client: Client) -> int:
    """Have the count typed, because a real message can't be called back.

    Raises:
        D7Error: Something else was typed, or there is no terminal to type it in.
    """
    from d7nb.display.text import plural  # noqa: PLC0415

    if not count:
        return 0
    if not sys.stdin.isatty():
        message = (
            f"nothing was sent: add --confirm {count} to send {plural(count, 'message')} through {client.base_url}"
        )
        raise D7Error(message)
    try:
        typed = input(f"Type {count} to send {plural(count, 'message')} through {client.base_url}: ")
    except EOFError:  # Ctrl-D
        print()
        typed = ""
    if not typed.strip().isdecimal() or int(typed) != count:
        message = f"nothing was sent, because you did not type {count}"
        raise D7Error(message)
    return count


def _write_delivery(delivery: Delivery, out: Path | None) -> None:
    if out is not None:
        write(delivery.frame, out)
