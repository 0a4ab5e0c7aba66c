"""The table of a send's outcomes: one for each row of the plan, and one for each request."""

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
"""All outcomes that a row can have, in the order of their codes."""

_OUTCOME_COLUMNS = ("d7_outcome", "d7_reason", "d7_decided_by", "d7_recipient", "d7_request_id", "d7_created_at")
STATUS_COLUMNS = ("d7_msg_id", "d7_status", "d7_status_reason", "d7_status_at")
COLUMNS = (*_OUTCOME_COLUMNS, *STATUS_COLUMNS)
"""The columns that a delivery adds to the input frame; columns that already have these names are replaced."""

REQUEST_COLUMNS = ("request_id", "created_at", "outcome", "rows", "originator", "status", "code", "attempts", "reason")

TAKEN_APART = "taken apart"
"""The outcome of a request that was refused as a whole, and whose rows were sent again in smaller requests."""


_NOT_TRIED = "not tried yet: its turn has not come"
_ON_ITS_WAY = "being sent: D7 has not answered yet"
_LOST = "d7nb failed before D7 answered"


class LedgerOutcomes(NamedTuple):
    """What the ledger knows about some rows: a value for each, None where there is none.

    Attributes:
        outcome: One of `OUTCOMES`.
        reason: The reason for the outcome.
        decided_by: Who decided: ``ledger``, ``D7``, ``d7nb``, or a person (``settled``).
        request_id: D7's id of the request.
        created_at: D7's time of the request, as given.
    """

    outcome: np.ndarray
    reason: np.ndarray
    decided_by: np.ndarray
    request_id: np.ndarray
    created_at: np.ndarray

    def take(self, indices: np.ndarray) -> LedgerOutcomes:
        """Return the values of some of the rows."""
        return LedgerOutcomes(*(column[indices] for column in self))


class OutcomeTable:
    """Exactly one outcome for each row, and one record for each request; one thread may write while others read.

    Args:
        verdicts: The plan's rows; rows that are not ready keep their verdict as outcome, with its reason and decider.
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
        self._ids: list[tuple[str | None, str | None]] = []  # D7's id and time, by the index in `_request_of`
        self._requests: list[dict[str, Any]] = []
        self._lock = threading.RLock()

    def record(
        self,
        batch: Batch,
        outcome: str,
        response: SendResponse,
        attempts: int,
        reasons: str | Sequence[str] | None = None,
    ) -> None:
        """Record a request and the outcome of its rows; the reason is the answer's error message unless given."""
        error_message = response.error.message if response.error else None
        decider = "d7nb" if outcome in {"unknown", "unsent"} else "D7"
        with self._lock:
            self._request_of[batch.rows] = len(self._ids)
            self._ids.append((response.request_id, response.created_at))
            self.record_request(batch, outcome, response, attempts)
            self.set_outcome(batch.rows, outcome, reasons or error_message, decider)

    def record_request(self, batch: Batch, outcome: str, response: SendResponse, attempts: int) -> None:
        """Record a request without the outcome of its rows, since they are sent again."""
        error = response.error
        self._requests.append(
            {
                "request_id": response.request_id,
                "created_at": response.created_at,
                "outcome": outcome,
                "rows": len(batch.rows),
                "originator": batch.originator,
                "status": response.status,
                "code": error.code if error else "",
                "attempts": attempts,
                "reason": error.message if error else "",
            }
        )

    def update_from_ledger(self, rows: np.ndarray, known: LedgerOutcomes) -> None:
        """Set the outcomes of rows to what the ledger knows, from this run, other runs or a person.

        Args:
            rows: Positions of the rows.
            known: Their outcomes in the ledger, in the same order.
        """
        request_codes = pd.factorize(known.request_id, use_na_sentinel=False)[0]
        first = np.flatnonzero(is_first(request_codes))
        with self._lock:
            start = len(self._ids)
            self._ids += zip(known.request_id[first].tolist(), known.created_at[first].tolist(), strict=True)
            self._request_of[rows] = start + request_codes
            self._outcomes.put(rows, known.outcome.tolist())
            self._reasons.put(rows, known.reason.tolist())
            self._deciders.put(rows, known.decided_by.tolist())

    def set_outcome(self, rows: np.ndarray, outcome: str, reason: str | Sequence[str] | None, decider: str) -> None:
        """Set the outcome of rows, with one reason for all or one for each."""
        with self._lock:
            self._outcomes.fill(rows, outcome)
            self._deciders.fill(rows, None if outcome == "accepted" else decider)
            if reason is None or isinstance(reason, str):
                self._reasons.fill(rows, reason)
            else:
                self._reasons.put(rows, reason)

    def mark_in_flight(self, rows: np.ndarray) -> None:
        """Mark rows as ``unknown`` while their request is posted: from now on it may reach D7."""
        self.set_outcome(rows, "unknown", _ON_ITS_WAY, "d7nb")

    def mark_waiting(self, rows: np.ndarray) -> None:
        """Mark rows as ``unsent`` again, since their request was not sent after all."""
        self.set_outcome(rows, "unsent", _NOT_TRIED, "d7nb")

    def close(self, reason: str) -> None:
        """Give their final reasons to the rows that were not sent, and to those not answered, when the send ended."""
        with self._lock:
            self._reasons.fill(self._reasons.isin(_NOT_TRIED), reason)
            self._reasons.fill(self._reasons.isin(_ON_ITS_WAY), _LOST)

    def rows_with(self, outcome: str) -> np.ndarray:
        """Return the positions of the rows that have this outcome."""
        return np.flatnonzero(self._outcomes.isin(outcome))

    def is_accepted(self) -> np.ndarray:
        """Return for each row whether D7 accepted it, in this send or an earlier one."""
        return self._outcomes.isin("accepted", "already_sent")

    def request_ids(self) -> np.ndarray:
        """Return D7's id of each row's request; None where there is none."""
        with self._lock:
            ids = np.array([*(request_id for request_id, _ in self._ids), None], dtype=object)
            return ids[self._request_of]

    def accepted_at(self) -> np.ndarray:
        """Return D7's time of each row's request, ``datetime64`` in UTC; NaT where it is not known."""
        with self._lock:
            texts = pd.Series([created_at for _, created_at in self._ids], dtype="str")
            times = _times(texts).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
            return np.append(times, np.datetime64("NaT"))[self._request_of]

    def rows_decided_by(self, decider: str) -> np.ndarray:
        """Return the positions of the rows whose outcome this decider set."""
        with self._lock:
            return np.flatnonzero(self._deciders.isin(decider))

    def count(self) -> dict[str, int]:
        """Count the rows of each outcome."""
        return self._outcomes.count()

    def reasons(self) -> list[tuple[str, str, str, int]]:
        """Return each distinct outcome, decider and reason with its number of rows, the most frequent first."""
        with self._lock:
            rows = np.flatnonzero(self._reasons.codes >= 0)
            columns = self._outcomes, self._deciders, self._reasons
            codes = [column.codes[rows].astype(np.int64) for column in columns]
            texts = [[*column.texts, ""] for column in columns]  # code -1, of a row without a text, is the last
        # One number for each combination: counting numbers takes a tenth of the time of counting rows of texts.
        sizes = tuple(map(len, texts))
        numbers = np.ravel_multi_index([code % size for code, size in zip(codes, sizes, strict=True)], sizes)
        distinct, counts = np.unique(numbers, return_counts=True)
        combinations = zip(*np.unravel_index(distinct, sizes), strict=True)
        reasons = [
            (texts[0][outcome], texts[1][decider], texts[2][reason], int(count))
            for (outcome, decider, reason), count in zip(combinations, counts, strict=True)
        ]
        return sorted(reasons, key=lambda reason: (-reason[3], reason[:3]))

    def request_counts(self) -> tuple[int, int, int]:
        """Return the number of requests made, of those tried again, and of those taken apart."""
        requests = list(self._requests)
        tried_again = sum(request["attempts"] > 1 for request in requests)
        return len(requests), tried_again, sum(request["outcome"] == TAKEN_APART for request in requests)

    def requests(self) -> pd.DataFrame:
        """Return a frame with a row for each request that has ended, in the order in which they ended."""
        frame = pd.DataFrame(list(self._requests), columns=list(REQUEST_COLUMNS))
        dtypes = {"rows": "int64", "attempts": "int64", "status": "Int64"}
        return frame.astype(dict.fromkeys(set(REQUEST_COLUMNS) - dtypes.keys(), "str") | dtypes)

    def columns(self, recipients: pd.Series) -> dict[str, Any]:
        """Return the columns that are joined to the user's frame, by position.

        Args:
            recipients: Each row's number.
        """
        with self._lock:
            ids = pd.DataFrame(self._ids, columns=["request_id", "created_at"]).astype("str")
            values = (
                *(self._outcomes.categorical(), self._reasons.array(), self._deciders.array(), recipients.array),
                _take_or_missing(ids["request_id"], self._request_of),
                _take_or_missing(_times(ids["created_at"]), self._request_of),
            )
        return dict(zip(_OUTCOME_COLUMNS, values, strict=True))


def _take_or_missing(values: pd.Series, indices: np.ndarray) -> Any:
    """Return the values at some indices, and a missing value for each index of -1."""
    return values.array.take(indices, allow_fill=True)


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
