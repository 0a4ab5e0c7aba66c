"""What makes a row the same row tomorrow: the key that the ledger knows it by and that travels in its reference.

A key is a hash of a recipe's version, the campaign, and either the user's own ``key=`` columns or the recipient and the
content. Originator, reference, report URL, schedule and destination are no part of it.
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
from d7nb.content.binding.values import Invalid
from d7nb.content.rendering import DIGEST_SIZE, digests_of
from d7nb.content.rules import TEXT
from d7nb.errors import PlanError
from d7nb.problems import Problem
from d7nb.recipients.variants import family
from d7nb.tables.arrays import take_rows

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


RECIPE = "d7nb-row-1"
"""Changing anything below means a new recipe, and every user's rows would be new people: don't."""

_PEOPLE = 32_768
"""How many numbers are looked at together: more than texts, since each look takes a while, and each number little."""


def check_campaign(campaign: Any) -> None:
    """Make sure that a campaign is a name that keys can be made of.

    Raises:
        PlanError: It is not.
    """
    name = TEXT.convert(campaign) if isinstance(campaign, str) else None
    if not isinstance(name, str) or not name.strip():
        raise PlanError("campaign is the name of the mailing, and a part of each row's identity: give it as a text")


def keys_by_content(campaign: str, recipients: pd.Series[str], digests: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Keys of rows that are known by whom they reach and what they say.

    Args:
        campaign: The user's name for the mailing.
        recipients: Each row's number, E.164; all national variants of one come to the same key.
        digests: Each row's content digest, ``uint8`` of shape (rows, 16). They give way to the keys: a million of
            either is as large as a column.
        rows: Positions of the rows that get a key, in order.

    Returns:
        ``uint8`` of shape (rows, 16), zeros where there is no key.
    """
    begun, keys = _begun(campaign, "content"), np.require(digests, requirements=["C", "W"])
    contents = keys.view(f"V{DIGEST_SIZE}").ravel()
    for start in range(0, len(rows), _PEOPLE):
        part = rows[start : start + _PEOPLE]
        numbers = family(pd.Series(take_rows(recipients.array, part))).tolist()
        people = f"{f' {SEPARATOR}'.join(numbers)} ".encode().split(SEPARATOR.encode())
        keys[part] = digests_of(map(add, people, contents[part].tolist()), begun)
    if len(rows) < len(keys):
        without = np.ones(len(keys), dtype=bool)
        without[rows] = False
        keys[without] = 0
    return keys


def keys_by_columns(campaign: str, rows: Iterable[tuple[str, ...]]) -> np.ndarray:
    """Keys of rows that the user's own columns tell apart."""
    return digests_of(map(orjson.dumps, rows), _begun(campaign, "columns"))


def key_texts(frame: pd.DataFrame, names: Sequence[Hashable]) -> tuple[list[tuple[str, ...]], list[Problem]]:
    """Each row's ``key=`` columns as texts; an empty or unusable cell is a problem.

    Args:
        frame: The table.
        names: The columns.
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
            messages = [f"{faults[row]}, but it is the row's key" for row in rows]
            problems.append(Problem("bad_key", messages, "give each row a key", column=name, rows=rows))
    return list(zip(*columns, strict=True)), problems


def _key_text(value: Any) -> str | Invalid:
    """1 and 1.0 are one key: one empty cell is enough for pandas to make floats of a column. So are 'a' and 'a '."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text: str | Invalid = TEXT.convert(value)
    return text if isinstance(text, Invalid) else text.strip()


def _begun(campaign: str, method: str) -> Any:
    return blake2b(orjson.dumps([RECIPE, method, campaign]), digest_size=DIGEST_SIZE)
