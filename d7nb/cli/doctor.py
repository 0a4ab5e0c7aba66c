"""``doctor``: look at all that a send needs, and say what to do about what is not as it should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from d7nb.cli.exit_codes import DONE, SOME_LEFT

if TYPE_CHECKING:
    import argparse

    from d7nb.cli.checks import Finding


def add_doctor(commands: Any) -> None:
    """``doctor``: run every check; exit code 1 where one fails."""
    doctor = commands.add_parser("doctor", help="check token, reachability, ledger, versions and plugins")
    doctor.add_argument("--base-url", metavar="URL", help="another address of the API, such as a running sandbox's")
    doctor.add_argument("--ledger", metavar="PLACE", help="file or PostgreSQL URL; otherwise D7NB_LEDGER, or your own")
    doctor.add_argument("--offline", action="store_true", help="ask nothing of D7")
    doctor.set_defaults(run=_examine)


def _examine(options: argparse.Namespace) -> int:
    from d7nb.api.destinations import BASE_URL  # noqa: PLC0415
    from d7nb.cli.checks import Target, examine  # noqa: PLC0415  (a command loads what it needs)

    marks = []
    for finding in examine(Target(options.base_url or BASE_URL, options.ledger, offline=options.offline)):
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
