"""The writing of what comes in after a send: statuses, inbound messages, opt-outs and what nobody could read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.store.consent import write_inbound, write_opt_outs
from d7nb.store.dead_letters import DeadLetter, keep, unmatched
from d7nb.store.request_state import wait_for_turn
from d7nb.store.status_updates import write_updates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from d7nb.api.inbound import InboundMessage
    from d7nb.api.statuses import StatusUpdate
    from d7nb.store.database import Database

_INCOMING_LOCK = 0x64376E63  # an advisory lock of PostgreSQL


def take_in(
    database: Database,
    destination: str,
    *,
    updates: Sequence[StatusUpdate] = (),
    inbound: Sequence[InboundMessage] = (),
    opt_outs: Sequence[InboundMessage] = (),
    aside: Sequence[DeadLetter] = (),
    at: datetime,
) -> int:
    """Write down what came in after a send, in one transaction; see `Store.take_in`."""
    destination_id, hash_recipients = database.make_destination_id(destination), database.hash_recipients
    with database.writing() as connection:
        wait_for_incoming(connection)
        unmatched_updates = write_updates(connection, destination_id, database.hashing, updates, at)
        write_inbound(connection, destination_id, hash_recipients, inbound, at)
        requests = [(message.sender, message.text, message.at) for message in opt_outs]
        write_opt_outs(connection, destination_id, hash_recipients, requests, stopped=True)
        keep(connection, [*aside, *map(unmatched, unmatched_updates)], at)
    return len(updates) - len(unmatched_updates)


def wait_for_incoming(connection: Connection) -> None:
    """Let whoever changes messages and statuses do so one after the other: two would wait for each other in turn."""
    wait_for_turn(connection, _INCOMING_LOCK)
