"""``ledger``: look at what was sent, take it elsewhere, and forget it."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from d7nb.cli.exit_codes import DONE
from d7nb.cli.output import check_out, write
from d7nb.display.text import in_terminal
from d7nb.privacy import mask_text

SHOWN_ASIDE = 50


def add_ledger(commands: Any) -> None:
    """``ledger``, with ``export``, ``aside``, ``opt-outs`` and ``forget``."""
    ledger = commands.add_parser("ledger", help="list the campaigns that the ledger knows, with counts")
    _add_place(ledger)
    ledger.set_defaults(run=_list)
    more = ledger.add_subparsers(title="more", metavar="WHAT")

    export = more.add_parser("export", help="write every row that was ever claimed, numbers masked (.csv or .xlsx)")
    export.add_argument("out", type=Path, metavar="FILE")
    _add_place(export)
    export.set_defaults(run=_export)

    for name, told, run in (
        ("aside", "what came in and could not be made sense of, the latest last", _aside),
        ("opt-outs", "who does not want to be written to, and who came back", _opt_outs),
    ):
        shown = more.add_parser(name, help=told)
        _add_place(shown)
        shown.set_defaults(run=run)

    forget = more.add_parser("forget", help="delete rows of a campaign: they would be sent again")
    forget.add_argument("campaign", metavar="CAMPAIGN")
    forget.add_argument("--before", type=_day, required=True, metavar="DATE", help="what was recorded before it")
    forget.add_argument("--destination", metavar="ORIGIN", help="only what went there, as the list names it")
    forget.add_argument("--force", action="store_true", help="forget even what may have gone out, or is being sent")
    _add_place(forget)
    forget.set_defaults(run=_forget)


def _add_place(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ledger",
        metavar="PLACE",
        default=argparse.SUPPRESS,  # so that it may stand before WHAT, too
        help="file or PostgreSQL URL; otherwise D7NB_LEDGER, or your own",
    )


def _day(text: str) -> datetime:
    """A date or time; in this machine's zone if it names none."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        message = f"{text!r} is no date such as 2026-11-30"
        raise argparse.ArgumentTypeError(message) from None


def _list(options: argparse.Namespace) -> int:
    from d7nb.ledger import Ledger  # noqa: PLC0415  (a command loads what it needs)

    with Ledger(getattr(options, "ledger", None)) as ledger:
        campaigns = ledger.campaigns()
        print(f"{ledger}" + (f"\nwarning: {ledger.warning}" if ledger.warning else ""))
    if campaigns.empty:
        print("nothing was sent yet")
        return DONE
    campaigns["campaign"] = campaigns["campaign"].map(mask_text)
    campaigns["last"] = campaigns["last"].dt.strftime("%Y-%m-%d %H:%M UTC")
    print(campaigns.to_string(index=False))
    return DONE


def _export(options: argparse.Namespace) -> int:
    from d7nb.ledger import Ledger  # noqa: PLC0415

    check_out(options.out)
    with Ledger(getattr(options, "ledger", None)) as ledger:
        write(ledger.frame(), options.out)
    return DONE


def _aside(options: argparse.Namespace) -> int:
    from d7nb.ledger import Ledger  # noqa: PLC0415

    with Ledger(getattr(options, "ledger", None)) as ledger:
        kept = ledger.aside().tail(SHOWN_ASIDE)
    for at, why, text in kept.itertuples(index=False):
        print(f"{at:%Y-%m-%d %H:%M UTC}  {in_terminal(why)}\n    {in_terminal(text)}")
    if kept.empty:
        print("nothing was put aside")
    return DONE


def _opt_outs(options: argparse.Namespace) -> int:
    from d7nb.ledger import Ledger  # noqa: PLC0415

    with Ledger(getattr(options, "ledger", None)) as ledger:
        listed = ledger.opt_outs()
    if listed.empty:
        print("nobody opted out")
        return DONE
    listed["at"] = listed["at"].dt.strftime("%Y-%m-%d %H:%M UTC")
    listed["word"] = listed["word"].map(in_terminal)
    print(listed.to_string(index=False))
    return DONE


def _forget(options: argparse.Namespace) -> int:
    from d7nb.ledger import Ledger  # noqa: PLC0415

    with Ledger(getattr(options, "ledger", None)) as ledger:
        count = ledger.forget(options.campaign, options.before, destination=options.destination, force=options.force)
    print(f"forgot {count:,} rows of {mask_text(options.campaign)}; a plan that has them would send them again")
    return DONE
