"""Join what the ledger knows of a campaign onto any table, by the plan's key columns or by the recipient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.api.destinations import destination_of
from d7nb.content.rendering import DIGEST_SIZE
from d7nb.delivery.mailing import Mailing
from d7nb.delivery.number_columns import number_columns, read_numbers
from d7nb.delivery.row_keys import check_campaign, key_texts, keys_by_columns
from d7nb.delivery.start import restore_delivery
from d7nb.problems import Verdicts
from d7nb.recipients.check import likeliest, number_problems
from d7nb.recipients.variants import family
from d7nb.store.lookup import last_keys
from d7nb.tables.arrays import texts_of
from d7nb.tables.frames import frozen, listed, require

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery
    from d7nb.store.store import Store

_UNKNOWN_KEY = "the ledger knows of no row with this key in this campaign"
_UNKNOWN_NUMBER = "the ledger knows of no message to this number in this campaign"


def history(
    ledger: Store,
    frame: pd.DataFrame,
    campaign: str,
    *,
    to: Hashable,
    key: Hashable | Sequence[Hashable] | None,
    country: Any,
    client: Client | None,
    clock: Callable[[], datetime],
) -> Delivery:
    """Return what a ledger knows of a campaign as a delivery of any table; the arguments are `Ledger.delivery`'s."""
    check_campaign(campaign)
    table, key_columns = frozen(frame), listed(key)
    has_numbers = to in table.columns
    require(table, [*key_columns, *(number_columns(to, country) if has_numbers or not key_columns else [])])
    verdicts, keys = Verdicts(len(table)), np.zeros((len(table), DIGEST_SIZE), dtype=np.uint8)
    recipients = pd.Series(pd.array([None] * len(table), dtype="str"), index=table.index)
    if has_numbers:
        numbers = read_numbers(table, to, country)
        recipients = likeliest(numbers)
        broken = numbers.where(numbers["verdict"] == "broken")
        verdicts.judge("numbers", [] if key_columns else number_problems(broken, to))
    texts, problems = key_texts(table, key_columns)
    verdicts.judge("key", problems)
    ready = verdicts.ready
    if key_columns:
        keys[ready] = keys_by_columns(campaign, (texts[row] for row in ready))
    else:
        people = texts_of(family(recipients.take(ready))).tolist()
        keys[ready] = last_keys(ledger.campaign(destination_of(client), campaign, recipe=None), people)
    mailing = Mailing(
        frame=table,
        verdicts=verdicts.frame(table.index, recipients),
        campaign=campaign,
        keys=keys,
        keyed=ready,
        recipe=None,
        clock=clock,
        keys_are_hashed=not key_columns,
    )
    return restore_delivery(mailing, ledger, client, _UNKNOWN_KEY if key_columns else _UNKNOWN_NUMBER)
