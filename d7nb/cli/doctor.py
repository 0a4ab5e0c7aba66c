"""``doctor``: look at all that a send needs, and say what to do about what is not as it should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from d7nb.api.destinations import BASE_URL
from d7nb.cli.exit_codes import DONE, SOME_LEFT
from d7nb.cli.table_options import StrictOptions, base_url_option, ledger_option

if TYPE_CHECKING:
    from d7nb.cli.checks import Finding


@click.command(cls=StrictOptions)
@base_url_option
@ledger_option
@click.option("--offline", is_flag=True, help="ask nothing of D7")
def doctor(base_url: str | None, ledger: str | None, offline: bool) -> int:
    """Check token, reachability, ledger, versions and plugins."""
    from d7nb.cli.checks import Target, examine  # noqa: PLC0415  (a command loads what it needs)

    marks = []
    for finding in examine(Target(base_url or BASE_URL, ledger, offline=offline)):
        marks.append(finding.mark)
        print(_line(finding), flush=True)
    failed, warned = marks.count("fail"), marks.count("warn")
    told = [f"{failed} failed"] * bool(failed) + [f"{warned} to look at"] * bool(warned)
    print(", ".join(told) or "all is well")
    return SOME_LEFT if failed else DONE


def _line(finding: Finding) -> str:
    from d7nb.display.text import in_terminal  # noqa: PLC0415
    from d7nb.store.location import home_folder  # noqa: PLC0415

    found = " ".join(in_terminal(finding.found).split())
    advice = f"\n{'':16}{in_terminal(finding.advice)}" * bool(finding.advice)
    folder = home_folder()
    if folder:
        home = f"{folder}{os.sep}"
        found = found.replace(home, "~/")
        advice = advice.replace(f"'{home}", "~/'").replace(home, "~/")  # within quotes, no shell knows a tilde
    return f"{finding.mark:<6}{finding.what:<10}{found}{advice}"
