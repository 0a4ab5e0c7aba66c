"""``doctor``: check all that a send needs, and say what to do about what is not as it should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from d7nb.api.destinations import BASE_URL
from d7nb.cli.exit_codes import DONE, SOME_FAILED
from d7nb.cli.table_options import StrictOptions, base_url_option, ledger_option

if TYPE_CHECKING:
    from d7nb.cli.checks import Finding

_LONGEST = 1_000
"""Characters of a finding that are shown: its end says what to do."""


@click.command(cls=StrictOptions)
@base_url_option
@ledger_option
@click.option("--offline", is_flag=True, help="Make no request to D7.")
def doctor(base_url: str | None, ledger: str | None, offline: bool) -> int:
    """Check token, connection, ledger, versions and plugins.

    Each problem comes with advice; the exit code is 1 if a check fails.
    """
    from d7nb.cli.checks import Target, run_checks  # noqa: PLC0415  (a command loads what it needs)

    levels = []
    for finding in run_checks(Target(base_url or BASE_URL, ledger, offline=offline)):
        levels.append(finding.level)
        print(_finding_lines(finding), flush=True)
    failed, warned = levels.count("fail"), levels.count("warn")
    counts = [f"{failed} failed"] * bool(failed) + [f"{warned} to look at"] * bool(warned)
    print(", ".join(counts) or "all is well")
    return SOME_FAILED if failed else DONE


def _finding_lines(finding: Finding) -> str:
    """Return a finding as one line, and its advice as another; the home folder, which bears a name, is ``~``."""
    from d7nb.display.text import in_terminal  # noqa: PLC0415
    from d7nb.store.location import home_folder  # noqa: PLC0415

    message = " ".join(in_terminal(finding.message, _LONGEST).split())
    advice = f"\n{'':16}{in_terminal(finding.advice, _LONGEST)}" * bool(finding.advice)
    folder = home_folder()
    if folder:
        home = f"{folder}{os.sep}"
        message = message.replace(home, "~/")
        advice = advice.replace(f"'{home}", "~/'").replace(home, "~/")  # within quotes, no shell knows a tilde
    return f"{finding.level:<6}{finding.subject:<10}{message}{advice}"
