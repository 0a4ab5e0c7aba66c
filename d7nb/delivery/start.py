"""Start a send, or restore the delivery of an earlier one from the ledger: both return a `Delivery`."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.api.client import Client
from d7nb.api.destinations import destination_of
from d7nb.delivery.background import BackgroundSend
from d7nb.delivery.delivery import Delivery
from d7nb.delivery.eligibility import (
    check_eligibility,
    find_ready_states,
    resend_is,
    with_sent_rows_ready,
)
from d7nb.delivery.ledger_outcomes import outcomes_of_ready_rows
from d7nb.delivery.outcomes import OutcomeTable
from d7nb.delivery.refresh import load_follow_up
from d7nb.delivery.sending.ledger_writer import LedgerWriter
from d7nb.delivery.sending.loop import SendLoop
from d7nb.delivery.sending.queue import Canary
from d7nb.errors import ConfirmError, LedgerWarning, PlanError
from d7nb.hints import Call, Hint, Option
from d7nb.store.runs import LEEWAY, Run
from d7nb.store.store import open_campaign

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.delivery.delivery import LedgerOrLocation
    from d7nb.delivery.eligibility import Eligibility
    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.options import SendOptions
    from d7nb.delivery.sending.loop import SendTimeFilters
    from d7nb.delivery.sending.requests import RequestBuilder

_LONGEST_REQUEST = 3600.0
"""Seconds after which a request without an answer is in doubt, where its client has no time-out."""


def deliver(
    mailing: Mailing,
    client: Client,
    options: SendOptions,
    *,
    builder: RequestBuilder,
    send_time_filters: SendTimeFilters,
    ledger: LedgerOrLocation,
    after_send: Callable[[Delivery], list[str]],
) -> Delivery:
    """Start a send, and wait for its end unless the options say otherwise.

    Args:
        mailing: The plan's rows.
        client: Posts the requests.
        options: What the user asked of this send.
        builder: Makes the request bodies.
        send_time_filters: Called for each request just before it is claimed; returns the rows to skip.
        ledger: An open ledger, or the location of one.
        after_send: Called with the delivery when the send has ended; returns warnings.

    Raises:
        ConfirmError: ``confirm`` is not the number of rows to send.
        LedgerError: The ledger can't be used; nothing was sent.
        PlanError: The client is none, or ``resend`` makes no sense.
        Interrupted: The kernel was interrupted; requests in flight were finished first.
    """
    if not isinstance(client, Client):
        raise PlanError("send() needs a client: d7nb.Client(), or the client() of a sandbox")
    with ExitStack() as stack:
        campaign = stack.enter_context(
            open_campaign(ledger, client.destination, mailing.campaign, **mailing.campaign_options)
        )
        eligibility = check_eligibility(mailing, campaign, options.resend)
        _check_confirmed(options.confirm, eligibility)
        outcomes = OutcomeTable(mailing.verdicts)
        outcomes.update_from_ledger(eligibility.excluded, eligibility.excluded_outcomes)
        run = Run(
            campaign,
            lifetime=_request_lifetime(client),
            last_request_seen=eligibility.last_request_seen,
            adopts_recipe=eligibility.adopts_recipe,
        )
        unless_arrived = resend_is(options.resend, "failed")
        loop = SendLoop(
            builder,
            eligibility.to_send,
            client,
            outcomes,
            ledger=LedgerWriter(stack.enter_context(run), mailing, eligibility, unless_arrived=unless_arrived),
            send_time_filters=send_time_filters,
            split=options.split,
            canary=None if options.canary is None else Canary(options.canary, options.stop_if),
        )
        warning = None if client.is_local else campaign.database.warning  # the run's beginning may have added one
        if warning:
            warnings.warn(warning, LedgerWarning, stacklevel=4)
        send = BackgroundSend(loop, stack.pop_all(), after_send)
    delivery = Delivery(mailing, outcomes, ledger, client=client, send=send)
    if warning:
        delivery.warnings.append(warning)
    if options.wait:
        return delivery.wait(progress=options.progress)
    send.start(delivery)
    return delivery


def _check_confirmed(confirm: int | None, eligibility: Eligibility) -> None:
    """Check that the number of rows to send is the one that the user expects.

    Raises:
        ConfirmError: It is another number.
    """
    to_send, excluded = len(eligibility.to_send), len(eligibility.excluded)
    if confirm is None or confirm == to_send:
        return
    confirmed = f"{confirm!r} {'row' if confirm == 1 else 'rows'}"  # a text that looks like a number is shown as one
    parts: list[str | Call | Option] = [f"you confirmed {confirmed}, but {to_send:,} would be sent"]
    if excluded:
        were_sent = "was sent before or is" if excluded == 1 else "were sent before or are"
        show_why = Call("plan.delivery", arguments=("client",))
        parts += [f"; {excluded:,} {were_sent} held (", show_why, " shows why)"]
    parts += [". Nothing was sent. Check the plan"]
    parts += [", then give ", Option("confirm", to_send)] if to_send else []
    raise ConfirmError(Hint(*parts))


def _request_lifetime(client: Client) -> timedelta:
    """Return the time after which a request of this client can't be under way any more."""
    seconds = sum(_LONGEST_REQUEST if timeout is None else timeout for timeout in client.timeout)
    return timedelta(seconds=seconds) + LEEWAY


def restore_delivery(
    mailing: Mailing, ledger: LedgerOrLocation, client: Client | None, unsent_reason: str = "not sent yet"
) -> Delivery:
    """Return what the ledger knows of a plan's rows as a delivery; nothing is sent.

    Args:
        mailing: The plan's rows.
        ledger: An open ledger, or the location of one.
        client: Says where the rows were sent, the real API unless given; asks D7 if the delivery is refreshed.
        unsent_reason: The reason for rows that the ledger does not know.
    """
    with open_campaign(ledger, destination_of(client), mailing.campaign, **mailing.campaign_options) as campaign:
        mailing = with_sent_rows_ready(mailing, campaign)
        states = find_ready_states(mailing, campaign)
        outcomes = OutcomeTable(mailing.verdicts)
        outcomes.update_from_ledger(*outcomes_of_ready_rows(mailing, states))
        outcomes.close(unsent_reason)
        follow_up = load_follow_up(mailing, outcomes, campaign, states=states)
    return Delivery(mailing, outcomes, ledger, client=client, follow_up=follow_up)


def going(mailing: Mailing, ledger: LedgerOrLocation, client: Client | None, resend: Any) -> pd.Series:
    """Return which rows would be sent now, as a boolean for each row; the arguments are those of `Plan.going`."""
    with open_campaign(ledger, destination_of(client), mailing.campaign, **mailing.campaign_options) as campaign:
        eligibility = check_eligibility(mailing, campaign, resend)
    is_sent = np.zeros(len(mailing.frame), dtype=bool)
    is_sent[eligibility.to_send] = True
    return pd.Series(is_sent, index=mailing.frame.index, name="d7_going")
