"""The answer to a claim: which rows of a request a run may send, and why not the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from d7nb.hints import Hint, Option

if TYPE_CHECKING:
    from datetime import datetime

    from d7nb.store.request_state import Request

_OUTCOME_OF_REFUSED = {"accepted": "already_sent", "unknown": "unknown", None: "unsent"}
OTHER_TEXT = Hint(
    "already got another text in this campaign; ",
    Option("resend", "changed"),
    " sends this one too, and so does another ",
    Option("campaign"),
)


class Claim:
    """The answer of `Run.claim` for each row of a request; handed back to `Run.record`.

    Attributes:
        granted: Whether the run may send the row.
        outcome: Of the others: ``already_sent``, ``unknown``, ``unsent`` where a run is sending it at this moment, or
            ``held`` where the person got another text since this run began.
        reason: Of the others: why they were not granted.
        request_id: Of the others: the id of the request that sent them first, where D7 gave one.
        created_at: Of the others: D7's time of it, as given.
        open: Which of the granted rows are not recorded yet.
    """

    def __init__(self, keys: list[bytes], campaign_id: int) -> None:
        self.granted = np.ones(len(keys), dtype=bool)
        self.outcome: list[str | None] = [None] * len(keys)
        self.reason: list[str | None] = [None] * len(keys)
        self.request_id: list[str | None] = [None] * len(keys)
        self.created_at: list[str | None] = [None] * len(keys)
        self.open = np.zeros(len(keys), dtype=bool)
        self.keys = keys
        self.campaign_id = campaign_id
        self.request = 0

    def __repr__(self) -> str:
        return f"Claim({self.granted.sum()} of {len(self.granted)} rows granted, {self.open.sum()} not recorded)"

    def hold(self, row: int) -> None:
        """Refuse a row, since its person just got another text."""
        self.granted[row] = False
        self.outcome[row], self.reason[row] = "held", OTHER_TEXT

    def refuse(self, row: int, request: Request, at: datetime) -> None:
        """Refuse a row about which a request decides."""
        self.granted[row] = False
        self.outcome[row] = _OUTCOME_OF_REFUSED[request.outcome]
        self.reason[row] = request.explain(at)
        self.request_id[row], self.created_at[row] = request.request_id, request.created_at
