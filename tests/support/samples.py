"""Plans and deliveries for tests of displays: every content, every outcome, and hostile cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

import d7nb
from d7nb import Text, by_column
from tests.support.contents import CASES
from tests.support.plans import ORIGINATOR, PHONES

if TYPE_CHECKING:
    from d7nb.content import Content

HOSTILE = {
    "script": "<script>document.title = 'ran'</script>",
    "handler": '"><img src=x onerror="document.title=\'ran\'">',
    "link": "[go](javascript:document.title='ran') javascript:alert(1) <a href='javascript:alert(1)'>go</a>",
    "style": "</style><style>*{display:none}</style> {{ 7 * 7 }} {% raw %}",
    "ends": "</div></figure></td></table><h1>out</h1><!--",
    "turned": "invoice \u202efdp.exe\u202c and \u2066isolated",
    "hidden": "a\u200bb\u2060c\ufeffd \U000e0041\U000e0042 \x1b[31mred\x07",
    "arabic": "مرحبا *بك* 12.5 AED",
    "persian": "می\u200cخواهم",
    "emoji": "👨\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f 👍🏽",
    "stacked": "Z" + "\u0300\u0301\u0302\u0303\u0304" * 40 + "algo",
    "unbroken": "x" * 600,
    "markup": "*bold _both_* ~gone~ `code` ```more\ncode``` 5 * 3 * 2 snake_case_name",
}


def by_case() -> d7nb.Plan:
    """Return a plan with one row for every case of every content."""
    kinds: dict[str, Content] = {case.name: case.build(lambda value: value) for case in CASES}
    frame = pd.DataFrame({"phone": PHONES[: len(kinds)], "kind": list(kinds)})
    return d7nb.plan(frame, by_column("kind", kinds), to="phone", originator=ORIGINATOR)


def saying(*texts: Any, content: Content | None = None, **options: Any) -> d7nb.Plan:
    """Return a plan with a row for each of some texts."""
    frame = pd.DataFrame({"phone": PHONES[: len(texts)], "text": pd.Series(list(texts), dtype="object")})
    return d7nb.plan(frame, content or Text("{text}"), to="phone", originator=ORIGINATOR, **options)


def harmful() -> d7nb.Plan:
    """Return a plan whose column, campaign and cells are all hostile; no row is ready."""
    name = f"{HOSTILE['turned']} {HOSTILE['script']}"
    cells = pd.Series([*HOSTILE.values(), "a\ud83d", None], dtype="object")
    frame = pd.DataFrame({"phone": cells.fillna(PHONES[0]), name: cells})
    return d7nb.plan(frame, Text(d7nb.col(name)), to="phone", originator=ORIGINATOR, campaign=name)


def troubled() -> d7nb.Plan:
    """Return a plan with every verdict, several kinds of problems, and a filter that skips rows."""

    @d7nb.row_filter(register=False)
    def paid_already(rows: pd.DataFrame) -> pd.Series:
        return (rows["balance"] == 0).map({True: "nothing is owed"})

    frame = pd.DataFrame(
        {
            "phone": [*PHONES[:40], PHONES[0], "+5215512345678", "call me", *["none"] * 7, "1.20256E+10", PHONES[41]],
            "name": [*["Ali", "Sara", "Žofie", "مريم"] * 10, "Ali", *["Omar"] * 10, None],
            "balance": [*[12.5] * 35, *[0.0] * 5, *[12.5] * 12],
        }
    )
    content = Text("Hi {name}, your balance is {balance:,.2f} AED")
    return d7nb.plan(
        frame, content, to="phone", originator=ORIGINATOR, campaign="balance-2026-11", filters=[paid_already]
    )


def delivered(sandbox: d7nb.Sandbox) -> d7nb.Delivery:
    """Return a delivery with every outcome, after an earlier one of the same campaign."""
    phones = [*PHONES[:12], PHONES[0], "nobody", "+5215512345678"]
    frame = pd.DataFrame({"phone": phones, "name": "Ali"})
    now = frame.assign(name=["Ali", "Ali", "Sara", *["Ali"] * 12])
    with sandbox.client(rate=None, workers=1, batch_size=2) as client:
        d7nb.plan(frame.iloc[:3], Text("Hi {name}"), to="phone", originator=ORIGINATOR).send(client, progress=False)
        sandbox.fail_next("refuse", recipient=PHONES[5], named=False)
        sandbox.fail_next("status", code=429, retry_after=0)
        sandbox.fail_next("drop_after")
        sandbox.fail_next("delay", times=4, seconds=0)  # the next four requests succeed
        sandbox.fail_next("status", code=402)
        return d7nb.plan(now, Text("Hi {name}"), to="phone", originator=ORIGINATOR).send(client, progress=False)
