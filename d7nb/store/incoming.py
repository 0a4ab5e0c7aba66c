"""What comes in after a send, written in one transaction: statuses, messages of people, opt-outs, what is put aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.store.consent import write_inbound, write_opt_outs
from d7nb.store.dead_letters import DeadLetter, keep, unmatched
from d7nb.store.status_updates import write_updates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from d7nb.api.statuses import InboundMessage, StatusUpdate
    from d7nb.store.database import Database


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
    """Write down what came in after a send; see `Store.take_in`."""
    place, people = database.make_destination_id(destination), database.people
    with database.writing() as connection:
        strays = write_updates(connection, place, people, updates, at)
        write_inbound(connection, place, people, inbound, at)
        said = [(each.sender, each.text, each.at) for each in opt_outs]
        write_opt_outs(connection, place, people, said, stopped=True)
        keep(connection, [*aside, *map(unmatched, strays)], at)
    return len(updates) - len(strays)
