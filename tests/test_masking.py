"""No whole number in what d7nb prints, and no date or price mistaken for one."""

from __future__ import annotations

import pytest

from d7nb.masking import mask_number, mask_text


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
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmVk was", "token ••• was"),
    ],
)
def test_numbers_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_short_numbers_keep_only_their_end() -> None:
    assert mask_number("12345") == "•••45"
    assert mask_number("") == ""
