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
@click.option("--campaign", default="default", show_default=True, metavar="NAME", help="name of this mailing")
@click.option("--schedule", metavar="TIME", help="when D7 shall send, such as 2026-11-30T09:00+04:00")
@click.option("--batch-size", type=int, default=100, show_default=True, metavar="N", help="recipients a request")
@click.option("--rate", type=int, default=RATE, show_default=True, metavar="N", help="recipients a second")
@click.option("--confirm", type=int, metavar="N", help="how many rows you expect to go; it is asked for if not given")
@click.option(
    "--resend",
    type=click.Choice(["failed", "changed", "all"]),
    help="send again: what failed; to people who got another text in this campaign; everything",
)
@click.option("--canary", type=int, metavar="N", help="send so many rows first, and the rest if they go well")
@click.option(
    "--stop-if",
    type=float,
    default=0.05,
    show_default=True,
    metavar="SHARE",
    help="share of those that may fail",
)
@ledger_option
@click.option("--sandbox", is_flag=True, help="send to the embedded sandbox: no message leaves this machine")
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
    """Send a table; run it again, and nobody gets anything twice.

    TABLE is a CSV or Excel file; without --text its columns name D7's fields.
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
    """Have the count typed, because a real message can't be called back; -1 if something else was typed.

    Raises:
        D7Error: Nobody is there to type it.
    """
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
