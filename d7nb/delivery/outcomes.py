"""What became of each row of a plan, and of each request: the books of a send."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.tables.arrays import is_first
from d7nb.tables.coded_texts import CodedTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d7nb.api.responses import SendResponse
    from d7nb.delivery.mailing import Batch

OUTCOMES = ("accepted", "rejected", "unknown", "unsent", "already_sent", "invalid", "held", "skipped")
"""The words for what became of a row, in the order of their codes."""

COLUMNS = (
    *("d7_outcome", "d7_reason", "d7_decided_by", "d7_recipient", "d7_request_id", "d7_created_at"),
    *("d7_msg_id", "d7_status", "d7_status_reason", "d7_status_at"),
)
"""The columns of a delivery's own: an input frame's columns of these names, from an earlier delivery, are replaced."""

REQUEST_COLUMNS = ("request_id", "created_at", "outcome", "rows", "originator", "status", "code", "attempts", "reason")

TAKEN_APART = "taken apart"
"""What a request comes to that was refused as a whole, and whose rows went again in smaller ones."""

_NOT_TRIED = "not tried: the send has not come to it"
_ON_ITS_WAY = "on its way: D7 has not answered yet"
_LOST = "d7nb failed while D7's answer was awaited"


class LedgerOutcomes(NamedTuple):
    """What the ledger tells of some rows, a value for each, missing where there is nothing to tell."""

    outcome: np.ndarray
    reason: np.ndarray
    decided_by: np.ndarray
    request_id: np.ndarray
    created_at: np.ndarray

    def take(self, places: np.ndarray) -> LedgerOutcomes:
        """The same of some of the rows."""
        return LedgerOutcomes(*(column[places] for column in self))


class OutcomeTable:
    """Exactly one outcome per row, and one line per request; while one thread writes, others may read.

    Args:
        verdicts: The plan's word on each row; what is not ready keeps it, with reason and decider.
    """

    def __init__(self, verdicts: pd.DataFrame) -> None:
        outcomes = ["unsent" if verdict == "ready" else verdict for verdict in verdicts["verdict"].cat.categories]
        codes = np.array([OUTCOMES.index(outcome) for outcome in outcomes], dtype=np.int8)
        self._outcomes = CodedTexts(codes[verdicts["verdict"].cat.codes], OUTCOMES)
        self._reasons, self._deciders = CodedTexts.of(verdicts["reason"]), CodedTexts.of(verdicts["decided_by"])
        ready = np.flatnonzero(verdicts["verdict"] == "ready")
        self._reasons.fill(ready, _NOT_TRIED)
        self._deciders.fill(ready, "d7nb")
        self._request_of = np.full(len(verdicts), -1, dtype=np.int64)
        self._ids: list[tuple[str | None, str | None]] = []  # id and time of what `_request_of` points to
        self._requests: list[dict[str, Any]] = []
        self._lock = threading.RLock()

    def record(
        self,
        batch: Batch,
        outcome: str,
        answer: SendResponse,
        attempts: int,
        reasons: str | Sequence[str] | None = None,
    ) -> None:
        """Write down what a request came to, for its rows and for itself."""
        told = answer.error.message if answer.error else None
        with self._lock:
            self._request_of[batch.rows] = len(self._ids)
            self._ids.append((answer.request_id, answer.created_at))
            self.note(batch, outcome, answer, attempts)
            self.decide(batch.rows, outcome, reasons or told, "d7nb" if outcome in {"unknown", "unsent"} else "D7")

    def note(self, batch: Batch, outcome: str, answer: SendResponse, attempts: int) -> None:
        """Write down a request alone: its rows go again, each to its own outcome."""
        error = answer.error
        self._requests.append(
            {
                "request_id": answer.request_id,
                "created_at": answer.created_at,
                "outcome": outcome,
                "rows": len(batch.rows),
                "originator": batch.originator,
                "status": answer.status,
                "code": error.code if error else "",
                "attempts": attempts,
                "reason": error.message if error else "",
            }
        )

    def recall(self, rows: np.ndarray, told: LedgerOutcomes) -> None:
        """Write down what the ledger tells of rows: what earlier runs, other runs or a person made of them."""
        own = pd.factorize(told.request_id, use_na_sentinel=False)[0]
        first = np.flatnonzero(is_first(own))
        with self._lock:
            start = len(self._ids)
            self._ids += zip(told.request_id[first].tolist(), told.created_at[first].tolist(), strict=True)
            self._request_of[rows] = start + own
            self._outcomes.put(rows, told.outcome.tolist())
            self._reasons.put(rows, told.reason.tolist())
            self._deciders.put(rows, told.decided_by.tolist())

    def decide(self, rows: np.ndarray, outcome: str, reason: str | Sequence[str] | None, decider: str) -> None:
        """Give rows their outcome."""
        with self._lock:
            self._outcomes.fill(rows, outcome)
            self._deciders.fill(rows, None if outcome == "accepted" else decider)
            if reason is None or isinstance(reason, str):
                self._reasons.fill(rows, reason)
            else:
                self._reasons.put(rows, reason)

    def mark_in_flight(self, rows: np.ndarray) -> None:
        """Say of rows that their request is leaving: from now on they may have gone out."""
        self.decide(rows, "unknown", _ON_ITS_WAY, "d7nb")

    def mark_waiting(self, rows: np.ndarray) -> None:
        """Say of rows that their request did not go out after all, so that they wait again."""
        self.decide(rows, "unsent", _NOT_TRIED, "d7nb")

    def close(self, why: str) -> None:
        """Nothing more will come: say why of the rows that still wait for their turn, or for an answer."""
        with self._lock:
            self._reasons.fill(self._reasons.isin(_NOT_TRIED), f"not tried: {why}")
            self._reasons.fill(self._reasons.isin(_ON_ITS_WAY), _LOST)

    def rows_with(self, outcome: str) -> np.ndarray:
        """Positions of the rows that have an outcome."""
        return np.flatnonzero(self._outcomes.isin(outcome))

    def went(self) -> np.ndarray:
        """For each row, whether D7 accepted it, now or earlier."""
        return self._outcomes.isin("accepted", "already_sent")

    def request_ids(self) -> np.ndarray:
        """D7's id of each row's request; None where there is none."""
        with self._lock:
            ids = np.array([*(request_id for request_id, _ in self._ids), None], dtype=object)
            return ids[self._request_of]

    def accepted_at(self) -> np.ndarray:
        """When D7 accepted each row's request, by its own time, ``datetime64`` in UTC; NaT where that is not known."""
        with self._lock:
            texts = pd.Series([created_at for _, created_at in self._ids], dtype="str")
            times = _times(texts).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
            return np.append(times, np.datetime64("NaT"))[self._request_of]

    def decided_by(self, decider: str) -> np.ndarray:
        """Positions of the rows that somebody decided about."""
        with self._lock:
            return np.flatnonzero(self._deciders.isin(decider))

    def count(self) -> dict[str, int]:
        """How many rows have each outcome."""
        return self._outcomes.count()

    def reasons(self) -> list[tuple[str, str, str, int]]:
        """Outcome, who decided it, reason and how many rows, the most frequent first."""
        with self._lock:
            told = pd.DataFrame(
                {
                    "outcome": self._outcomes.array(),
                    "decided_by": self._deciders.array(),
                    "reason": self._reasons.array(),
                }
            )
        told = told.dropna(subset="reason").fillna({"decided_by": ""})
        counts = told.value_counts(["outcome", "decided_by", "reason"]).reset_index()
        return list(zip(*(counts[name].tolist() for name in counts), strict=True))

    def tally(self) -> tuple[int, int, int]:
        """How many requests there were, how many were tried again, and how many were taken apart."""
        done = list(self._requests)
        tried_again = sum(request["attempts"] > 1 for request in done)
        return len(done), tried_again, sum(request["outcome"] == TAKEN_APART for request in done)

    def requests(self) -> pd.DataFrame:
        """One row per request that came to an end, in that order."""
        frame = pd.DataFrame(list(self._requests), columns=list(REQUEST_COLUMNS))
        kinds = {"rows": "int64", "attempts": "int64", "status": "Int64"}
        return frame.astype(dict.fromkeys(set(REQUEST_COLUMNS) - kinds.keys(), "str") | kinds)

    def columns(self, recipients: pd.Series) -> dict[str, Any]:
        """The columns that are joined to the user's frame, by position."""
        with self._lock:
            ids = pd.DataFrame(self._ids, columns=["request_id", "created_at"]).astype("str")
            return {
                "d7_outcome": self._outcomes.categorical(),
                "d7_reason": self._reasons.array(),
                "d7_decided_by": self._deciders.array(),
                "d7_recipient": recipients.array,
                "d7_request_id": _taken(ids["request_id"], self._request_of),
                "d7_created_at": _taken(_times(ids["created_at"]), self._request_of),
            }


def _taken(values: pd.Series, places: np.ndarray) -> Any:
    """Each row's value of its request, missing where it has none."""
    return values.array.take(places, allow_fill=True)


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
