"""``check``: list the problems of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from d7nb.cli.exit_codes import DONE, SOME_FAILED
from d7nb.cli.output import write
from d7nb.cli.table_options import StrictOptions, out_option, plan_table, table_options
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHOWN_PROBLEMS = 50
_ANY_ORIGINATOR = "+12025550100"  # a check needs none; this one is reserved for fiction


@click.command(cls=StrictOptions)
@table_options
@click.option("--all", "show_all", is_flag=True, help=f"Print every problem, not only the first {SHOWN_PROBLEMS}.")
@out_option("the problems")
def check(
    *,
    table: str,
    to: str,
    text: str | None,
    originator: str | None,
    country: str | None,
    show_all: bool,
    out: Path | None,
) -> int:
    """List the problems of a table, and send nothing.

    TABLE is a CSV or Excel file. Without --text, its columns must be named after D7's fields, such as message_type
    and text.body.
    """
    from d7nb.display.text import plural  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.planning.plans import plan_view  # noqa: PLC0415

    plan = plan_table(table, text, out, to=to, country=country, originator=originator or _ANY_ORIGINATOR)
    problems = plan_view(plan).problems
    shown = problems if show_all else problems.head(SHOWN_PROBLEMS)
    for problem in shown.astype("object").where(shown.notna(), "").to_dict("records"):
        print(_problem_line(problem))
    if len(shown) < len(problems):
        print(f"... and {len(problems) - len(shown):,} more: --all prints them, --out writes them")
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in plan.summary.items())
    print(f"{plural(len(plan), 'row')}: {counts}; {plural(len(problems), 'problem')}")
    if out is not None:
        write(problems, out)
    return SOME_FAILED if plan.summary["invalid"] or plan.summary["held"] else DONE


def _problem_line(problem: Mapping[Any, Any]) -> str:
    """Return one problem as a line: where it is, the cell, and what to do."""
    column, message, hint = (mask_text(str(problem[name])) for name in ("column", "message", "hint"))
    position = f"row {problem['row']}, {column}" if problem["row"] != "" else "the whole plan"
    value = f" [{problem['value']}]" if problem["value"] else ""
    return f"{position}{value}: {problem['severity']} {problem['code']}: {message}" + f": {hint}" * bool(hint)
