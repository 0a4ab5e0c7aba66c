"""Ready rows become request bodies: equal contents share a message, messages share a request.

A request bears one originator, so that what D7 says about an originator concerns the whole of it, and one schedule,
since D7 has only one place for it (d7-api.md section 2).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.content.binding.text_columns import JoinedTexts
from d7nb.content.rendering import SLICE, Renderer
from d7nb.delivery.mailing import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RequestBuilder:
    """Knows how to make request bodies of a plan's ready rows.

    Args:
        renderers: One for each content in the plan.
        renderer_of: For each row of the frame, which of them is its own.
        contents: For each row, a number that is the same where the content is.
        routings: Each distinct routing as D7's JSON: originator, report_url, schedule_time.
        routing_of: For each row, which of them is its own.
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
        ways = pd.Series(
            [(routing["originator"], routing.get("schedule_time")) for routing in routings], dtype="object"
        )
        self._way_of_routing = pd.factorize(ways)[0].astype(routing_of.dtype)
        self._frames = [_frame_of(routing) for routing in routings]

    def batches(self, rows: np.ndarray, size: int) -> list[Batch]:
        """Order rows so that those of one message stand together, and cut them into requests.

        Args:
            rows: Positions of rows that are ready.
            size: How many recipients a request may carry.

        Returns:
            Batches in the order in which they should go: that of the rows, as far as grouping allows.
        """
        ways, contents = self._way_of_routing[self._routing_of[rows]], self._contents[rows]
        if ways.any() or (contents[1:] <= contents[:-1]).any():  # else no two share a message: they are in order
            order = np.lexsort((self._firsts_of(rows), ways))
            rows, ways = rows[order], ways[order]
        groups = np.split(rows, np.flatnonzero(np.diff(ways)) + 1)
        return [
            Batch(group[start : start + size], self._routings[self._routing_of[group[0]]]["originator"])
            for group in groups
            for start in range(0, len(group), size)
        ]

    def _firsts_of(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows, the place of the first whose message is the same."""
        messages = self._contents[rows]
        if len(self._routings) > 1:
            messages = pd.factorize(messages * np.int64(len(self._routings)) + self._routing_of[rows])[0]
        places = np.arange(len(rows), dtype=np.int32)
        first = np.empty(messages.max(initial=-1) + 1, dtype=np.int32)
        first[messages[::-1]] = places[::-1]  # what is written last stays
        found: np.ndarray = first[messages]
        return found

    def bodies(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, bytes]]:
        """Make the JSON of each batch, a slice of the frame at a time."""
        start = 0
        while start < len(batches):
            stop, count = start, 0
            while stop < len(batches) and (count == 0 or count + len(batches[stop].rows) <= SLICE):
                count += len(batches[stop].rows)
                stop += 1
            yield from self._slice(batches[start:stop])
            start = stop

    def body(self, batch: Batch) -> bytes:
        """The JSON of one batch."""
        return next(self.bodies([batch]))[1]

    @property
    def content_count(self) -> int:
        """How many contents the plan has: one, or one for each kind of row."""
        return len(self._renderers)

    def content_of(self, rows: np.ndarray) -> np.ndarray:
        """Which of the plan's contents each row has."""
        own: np.ndarray = self._renderer_of[rows]
        return own

    def by_originator(self, rows: np.ndarray) -> dict[str, int]:
        """How many rows come from each originator."""
        counts = np.bincount(self._routing_of[rows], minlength=len(self._routings)).tolist()
        total: dict[str, int] = {}
        for routing, count in zip(self._routings, counts, strict=True):
            if not count:
                continue  # a filter spared all of them
            total[routing["originator"]] = total.get(routing["originator"], 0) + count
        return total

    def schedule_of(self, row: int) -> str | None:
        """When D7 is to send a row, in D7's form; None for at once."""
        routing = self._routings[int(self._routing_of[row])]
        return routing.get("schedule_time")

    def message_sizes(self, batch: Batch) -> list[int]:
        """How many recipients each message of a request has, in order."""
        starts = self._message_starts([batch], batch.rows)
        return np.diff([*starts, len(batch.rows)]).tolist()  # type: ignore[no-any-return]

    def contents(self, rows: np.ndarray) -> list[str]:
        """The content's JSON of each of some rows."""
        return list(self._contents_of(rows))

    def _contents_of(self, rows: np.ndarray) -> Sequence[str]:
        parts = [(renderer.fragments(rows[places]), places) for renderer, places in self.by_content(rows)]
        if len(parts) == 1:
            return parts[0][0]
        fragments = np.empty(len(rows), dtype=object)
        for texts, places in parts:
            fragments[places] = list(texts)
        return fragments.tolist()

    def by_content(self, rows: np.ndarray) -> Iterator[tuple[Renderer, np.ndarray]]:
        """What fills in each content that some rows have, with the places of its own among them."""
        own = self._renderer_of[rows]
        return ((self._renderers[number], np.flatnonzero(own == number)) for number in np.unique(own))

    def _slice(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, bytes]]:
        """Weave the requests of some batches into one text, which is cut where each of them ends."""
        rows = np.concatenate([batch.rows for batch in batches])
        starts = self._message_starts(batches, rows)
        routings = self._routing_of[rows[starts]].tolist()
        after = [","] * len(starts)
        for place in (np.searchsorted(starts, np.cumsum([len(batch.rows) for batch in batches])) - 1).tolist():
            after[place] = f"]{self._frames[routings[place]][2]}}}{_CUT}{_BEGIN}"
        columns = self._contents_of(rows[starts]), _joined(self._recipients.fragments(rows), starts), after
        if len(set(routings)) == 1:
            head, tail, _ = self._frames[routings[0]]
            messages = JoinedTexts([head, ',"recipients":[', f"]{tail}", ""], columns)
        else:
            heads, tails, _ = zip(*(self._frames[routing] for routing in routings), strict=True)
            messages = JoinedTexts(["", "", ',"recipients":[', "]", "", ""], [heads, *columns[:2], tails, after])
        bodies = (_BEGIN + messages.join("")).split(_CUT)
        for batch, body in zip(batches, bodies[:-1], strict=True):  # after the last cut begins one that nobody needs
            yield batch, body.encode()

    def _message_starts(self, batches: Sequence[Batch], rows: np.ndarray) -> np.ndarray:
        """Places where a new message begins: another content or routing, or another request."""
        contents, routings = self._contents[rows], self._routing_of[rows]
        new = np.ones(len(rows), dtype=bool)
        new[1:] = (contents[1:] != contents[:-1]) | (routings[1:] != routings[:-1])
        new[np.cumsum([len(batch.rows) for batch in batches])[:-1]] = True
        return np.flatnonzero(new)


_BEGIN = '{"messages":['
_CUT = "\0"  # JSON has another way to write that sign


def _joined(recipients: Sequence[str], starts: np.ndarray) -> Sequence[str]:
    """The recipients of each message, with commas between them."""
    if len(starts) == len(recipients):
        return recipients
    bounds = [*starts.tolist(), len(recipients)]
    return [",".join(recipients[start:stop]) for start, stop in pairwise(bounds)]


def _frame_of(routing: dict[str, str]) -> tuple[str, str, str]:
    """What stands before a message's content, after its recipients, and after the request's messages."""
    report = f',"report_url":{_json(routing["report_url"])}' if "report_url" in routing else ""
    schedule = {"schedule_time": routing["schedule_time"]} if "schedule_time" in routing else None
    end = f',"message_globals":{_json(schedule)}' if schedule else ""
    return f'{{"originator":{_json(routing["originator"])},"content":', f"{report}}}", end


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
