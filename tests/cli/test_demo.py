"""The story of the README in code: a spreadsheet of customers, and each gets a WhatsApp message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import d7nb
from d7nb import Text

if TYPE_CHECKING:
    from pathlib import Path

CUSTOMERS = """\
phone,name,balance,note
+1 202 555 0123,Ali,1234.5,as people write it
12025550124.0,Sara,0,as a spreadsheet writes it
0491 570 006,Žofie,-7.25,as Australians write it
1.20256E+10,Omar,3,digits are gone
+12025550126,,12,nobody knows the name
+12025550127,Yusuf,lots,no number
+12025550123,Ali,1234.5,the first row again
"""


def test_from_a_spreadsheet_to_messages_and_back(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(CUSTOMERS, encoding="utf-8-sig")

    people = d7nb.read_table(file)
    plan = people.d7.plan(
        Text("Hi {name}, your balance is {balance:,.2f} AED"),
        to="phone",
        originator="+12025550100",
        campaign="balance-2026-11",
        country="AU",
    )

    assert plan.summary == {"ready": 3, "invalid": 3, "held": 0, "skipped": 1}
    errors = plan.problems[plan.problems["severity"] == "error"]
    assert errors[["row", "column"]].values.tolist() == [[3, "phone"], [4, "name"], [5, "balance"]]
    warnings = plan.problems[plan.problems["severity"] == "warning"]
    assert warnings["code"].tolist() == ["plus_assumed"]  # bare digits out of the spreadsheet
    assert "3 of 7 rows would be sent" in plan._repr_html_()
    shown = plan.preview(n=3)
    assert "Hi Ali, your balance is 1,234.50 AED" in shown.frame["text"].tolist()
    assert "+12025550123" not in repr(shown)

    with d7nb.Sandbox() as sandbox, sandbox.client() as client:
        delivery = plan.send(client, confirm=3)
        messages = sandbox.messages

    said = [content["text"]["body"] for content in messages["content"]]
    assert dict(zip(messages["recipient"], said, strict=True)) == {
        "+12025550123": "Hi Ali, your balance is 1,234.50 AED",
        "+12025550124": "Hi Sara, your balance is 0.00 AED",
        "+61491570006": "Hi Žofie, your balance is -7.25 AED",
    }
    keys = [reference["message_tag5"] for reference in messages["reference"]]
    assert len(set(keys)) == 3

    frame = delivery.frame
    assert frame[list(people.columns)].equals(people)
    assert frame["d7_outcome"].tolist() == [*["accepted"] * 3, *["invalid"] * 3, "skipped"]
    assert frame["d7_request_id"].tolist()[:3] == [messages["request_id"].iloc[0]] * 3
    assert frame.loc[frame["d7_outcome"] != "accepted", ["d7_reason", "d7_decided_by"]].notna().all(axis=None)
    assert delivery.requests[["outcome", "rows"]].values.tolist() == [["accepted", 3]]
    assert repr(delivery).startswith("Delivery of 7 rows: 3 accepted")

    frame.to_csv(tmp_path / "sent.csv", index=False)
    again = d7nb.read_table(tmp_path / "sent.csv")
    assert again["d7_outcome"].tolist() == frame["d7_outcome"].tolist()
    assert again.d7.plan(Text("Hi {name}"), to="phone", originator="+12025550100").summary["ready"] == 3
