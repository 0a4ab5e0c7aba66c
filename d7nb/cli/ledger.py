"""``ledger``: list, export and delete what the ledger recorded."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from d7nb.cli.exit_codes import DONE
from d7nb.cli.output import check_out, write_slices
from d7nb.cli.table_options import StrictOptions, ledger_option
from d7nb.privacy import mask_text

SHOWN_ASIDE = 50
_NOT_IN_LEDGER = "it is about a message that is not in this ledger; perhaps another program uses the same D7 account"


class _LedgerGroup(StrictOptions, click.Group):
    """The group ``ledger``."""


@click.group(cls=_LedgerGroup, invoke_without_command=True, subcommand_metavar="[COMMAND] [ARGS]...")
@ledger_option
@click.pass_context
def ledger(context: click.Context, ledger: str | None) -> int:  # the option's name
    """List the campaigns in the ledger, with counts.

    Give a COMMAND to export, delete or list something else.
    """
    from d7nb.ledger import Ledger  # noqa: PLC0415  (a command loads what it needs)

    if context.invoked_subcommand is not None:
        return DONE
    with Ledger(ledger) as opened:
        campaigns = opened.campaigns()
        print(f"ledger: {opened}" + (f"\nwarning: {opened.warning}" if opened.warning else ""))
    if campaigns.empty:
        print("nothing was sent yet")
        return DONE
    campaigns["campaign"] = campaigns["campaign"].map(mask_text)
    campaigns["last"] = campaigns["last"].dt.strftime("%Y-%m-%d %H:%M UTC")
    print(campaigns.to_string(index=False))
    return DONE


@ledger.command(cls=StrictOptions)
@click.argument("out", type=Path, metavar="FILE")
@ledger_option
def export(out: Path, ledger: str | None) -> int:
    """Write all rows of the ledger to a file, numbers masked.

    FILE is a name that ends in .csv or .xlsx.
    """
    from d7nb.ledger import Ledger  # noqa: PLC0415
    from d7nb.store.views import row_slices  # noqa: PLC0415

    check_out(out)
    with Ledger(ledger) as opened:
        write_slices(lambda: row_slices(opened._database), out)  # a ledger may be larger than the memory
    return DONE


@ledger.command(cls=StrictOptions)
@ledger_option
def aside(ledger: str | None) -> int:
    """Show the latest events that could not be understood, or are about no message in the ledger."""
    from d7nb.display.text import in_terminal  # noqa: PLC0415
    from d7nb.ledger import Ledger  # noqa: PLC0415
    from d7nb.store.dead_letters import UNMATCHED  # noqa: PLC0415

    with Ledger(ledger) as opened:
        events = opened.aside().tail(SHOWN_ASIDE)
    for received_at, reason, text in events.itertuples(index=False):
        shown_reason = _NOT_IN_LEDGER if reason == UNMATCHED else in_terminal(reason)
        print(f"{received_at:%Y-%m-%d %H:%M UTC}  {shown_reason}\n    {in_terminal(text)}")
    if events.empty:
        print("nothing was put aside")
    return DONE


@ledger.command("opt-outs", cls=StrictOptions)
@ledger_option
def opt_outs(ledger: str | None) -> int:
    """List who opted out, and who opted in again."""
    from d7nb.display.text import in_terminal  # noqa: PLC0415
    from d7nb.ledger import Ledger  # noqa: PLC0415

    with Ledger(ledger) as opened:
        listed = opened.opt_outs()
    if listed.empty:
        print("nobody opted out")
        return DONE
    listed["at"] = listed["at"].dt.strftime("%Y-%m-%d %H:%M UTC")
    listed["word"] = listed["word"].map(in_terminal)
    print(listed.to_string(index=False))
    return DONE


def _to_time(_context: click.Context, _option: click.Parameter, text: str) -> datetime:
    """Read a date or time; in this machine's zone if it names none."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        message = f"{text!r} is not a date such as 2026-11-30"
        raise click.BadParameter(message) from None


@ledger.command(cls=StrictOptions)
@click.argument("campaign", metavar="CAMPAIGN")
@click.option(
    "--before",
    callback=_to_time,
    required=True,
    metavar="DATE",
    help="Delete what was recorded before this date, such as 2026-11-30.",
)
@click.option(
    "--destination", metavar="DESTINATION", help="Delete only what was sent to this destination, as the list names it."
)
@click.option("--force", is_flag=True, help="Delete also rows that may have been sent, or are being sent.")
@ledger_option
def forget(campaign: str, before: datetime, destination: str | None, force: bool, ledger: str | None) -> int:
    """Delete old rows of a campaign; they could then be sent again.

    CAMPAIGN is a name from the list that `python -m d7nb ledger` prints.
    """
    from d7nb.display.text import plural  # noqa: PLC0415
    from d7nb.ledger import Ledger  # noqa: PLC0415

    with Ledger(ledger) as opened:
        count = opened.forget(campaign, before, destination=destination, force=force)
    print(f"forgot {plural(count, 'row')} of {mask_text(campaign)}; a plan that has them would send them again")
    return DONE
