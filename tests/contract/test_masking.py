"""No whole number in what d7nb prints, and no date or price mistaken for one."""

from __future__ import annotations

import pandas as pd
import pytest

import d7nb
from d7nb.privacy import mask_number, mask_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+12025550123", "+120••••••23"),
        ("call 2025550123!", "call 202•••••23!"),
        ("(202) 555-0123", "(202•••••23"),
        ("202.555.0123", "202•••••23"),
        ("12025550123.0", "120•••••••30"),
        ("+1\u00a0202\u00a0555\u00a00123", "+120••••••23"),
        ("5550123", "•••••23"),
        ("٠٥٦١٢٣٤٥٦٧", "٠٥٦•••••٦٧"),
        ("from 2026-11-23 09:00 to 2026-11-24", "from 2026-11-23 09:00 to 2026-11-24"),
        ("25.2048, 55.270812", "25.2048, 55.270812"),
        ("1,234,567.89 AED", "1,234,567.89 AED"),
        ("order 123456", "order 123456"),
        ('{"id": "wamid.HBgLMTIwMjU1NTAxMjMVAgASGBQ="}', '{"id": "wamid.•••"}'),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmVk was", "token ••• was"),
    ],
)
def test_numbers_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    "cell",
    ["+1/202/555/01245", "+1_202_555_0124", "+1\u2011202\u2011555\u20110124x", "1,202;555 0124", "1.2025550124E+10"],
)
def test_whatever_stands_between_the_digits_of_a_cell_that_should_be_a_number(cell: str) -> None:
    plan = d7nb.plan(pd.DataFrame({"phone": [cell + "x"]}), d7nb.Text("Hi"), to="phone", originator="+12025550100")
    (value,) = plan.problems["value"]
    assert sum(sign.isdigit() for sign in value) == 2
    assert value not in ("", None)
    assert "202" not in value.replace("•", "")[:-3]


def test_an_error_masks_what_it_quotes() -> None:
    with pytest.raises(d7nb.D7Error) as error:
        d7nb.Text("call +12025550123 {")
    assert "2025550123" not in str(error.value)


def test_short_numbers_keep_only_their_end() -> None:
    assert mask_number("12345") == "•••45"
    assert mask_number("") == ""
