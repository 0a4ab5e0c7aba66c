"""Other texts: a run holds people who got another row of its campaign after it had looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import bindparam, func, select, update

from d7nb.store.questions import hashes_table
from d7nb.store.recipes import BY_CONTENT
from d7nb.store.schema import IMPORTED, NOTHING_SENT, campaigns, decided, deciding, requests, rows, runs
from d7nb.store.statements import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.claims import Claim

ADOPT_RECIPE = (
    update(campaigns)
    .where(campaigns.c.id == bindparam("campaign_id"), campaigns.c.recipe.is_(None))
    .values(recipe=bindparam("new_recipe"))
)
"""Records how a campaign's rows are told apart, where that is not known."""
_not_locked = select(campaigns.c.id).where(campaigns.c.id == bindparam("campaign_id"))
_ADOPT_RECIPE_UNLESS_LOCKED = ADOPT_RECIPE.where(
    campaigns.c.id.in_(_not_locked.with_for_update(key_share=True, skip_locked=True))
)
_RECIPE = select(campaigns.c.recipe).where(campaigns.c.id == bindparam("campaign_id"))
_HAS_ROWS = select(select(rows.c.key).where(rows.c.campaign == bindparam("campaign_id")).exists())
_later_request = select(requests.c.id).where(
    requests.c.campaign == bindparam("campaign_id"),
    requests.c.id > bindparam("last_seen"),
    requests.c.run != bindparam("run"),
)
_LATER_REQUESTS = select(_later_request.exists())


class OtherTexts:
    """The watch of a run for texts that its people get from other runs.

    Args:
        campaign: The run's campaign.
        run: The run's id.
        last_request_seen: The number of the campaign's last request when the run looked.
    """

    def __init__(self, campaign: CampaignLedger, run: str, last_request_seen: int) -> None:
        self._campaign = campaign
        self._run = run
        self._last_request_seen = last_request_seen
        self._others_send = campaign.database.dialect == "postgresql"  # there, others write at the same time
        self._stored_recipe: str | None = None
        self._has_later_request = prepare(campaign.database.engine, _LATER_REQUESTS)

    def hold(
        self,
        connection: Connection,
        claim: Claim,
        persons: Sequence[bytes | None],
        known_requests: np.ndarray | None,
        is_own_key: Callable[[bytes], bool],
    ) -> None:
        """Hold the rows of a claim whose person got another text from another run since this one looked.

        Args:
            connection: In the claim's transaction.
            claim: The claim, whose request is written, and whose rows are not.
            persons: Each row's person, hashed.
            known_requests: For each row, the number of the last other text that the run knew of.
            is_own_key: Whether a key is one of the run's own rows.
        """
        recipe = self._recipe(connection, claim.campaign_id)
        rows_with_person = [row for row, person in enumerate(persons) if person is not None]
        if not rows_with_person or not self._others_may_have_sent(connection, claim):
            return
        known = np.zeros(len(persons), dtype=np.int64) if known_requests is None else known_requests
        asked = hashes_table(connection, [person for person in persons if person is not None])
        rows_of_person = (rows.c.campaign == claim.campaign_id) & (rows.c.person == asked.c.value)
        may_have_sent = deciding.c.outcome.is_(None) | deciding.c.outcome.not_in(NOTHING_SENT)
        query = (
            select(asked.c.position, rows.c.key, deciding.c.id, deciding.c.run, deciding.c.claimed_at)
            .select_from(asked.join(decided, rows_of_person).join(runs, runs.c.id == deciding.c.run))
            .where(deciding.c.run != self._run, may_have_sent)
        )
        if recipe != BY_CONTENT and recipe == self._campaign.recipe:  # then only what was sent otherwise counts
            query = query.where((deciding.c.code == IMPORTED) | (runs.c.recipe != recipe))
        contacts = [contact for contact in connection.execute(query).all() if not is_own_key(contact.key)]
        for position, _, number, run, claimed_at in contacts:
            row = rows_with_person[position]
            is_later = number > known[row]
            if is_later and known[row]:
                # What was split off an older request is no later one, though its number is.
                of_claim = requests.c.campaign == claim.campaign_id, requests.c.run == run
                oldest = select(func.min(requests.c.id)).where(*of_claim, requests.c.claimed_at == claimed_at)
                is_later = connection.execute(oldest).scalar_one() > known[row]
            if is_later:
                claim.hold(row)

    def _recipe(self, connection: Connection, campaign_id: int) -> str | None:
        """Return how the campaign's rows are told apart; where it has none yet, they are in this run's way."""
        if self._stored_recipe is None:  # once it is known, it never changes
            self._stored_recipe = connection.execute(_RECIPE, {"campaign_id": campaign_id}).scalar()
            if self._stored_recipe is None and not connection.execute(_HAS_ROWS, {"campaign_id": campaign_id}).scalar():
                values = {"campaign_id": campaign_id, "new_recipe": self._campaign.recipe}
                connection.execute(_ADOPT_RECIPE_UNLESS_LOCKED, values)  # who comes second need not wait for the first
                return self._campaign.recipe
        return self._stored_recipe

    def _others_may_have_sent(self, connection: Connection, claim: Claim) -> bool:
        """Return whether another run claimed anything since this one looked: mostly not, which costs little to ask."""
        if not self._others_send:
            values = {"campaign_id": claim.campaign_id, "last_seen": self._last_request_seen, "run": self._run}
            self._others_send = bool(self._has_later_request(connection, values).scalar())
            self._last_request_seen = claim.request
        return self._others_send
