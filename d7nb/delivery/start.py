"""Beginning a send, and telling what became of an earlier one: both give a `Delivery`."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.api.client import Client
from d7nb.api.destinations import destination_of
from d7nb.delivery.delivery import Delivery
from d7nb.delivery.eligibility import check_eligibility, look_up, recall, says, with_sent_rows_ready
from d7nb.delivery.outcomes import OutcomeTable
from d7nb.delivery.sending.claims import LedgerWriter
from d7nb.delivery.sending.loop import SendLoop
from d7nb.delivery.sending.queue import Canary
from d7nb.display.text import plural
from d7nb.errors import ConfirmError, LedgerWarning, PlanError
from d7nb.store.runs import LEEWAY, Run
from d7nb.store.store import open_campaign

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.delivery.delivery import Place
    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.sending.loop import SendTimeFilters
    from d7nb.delivery.sending.requests import RequestBuilder

_FOREVER = 3600.0
"""Seconds that a request may live whose client has no time-out; afterwards it is in doubt."""


def deliver(
    mailing: Mailing,
    client: Client,
    *,
    packer: RequestBuilder,
    recheck: SendTimeFilters,
    ledger: Place,
    resend: Any,
    confirm: int | None,
    progress: bool,
    wait: bool,
    split: bool,
    canary: int | None,
    stop_if: float,
    after_send: Callable[[Delivery], list[str]],
) -> Delivery:
    """Start a send, and wait for it if asked to; the arguments are those of `Plan.send`."""
    if not isinstance(client, Client):
        raise PlanError("send() needs a client: d7nb.Client(), or the client() of a sandbox")
    if (canary is not None and canary < 1) or not 0 <= stop_if <= 1:
        raise PlanError("canary= counts rows from 1, and stop_if= is a share from 0 to 1")
    if resend is True and confirm is None:
        raise ConfirmError("resend=True sends again to everybody: say confirm= with the number of rows to go")
    with ExitStack() as stack:
        campaign = stack.enter_context(open_campaign(ledger, client.destination, mailing.campaign))
        standing = check_eligibility(mailing, campaign, resend)
        if confirm is not None and confirm != len(standing.going):
            raise ConfirmError(_not_confirmed(confirm, len(standing.going), len(standing.kept)))
        if not client.is_local and campaign.database.warning:
            warnings.warn(campaign.database.warning, LedgerWarning, stacklevel=4)
        outcomes = OutcomeTable(mailing.verdicts)
        outcomes.recall(standing.kept, standing.told)
        lifetime = timedelta(seconds=sum(_FOREVER if limit is None else limit for limit in client.timeout)) + LEEWAY
        run = stack.enter_context(Run(campaign, lifetime=lifetime, last_request_seen=standing.seen))
        sending = SendLoop(
            packer,
            standing.going,
            client,
            outcomes,
            claims=LedgerWriter(run, mailing, standing.again, unless_arrived=says(resend, "failed")),
            recheck=recheck,
            split=split,
            canary=None if canary is None else Canary(canary, stop_if),
        )
        delivery = Delivery(
            mailing,
            outcomes,
            ledger,
            client=client,
            sending=sending,
            closing=stack.pop_all(),
            after_send=after_send,
        )
        if not client.is_local and campaign.database.warning:
            delivery.warnings.append(campaign.database.warning)
    if wait:
        return delivery.wait(progress=progress)
    with delivery._interruptible(sending):
        delivery._start()
    return delivery


def _not_confirmed(confirm: int, going: int, kept: int) -> str:
    why = f" ({plural(kept, 'row')} stay, as the ledger says; see plan.delivery)" if kept else ""
    return f"confirm={confirm!r}, but {plural(going, 'row')} would go{why}; nothing was sent. Look at the plan again"


def remembered(mailing: Mailing, ledger: Place, client: Client | None, why: str = "no run has come to it") -> Delivery:
    """What the ledger knows of rows, as a delivery; nothing is sent.

    Args:
        mailing: The rows.
        ledger: What knows.
        client: Says where they went, the real API unless given; asks D7 later, if asked to.
        why: What to say of rows that the ledger does not know.
    """
    with open_campaign(ledger, destination_of(client), mailing.campaign) as campaign:
        mailing = with_sent_rows_ready(mailing, campaign)
        found = look_up(mailing, campaign)
        rows, told = recall(mailing, *found)
        outcomes = OutcomeTable(mailing.verdicts)
        outcomes.recall(rows, told)
        outcomes.close(why)
        delivery = Delivery(mailing, outcomes, ledger, client=client)
        delivery._follow(campaign, found)
    return delivery


def going(mailing: Mailing, ledger: Place, client: Client | None, resend: Any) -> pd.Series:
    """Which rows would go now."""
    with open_campaign(ledger, destination_of(client), mailing.campaign) as campaign:
        standing = check_eligibility(mailing, campaign, resend)
    goes = np.zeros(len(mailing.frame), dtype=bool)
    goes[standing.going] = True
    return pd.Series(goes, index=mailing.frame.index, name="d7_going")
