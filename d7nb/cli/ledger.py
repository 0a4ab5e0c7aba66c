"""``ledger``: list, export and delete what the ledger recorded."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import click

from d7nb.cli.exit_codes import DONE
from d7nb.cli.output import check_out, write_slices
from d7nb.cli.table_options import StrictOptions, ledger_option
from d7nb.errors import LedgerError
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


@ledger.command(cls=StrictOptions)
@ledger_option
def create(ledger: str | None) -> int:
    """Begin a new ledger where one was lost; it knows of no earlier send.

    What is left of the old one stays beside it. A ledger that is whole stays as it is.
    """
    from d7nb.ledger import Ledger  # noqa: PLC0415
    from d7nb.store.files import create_anew  # noqa: PLC0415
    from d7nb.store.location import find_location  # noqa: PLC0415

    old = create_anew(find_location(ledger, os.environ))
    with Ledger(ledger) as opened:
        print(f"began a new ledger, which knows of no earlier send: {opened}")
    if old is not None:
        print(f"what was left of the old one is beside it: {old.name}")
    return DONE


@ledger.command(cls=StrictOptions)
@click.argument("file", type=Path, metavar="FILE")
@ledger_option
def backup(file: Path, ledger: str | None) -> int:
    """Copy the ledger to a file, and to FILE.companion what belongs to it.

    Others may go on using the ledger meanwhile. For one in PostgreSQL, the command of its own tool is shown.
    """
    from d7nb.ledger import Ledger  # noqa: PLC0415
    from d7nb.store.companion import SUFFIX  # noqa: PLC0415
    from d7nb.store.location import find_location  # noqa: PLC0415
    from d7nb.store.opening import check_not_gone  # noqa: PLC0415

    location = find_location(ledger, os.environ)
    if location.path is not None and not location.path.exists():  # opening it would begin an empty one
        check_not_gone(location)
        message = f"there is no ledger {location.name} to back up: correct the path"
        raise LedgerError(message)
    with Ledger(ledger) as opened:
        opened.back_up(file)
    print(f"wrote {mask_text(file.name)} and {mask_text(file.name)}{SUFFIX}; keep them together")
    return DONE


@ledger.command(cls=StrictOptions)
@click.argument("file", type=Path, metavar="[FILE]", required=False)
@ledger_option
def restore(file: Path | None, ledger: str | None) -> int:
    """Put a backup in the place of the ledger, whose own files stay beside it.

    FILE is a file that `python -m d7nb ledger backup` made. Whoever was written to after the backup would be written to
    again. For a ledger in PostgreSQL, restore a dump with its own tools first, and give no FILE: the database counts as
    whole from then on.
    """
    from d7nb.ledger import Ledger  # noqa: PLC0415
    from d7nb.store.files import restore as restore_files  # noqa: PLC0415
    from d7nb.store.location import find_location  # noqa: PLC0415

    old = restore_files(find_location(ledger, os.environ), file)
    with Ledger(ledger) as opened:
        print(f"restored the ledger {opened}" if file else f"the ledger {opened} counts as whole, as it is")
    if old is not None:
        print(f"what was there is beside it: {old.name}")
    if file is not None:
        print("whoever was written to after the backup would be written to again")
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
