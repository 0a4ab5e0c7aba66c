"""The guess which column of a table holds the phone numbers, from column names and cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from d7nb.content.binding.cells import blanks_to_none
from d7nb.recipients.check import check_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

SAMPLE = 200
"""Rows of a column that are checked."""
_PHONE_NAMES = re.compile(
    r"phone|mobile|\bmob\b|cell|msisdn|whats|recipient|\btel\b|telefon|telephone|handy|celular|m[oó]vil|numero|número|"
    r"هاتف|جوال|موبايل|رقم|फ़ोन|电话|手机|電話",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d")
_MIN_DIGITS = 7
_NAME_BONUS = 0.3


def guess_recipient(frame: pd.DataFrame, country: str | None = None) -> Hashable | None:
    """Return the column that most likely holds the recipients' numbers; None where no column looks like it.

    Args:
        frame: The table.
        country: The region of numbers without a country code.

    Example:
        >>> import pandas as pd
        >>> guess_recipient(pd.DataFrame({"id": [1, 2], "mobile": ["+12025550123", "+1 202 555 0124"]}))
        'mobile'
    """
    best, best_score = None, 0.0
    for position, name in enumerate(frame.columns):
        score = _score(frame.iloc[:, position], name, country)
        if score > best_score:
            best, best_score = name, score
    return best


def _score(column: pd.Series, name: Hashable, country: str | None) -> float:
    """Rate a column by the share of its cells that are phone numbers, with a bonus for its name."""
    bonus = _NAME_BONUS * bool(_PHONE_NAMES.search(str(name)))
    cells = column.iloc[:SAMPLE]
    texts = [str(cell) for cell in blanks_to_none(cells.astype("object").where(cells.notna(), None).tolist()) if cell]
    if not texts:
        return bonus
    digits = [len(_DIGITS.findall(text)) for text in texts]
    if np.mean([count >= _MIN_DIGITS for count in digits]) < 0.5:
        return bonus if max(digits) >= _MIN_DIGITS else 0.0
    verdicts = check_numbers(cells, country=country)["verdict"]
    share = float(verdicts.isin(["ok", "fixed", "ambiguous"]).sum()) / len(texts)
    return share + bonus
