"""The user's choice for held rows: which of the candidates is the number."""

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
"""What ``decided_by`` says of a row whose number the user chose."""


def chosen_numbers(numbers: pd.DataFrame, held: np.ndarray, rows: Any, choose: Any) -> dict[int, str]:
    """Return the number that the user chooses for each row, by the row's position.

    Args:
        numbers: What `check_numbers` says of each row's number.
        held: Positions of the rows that are held for their number.
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
    chosen_rows = held if rows is None else positions(rows, numbers)
    not_held = np.setdiff1d(chosen_rows, held)
    if len(not_held):
        raise PlanError(f"the row at position {not_held[0]} is not held, so its number can't be chosen; see plan.rows")
    candidates = numbers["candidates"]
    return {row: _choose(row, candidates.iloc[row], choose) for row in chosen_rows.tolist()}


def _choose(row: int, candidates: list[str], choose: Any) -> str:
    if not isinstance(choose, Mapping):
        return candidates[0]
    number = choose.get(row)
    if number not in candidates:
        shown = ", ".join(mask_number(candidate) for candidate in candidates)
        raise PlanError(
            f"the row at position {row}: give one of its candidates, {shown}; "
            'd7nb.check_numbers(frame["phone"])["candidates"] shows them unmasked, with country= as in the plan'
        )
    return str(number)


def with_released(numbers: pd.DataFrame, released: Mapping[int, str]) -> pd.DataFrame:
    """Return what `check_numbers` says of each row's number, with the user's choices in place.

    Args:
        numbers: The frame of `check_numbers`.
        released: The numbers chosen, by the rows' positions.
    """
    if not released:
        return numbers
    rows = np.fromiter(released, dtype=np.int64)
    verdict, sentence = CODES[RELEASED]
    new_values: dict[Hashable, Any] = {"recipient": list(released.values()), "verdict": verdict, "code": RELEASED}
    changed = numbers.copy()
    for name, value in new_values.items():
        array = numbers[name].array.copy()
        array[rows] = value
        changed[name] = array
    message = numbers["message"].array.copy()
    message = message if sentence in message.categories else message.add_categories([sentence])
    message[rows] = sentence
    return changed.assign(message=message)
