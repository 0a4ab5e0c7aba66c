"""Row keys: the hash by which the ledger recognises a row in a later run, and which is sent along in its reference.

A key is a hash of the recipe's version, the campaign, and either the user's ``key=`` columns or the recipient and the
content. It does not depend on originator, reference, report URL, schedule or destination.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.content.binding.cells import Cells, by_distinct
from d7nb.content.binding.text_columns import SEPARATOR
from d7nb.content.binding.values import Invalid, without_fraction
from d7nb.content.rendering import DIGEST_SIZE, digests_of
from d7nb.content.rules import TEXT
from d7nb.errors import PlanError
from d7nb.hints import Hint, Option
from d7nb.problems import Problem
from d7nb.recipients.variants import family
from d7nb.tables.arrays import take_rows

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


RECIPE = "d7nb-row-1"
"""The version of the recipe. Never change how keys are made: all rows in all ledgers would count as not sent."""

_SLICE = 32_768
"""The number of recipients that are converted together."""


def check_campaign(campaign: Any) -> None:
    """Check that a campaign's name is a text that is not empty.

    Raises:
        PlanError: It is not.
    """
    name = TEXT.convert(campaign) if isinstance(campaign, str) else None
    if not isinstance(name, str) or not name.strip():
        raise PlanError(
            Hint("a campaign's name is a text that is not empty, such as ", Option("campaign", "newsletter"))
        )


def keys_by_content(campaign: str, recipients: pd.Series[str], digests: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Make keys from each row's recipient and content.

    Args:
        campaign: The campaign's name.
        recipients: Each row's number, E.164; all national variants of a number give the same key.
        digests: Each row's content digest, ``uint8`` of shape (rows, 16); overwritten with the keys, to save memory.
        rows: Positions of the rows that get a key, in order.

    Returns:
        ``uint8`` of shape (rows, 16), zeros where there is no key.
    """
    hasher, keys = _hasher(campaign, "content"), np.require(digests, requirements=["C", "W"])
    contents = keys.view(f"V{DIGEST_SIZE}").ravel()
    for start in range(0, len(rows), _SLICE):
        part = rows[start : start + _SLICE]
        numbers = family(pd.Series(take_rows(recipients.array, part))).tolist()
        # All numbers are encoded together, as one by one is slower; the space ends the number before the content.
        joined = f" {SEPARATOR}".join(numbers) + " "
        people = joined.encode().split(SEPARATOR.encode())
        keys[part] = digests_of(map(add, people, contents[part].tolist()), hasher)
    if len(rows) < len(keys):
        without = np.ones(len(keys), dtype=bool)
        without[rows] = False
        keys[without] = 0
    return keys


def keys_by_columns(campaign: str, rows: Iterable[tuple[str, ...]]) -> np.ndarray:
    """Make keys from the texts of the user's ``key=`` columns.

    Args:
        campaign: The campaign's name.
        rows: Each row's texts, as `key_texts` gives them.

    Returns:
        ``uint8`` of shape (rows, 16).
    """
    return digests_of(map(orjson.dumps, rows), _hasher(campaign, "columns"))


def key_texts(frame: pd.DataFrame, names: Sequence[Hashable]) -> tuple[list[tuple[str, ...]], list[Problem]]:
    """Return the texts of each row's ``key=`` columns, and a problem for each empty or unusable cell.

    Args:
        frame: The user's table.
        names: The ``key=`` columns.
    """
    cells = Cells(frame, np.arange(len(frame)))
    columns = [by_distinct(_key_text, cells[name]) for name in names]
    problems = []
    for name, texts in zip(names, columns, strict=True):
        faults = [
            "the cell is empty" if text is None else text.message if isinstance(text, Invalid) else "" for text in texts
        ]
        rows = np.flatnonzero(faults)
        if len(rows):
            messages = [f"{faults[row]}, but this column tells rows apart" for row in rows]
            problems.append(
                Problem("bad_key", messages, "give every row a value in this column", column=name, rows=rows)
            )
    return list(zip(*columns, strict=True)), problems


def _key_text(value: Any) -> str | Invalid:
    """Return a cell's text without surrounding spaces; 1.0 becomes ``1``, as pandas reads it beside an empty cell."""
    text: str | Invalid = TEXT.convert(without_fraction(value))
    return text if isinstance(text, Invalid) else text.strip()


def _hasher(campaign: str, method: str) -> Any:
    """Return a hash object that has taken in what all keys of a campaign share."""
    return blake2b(orjson.dumps([RECIPE, method, campaign]), digest_size=DIGEST_SIZE)
