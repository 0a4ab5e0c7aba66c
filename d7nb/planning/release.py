"""A person's word on held rows: which of the candidates it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.errors import PlanError
from d7nb.privacy import mask_number
from d7nb.recipients.codes import CODES
from d7nb.tables.frames import positions

if TYPE_CHECKING:
    from collections.abc import Hashable


RELEASED = "released"


def chosen_numbers(numbers: pd.DataFrame, held: np.ndarray, rows: Any, choose: Any) -> dict[int, str]:
    """Which number each released row gets.

    Args:
        numbers: What `check_numbers` found.
        held: Positions of the rows that wait for a word.
        rows: Positions, or a mask over all rows; None for all that are held.
        choose: ``"first"``, or a number for each row by its position.

    Raises:
        PlanError: A row is not held, or a number is none of its candidates.
    """
    if isinstance(choose, pd.Series):
        choose = choose.to_dict()
    if isinstance(choose, Mapping):
        rows = list(choose) if rows is None else rows
    elif choose != "first":
        raise PlanError(f"choose= takes 'first', or a number for each row such as {{3: '+5511...'}}, not {choose!r}")
    wanted = held if rows is None else positions(rows, numbers)
    strangers = np.setdiff1d(wanted, held)
    if len(strangers):
        raise PlanError(
            f"the row at position {strangers[0]} is not held, so there is nothing to release; see plan.rows"
        )
    given = {row: numbers["candidates"].iloc[row] for row in wanted.tolist()}
    return {row: _picked(row, known, choose) for row, known in given.items()}


def _picked(row: int, known: list[str], choose: Any) -> str:
    if not isinstance(choose, Mapping):
        return known[0]
    number = choose.get(row)
    if number not in known:
        shown = ", ".join(mask_number(each) for each in known)
        raise PlanError(f"the row at position {row}: choose one of its candidates in full, {shown}; see check_numbers")
    return str(number)


def with_released(numbers: pd.DataFrame, released: Mapping[int, str]) -> pd.DataFrame:
    """What `check_numbers` found, with a person's choices in place of the rows they decided."""
    if not released:
        return numbers
    rows = np.fromiter(released, dtype=np.int64)
    verdict, sentence = CODES[RELEASED]
    changed: dict[Hashable, Any] = {"recipient": list(released.values()), "verdict": verdict, "code": RELEASED}
    made = numbers.copy()
    for name, value in changed.items():
        array = numbers[name].array.copy()
        array[rows] = value
        made[name] = array
    message = numbers["message"].array.copy()
    message = message if sentence in message.categories else message.add_categories([sentence])
    message[rows] = sentence
    return made.assign(message=message)
