"""Import a list of people whom another tool wrote to, so that a campaign counts them as written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from d7nb.api.destinations import destination_of
from d7nb.delivery.number_columns import number_columns, read_numbers
from d7nb.delivery.row_keys import check_campaign, key_texts, keys_by_columns
from d7nb.errors import PlanError
from d7nb.hints import Hint, Option
from d7nb.problems import Problem
from d7nb.recipients.check import likeliest, number_problems
from d7nb.recipients.variants import family
from d7nb.store.recipes import recipe_of
from d7nb.store.sent_elsewhere import record_sent_elsewhere
from d7nb.tables.arrays import texts_of
from d7nb.tables.frames import frozen, listed, require

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from d7nb.api.client import Client
    from d7nb.store.store import Store


def import_sent(
    ledger: Store,
    frame: pd.DataFrame,
    campaign: str,
    *,
    to: Hashable,
    key: Hashable | Sequence[Hashable] | None,
    country: Any,
    at: datetime,
    client: Client | None,
) -> int:
    """Write down that people were written to; the arguments are those of `Ledger.import_sent`."""
    check_campaign(campaign)
    table, key_columns = frozen(frame), listed(key)
    require(table, [*key_columns, *number_columns(to, country)])
    numbers = read_numbers(table, to, country)
    texts, problems = key_texts(table, key_columns)
    _check_all_usable([*_number_problems(numbers, to), *problems])
    recipients = likeliest(numbers)
    keys = keys_by_columns(campaign, iter(texts)) if key_columns else None
    people = texts_of(family(recipients)).tolist()
    of_campaign = ledger.campaign(destination_of(client), campaign, recipe=recipe_of(key_columns))
    return record_sent_elsewhere(of_campaign, keys, people, recipients.tolist(), at=at)


def _number_problems(numbers: pd.DataFrame, to: Hashable) -> Iterator[Problem]:
    """Yield the problems of numbers that may be somebody else's, or nobody's."""
    yield from number_problems(numbers.where(numbers["verdict"] == "broken"), to)
    if len(bare := np.flatnonzero(numbers["code"] == "plus_assumed")):
        hint = Hint("write '+' and the country code, or give ", Option("country"))
        yield Problem("plus_assumed", "it is not clear which country the number belongs to", hint, column=to, rows=bare)


def _check_all_usable(problems: Sequence[Problem]) -> None:
    """Check that there is no problem.

    Raises:
        PlanError: There is one; a row that is left out would be written to.
    """
    if not problems:
        return
    first = problems[0]
    positions = np.unique(np.concatenate([problem.rows for problem in problems if problem.rows is not None]))
    rows_are = "1 row" if len(positions) == 1 else f"{len(positions):,} rows"
    assert first.rows is not None  # noqa: S101  (all problems of cells name their rows)
    where = f"{rows_are} can't be imported, so nothing was: row {first.rows[0]}, column {first.column!r}: "
    raise PlanError(Hint(where, first.sentence()))
