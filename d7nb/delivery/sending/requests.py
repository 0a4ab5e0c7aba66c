"""Turn ready rows into request bodies: rows with the same content share a message, and messages share a request.

All messages of a request have one originator, so that D7's answer about an originator concerns all of them, and one
schedule, since D7 reads it from the request and not from a message (D7 API docs, "Send Free-form Whatsapp Messages").
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from d7nb.content.binding.text_columns import JoinedTexts
from d7nb.content.rendering import SLICE, Renderer
from d7nb.delivery.mailing import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RequestBuilder:
    """Makes the request bodies of a plan's ready rows.

    Args:
        renderers: One for each content in the plan; makes the content objects.
        renderer_of: For each row of the frame, the index of its renderer.
        contents: For each row, a number that rows with the same filled-in content share.
        routings: Each distinct routing in D7's field names: originator, report_url, schedule_time.
        routing_of: For each row, the index of its routing.
        recipients: Makes the recipient objects.
    """

    def __init__(
        self,
        *,
        renderers: Sequence[Renderer],
        renderer_of: np.ndarray,
        contents: np.ndarray,
        routings: Sequence[dict[str, str]],
        routing_of: np.ndarray,
        recipients: Renderer,
    ) -> None:
        self._renderers = renderers
        self._renderer_of = renderer_of
        self._contents = contents
        self._routings = routings
        self._routing_of = routing_of
        self._recipients = recipients
        shared = [(routing["originator"], routing.get("schedule_time")) for routing in routings]
        shared_codes = pd.factorize(pd.Series(shared, dtype="object"))[0]
        self._request_group_of_routing = shared_codes.astype(routing_of.dtype)
        self._wrappings = [_wrapping_of(routing) for routing in routings]

    def batches(self, rows: np.ndarray, size: int) -> list[Batch]:
        """Bring the rows of a message together, and divide all rows into requests.

        Args:
            rows: Positions of ready rows.
            size: The most recipients in one request.

        Returns:
            Batches in the order in which to send them: that of the rows, as far as grouping allows.
        """
        group_codes, contents = self._request_group_of_routing[self._routing_of[rows]], self._contents[rows]
        if group_codes.any() or (contents[1:] <= contents[:-1]).any():  # else no two rows share a message
            order = np.lexsort((self._first_with_same_message(rows), group_codes))
            rows, group_codes = rows[order], group_codes[order]
        groups = np.split(rows, np.flatnonzero(np.diff(group_codes)) + 1)
        return [
            Batch(group[start : start + size], self._routings[self._routing_of[group[0]]]["originator"])
            for group in groups
            for start in range(0, len(group), size)
        ]

    def _first_with_same_message(self, rows: np.ndarray) -> np.ndarray:
        """Return for each of these rows the index among them of the first row that has the same message."""
        messages = self._contents[rows]
        if len(self._routings) > 1:
            messages = pd.factorize(messages * np.int64(len(self._routings)) + self._routing_of[rows])[0]
        indices = np.arange(len(rows), dtype=np.int32)
        first_of_message = np.empty(messages.max(initial=-1) + 1, dtype=np.int32)
        first_of_message[messages[::-1]] = indices[::-1]  # of repeated indices, the last assignment stays
        first: np.ndarray = first_of_message[messages]
        return first

    def bodies(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, bytes]]:
        """Make the JSON of each batch; the batches are rendered together, up to `SLICE` rows at a time."""
        start = 0
        while start < len(batches):
            stop, count = start, 0
            while stop < len(batches) and (count == 0 or count + len(batches[stop].rows) <= SLICE):
                count += len(batches[stop].rows)
                stop += 1
            yield from self._render(batches[start:stop])
            start = stop

    def body(self, batch: Batch) -> bytes:
        """Make the JSON of one batch."""
        return next(self.bodies([batch]))[1]

    @property
    def content_count(self) -> int:
        """The number of contents in the plan: one, or one for each kind of row."""
        return len(self._renderers)

    def content_of(self, rows: np.ndarray) -> np.ndarray:
        """Return for each row the index of its content among the plan's contents."""
        content_numbers: np.ndarray = self._renderer_of[rows]
        return content_numbers

    def by_originator(self, rows: np.ndarray) -> dict[str, int]:
        """Count the rows of each originator."""
        counts = np.bincount(self._routing_of[rows], minlength=len(self._routings)).tolist()
        row_counts: dict[str, int] = {}
        for routing, count in zip(self._routings, counts, strict=True):
            if not count:
                continue  # none of its rows is among these
            row_counts[routing["originator"]] = row_counts.get(routing["originator"], 0) + count
        return row_counts

    def schedule_of(self, row: int) -> str | None:
        """Return the time at which D7 is to send a row, in D7's form; None for at once."""
        routing = self._routings[int(self._routing_of[row])]
        return routing.get("schedule_time")

    def message_sizes(self, batch: Batch) -> list[int]:
        """Return the number of recipients of each message of a request, in order."""
        starts = self._message_starts([batch], batch.rows)
        return np.diff([*starts, len(batch.rows)]).tolist()  # type: ignore[no-any-return]

    def contents(self, rows: np.ndarray) -> list[str]:
        """Make the JSON of each row's content."""
        return list(self._contents_of(rows))

    def _contents_of(self, rows: np.ndarray) -> Sequence[str]:
        parts = [(renderer.fragments(rows[indices]), indices) for renderer, indices in self.by_content(rows)]
        if len(parts) == 1:
            return parts[0][0]
        fragments = np.empty(len(rows), dtype=object)
        for texts, indices in parts:
            fragments[indices] = list(texts)
        return fragments.tolist()

    def by_content(self, rows: np.ndarray) -> Iterator[tuple[Renderer, np.ndarray]]:
        """Return the renderer of each content that these rows have, with the indices of its rows among them."""
        content_numbers = self._renderer_of[rows]
        return (
            (self._renderers[number], np.flatnonzero(content_numbers == number))
            for number in np.unique(content_numbers)
        )

    def _render(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, bytes]]:
        """Render the requests of all batches as one text, and split it where each request ends."""
        rows = np.concatenate([batch.rows for batch in batches])
        starts = self._message_starts(batches, rows)
        routings = self._routing_of[rows[starts]].tolist()
        ends = [","] * len(starts)  # what follows each message
        request_stops = np.cumsum([len(batch.rows) for batch in batches])
        for last_message in (np.searchsorted(starts, request_stops) - 1).tolist():
            ends[last_message] = f"]{self._wrappings[routings[last_message]].request_end}}}{_CUT}{_BEGIN}"
        contents, recipients = self._contents_of(rows[starts]), _joined(self._recipients.fragments(rows), starts)
        if len(set(routings)) == 1:
            head, tail, _ = self._wrappings[routings[0]]
            messages = JoinedTexts([head, ',"recipients":[', f"]{tail}", ""], [contents, recipients, ends])
        else:
            heads, tails, _ = zip(*(self._wrappings[routing] for routing in routings), strict=True)
            columns = [heads, contents, recipients, tails, ends]
            messages = JoinedTexts(["", "", ',"recipients":[', "]", "", ""], columns)
        bodies = (_BEGIN + messages.join("")).split(_CUT)
        for batch, body in zip(batches, bodies[:-1], strict=True):  # the last text is the begin of no request
            yield batch, body.encode()

    def _message_starts(self, batches: Sequence[Batch], rows: np.ndarray) -> np.ndarray:
        """Return the indices of the rows that begin a message: with another content, routing or request."""
        contents, routings = self._contents[rows], self._routing_of[rows]
        begins = np.ones(len(rows), dtype=bool)
        begins[1:] = (contents[1:] != contents[:-1]) | (routings[1:] != routings[:-1])
        begins[np.cumsum([len(batch.rows) for batch in batches])[:-1]] = True
        return np.flatnonzero(begins)


_BEGIN = '{"messages":['
_CUT = "\0"  # a character that JSON writes as an escape


class _Wrapping(NamedTuple):
    """The JSON around a message's content and recipients.

    Attributes:
        head: The text before the content.
        tail: The text after the recipients.
        request_end: The text after all messages of the request.
    """

    head: str
    tail: str
    request_end: str


def _joined(recipients: Sequence[str], starts: np.ndarray) -> Sequence[str]:
    """Join the recipients of each message with commas."""
    if len(starts) == len(recipients):
        return recipients
    bounds = [*starts.tolist(), len(recipients)]
    return [",".join(recipients[start:stop]) for start, stop in pairwise(bounds)]


def _wrapping_of(routing: dict[str, str]) -> _Wrapping:
    report = f',"report_url":{_json(routing["report_url"])}' if "report_url" in routing else ""
    schedule = {"schedule_time": routing["schedule_time"]} if "schedule_time" in routing else None
    end = f',"message_globals":{_json(schedule)}' if schedule else ""
    return _Wrapping(f'{{"originator":{_json(routing["originator"])},"content":', f"{report}}}", end)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
