"""Which request of a row a status is about, where D7's id alone does not say it: a decision table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d7nb.api.statuses import ARRIVED
from d7nb.store.schema import NOTHING_SENT, RECORDED

if TYPE_CHECKING:
    from d7nb.api.statuses import StatusUpdate


class StoredRequest(NamedTuple):
    """A request that may have carried a row."""

    number: int
    request_id: str | None
    outcome: str | None


_ARRIVED = frozenset({"arrived"})
_NOT_FAILED = frozenset({"arrived", "under way"})  # any such status says that D7 has the message
_ANY_STATUS = frozenset({"arrived", "under way", "failed"})

_MISSING = frozenset({"missing"})
_NONE = frozenset({"missing", "missing, the other request has it"})
_SAME_OR_MISSING = frozenset({"same", "missing"})
_ANY_ID = frozenset({"same", "missing", "missing, the other request has it", "different"})

_IN_DOUBT, _SENDING = frozenset({"unknown"}), frozenset({"sending"})
_ANY_OUTCOME = frozenset({"sending", *RECORDED})
_MAY_BE_SENT = _ANY_OUTCOME - frozenset(NOTHING_SENT)


class _Rule(NamedTuple):
    """One line of the decision table of `Candidates.choose`: the request that it chooses, and what must be true.

    Attributes:
        chosen: The request that the update is about: the row's ``earlier_request`` or its ``last_request``.
        status: What the update's status may say: ``arrived``, ``failed``, or ``under way`` for all others.
        request_id: How the request's id may relate to the update's. A request that has an id of its own is no other's.
        outcome: The outcomes that the request may have; ``sending`` where none is recorded yet.
    """

    chosen: str
    status: frozenset[str]
    request_id: frozenset[str]
    outcome: frozenset[str]


_RULES = (
    # Delivered or read: the row counts as sent, by its last request.
    _Rule("last_request", status=_ARRIVED, request_id=_NONE, outcome=_IN_DOUBT),
    _Rule("last_request", status=_ARRIVED, request_id=_MISSING, outcome=_SENDING),
    # Otherwise, of two in doubt, it is the earlier request's, so that the row stays in doubt.
    _Rule("earlier_request", status=_ANY_STATUS, request_id=_SAME_OR_MISSING, outcome=_MAY_BE_SENT),
    _Rule("last_request", status=_ANY_STATUS, request_id=_SAME_OR_MISSING, outcome=_MAY_BE_SENT),
    _Rule("earlier_request", status=_NOT_FAILED, request_id=_SAME_OR_MISSING, outcome=_ANY_OUTCOME),
    _Rule("last_request", status=_NOT_FAILED, request_id=_SAME_OR_MISSING, outcome=_ANY_OUTCOME),
    # Delivered, under an id that the ledger does not have: take the last request.
    _Rule("last_request", status=_ARRIVED, request_id=_ANY_ID, outcome=_ANY_OUTCOME),
)
"""The first rule that fits decides; where none does, the update is about neither request."""


class Candidates(NamedTuple):
    """A row's campaign, and its requests: an earlier one that may have sent it, where there is one, and the last."""

    campaign_id: int
    earlier_request: StoredRequest | None
    last_request: StoredRequest

    def choose(self, update: StatusUpdate) -> str | None:
        """Return the name of the field whose request an update is about, by `_RULES`; None for neither."""
        status = "arrived" if update.status in ARRIVED else "failed" if update.status == "failed" else "under way"
        both = {"earlier_request": self.earlier_request, "last_request": self.last_request}
        requests = {name: request for name, request in both.items() if request is not None}
        has_same_id = update.request_id in {request.request_id for request in requests.values()}
        for rule in _RULES:
            request = requests.get(rule.chosen)
            if (
                request
                and status in rule.status
                and _relation(request.request_id, update.request_id, has_same_id) in rule.request_id
                and (request.outcome or "sending") in rule.outcome
            ):
                return rule.chosen
        return None


def _relation(request_id: str | None, update_id: str, has_same_id: bool) -> str:
    """Name how a request's id relates to an update's; see `_Rule`."""
    if request_id is None:
        return "missing, the other request has it" if has_same_id else "missing"
    return "same" if request_id == update_id else "different"
