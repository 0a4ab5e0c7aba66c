"""``demo``: send an invented table to the embedded sandbox."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from d7nb.cli.exit_codes import DONE
from d7nb.privacy import mask_number

if TYPE_CHECKING:
    import pandas as pd

TABLE = """\
phone;name;balance;note
+12025550123;Ali;1234.5;an ordinary row
00 1 202 555 0124;Sara;0;a number as people write it
12025550125.0;Žofie;-7.25;a number that a spreadsheet turned into a decimal
+12025550123;Ali;1234.5;the first row again
+12025550126;;12;nobody knows the name
call me;Omar;3.5;no number at all
1.20256E+10;Lena;99;a number whose digits Excel threw away
+12025550127;Yusuf;1.234,50;a balance in another country's form
+12025550128;null;8;a name that looks like a missing value
"""
"""Invented people; the numbers are from the range that is reserved for fiction."""

ORIGINATOR = "+12025550100"
TEMPLATE = "Hi {name}, your balance is {balance:,.2f} AED"


@click.command
def demo() -> int:
    """Send an invented table to the embedded sandbox.

    No message leaves this machine.
    """
    import d7nb  # noqa: PLC0415  (the demo uses the public face, as a user would)

    people = d7nb.read_table(io.StringIO(TABLE))
    print(
        f"d7nb {d7nb.__version__}: {len(people)} rows, sent to the embedded sandbox. No message leaves this machine.\n"
    )
    plan = people.d7.plan(d7nb.Text(TEMPLATE), to="phone", originator=ORIGINATOR, campaign="demo")
    print(plan, "\n")
    print(plan.preview(3), "\n")
    with TemporaryDirectory() as folder, d7nb.Sandbox() as sandbox, sandbox.client() as client:
        delivery = plan.send(client, ledger=Path(folder) / "demo.sqlite3", progress=False)  # it leaves no trace
    print(delivery, "\n")
    print(_as_table(delivery.frame))
    return DONE


def _as_table(frame: pd.DataFrame) -> str:
    """Return the columns that matter as text, numbers masked."""
    import pandas as pd  # noqa: PLC0415

    shown = pd.DataFrame(
        {
            "name": frame["name"].fillna(""),
            "recipient": [mask_number(number) if isinstance(number, str) else "" for number in frame["d7_recipient"]],
            "outcome": frame["d7_outcome"].astype("str"),
            "request_id": frame["d7_request_id"].fillna(""),
        }
    )
    return str(shown.to_string())
