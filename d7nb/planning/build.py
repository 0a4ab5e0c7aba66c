"""How a plan comes about: each row's numbers, contents and envelope are checked, then the filters are asked.

Everything here is pure: no network, no disk, and no clock but the one handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from d7nb.content.assignment import ByColumn, assign
from d7nb.content.binding.format_strings import Column
from d7nb.content.rendering import DIGEST_SIZE, Renderer, columns_in
from d7nb.content.schema.part import Content
from d7nb.delivery.row_keys import check_campaign, key_texts, keys_by_columns, keys_by_content
from d7nb.delivery.sending.requests import RequestBuilder
from d7nb.delivery.verdicts import Verdicts
from d7nb.errors import PlanError
from d7nb.planning.envelope import from_columns, past_schedules, read_reference, read_routing, recipient_objects
from d7nb.planning.filter_runner import FilterResult, SendTimeFilters, ask_all, chosen
from d7nb.planning.release import RELEASED, with_released
from d7nb.plugins import content_types, current
from d7nb.problems import Problem
from d7nb.recipients.check import check_numbers, number_problems
from d7nb.tables.arrays import group_codes, is_first, repeated, scatter, take_rows
from d7nb.tables.coded_texts import CodedTexts, no_codes
from d7nb.tables.frames import listed, require, with_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from d7nb.filters.base import RowFilter


@dataclass(frozen=True, repr=False)
class PlanOptions:
    """What a plan was asked for, beside table and content; as `d7nb.plan` explains."""

    to: Hashable
    originator: Any
    campaign: str
    key: Hashable | Sequence[Hashable] | None
    country: Any
    reference: Mapping[str, Any] | None
    report_url: Any
    schedule: Any
    filters: tuple[RowFilter, ...]
    key_in: str | None
    clock: Callable[[], datetime]


@dataclass(frozen=True, repr=False)
class Decision:
    """What was decided about a table.

    Attributes:
        frame: The table, out of reach of later changes.
        content: What the messages say.
        terms: What else was asked for.
        released: The numbers that a person chose, by row.
        numbers: What is known of each row's number.
        verdicts: The word on each row, and the problems.
        keys: Each row's key, ``uint8`` of shape (rows, 16); zeros where it has none.
        keyed: Positions of the rows that have a key, those that a filter skips or whose time is past among them.
        ready: Positions of the rows that nothing speaks against.
        packer: Makes request bodies.
        kinds: The type of each content that the packer counts.
        asked: What each filter saw and skipped.
        recheck: Asks the rules that read the clock again.
    """

    frame: pd.DataFrame
    content: Content | ByColumn | None
    terms: PlanOptions
    released: Mapping[int, str]
    numbers: pd.DataFrame
    verdicts: Verdicts
    keys: np.ndarray
    keyed: np.ndarray
    ready: np.ndarray
    packer: RequestBuilder
    kinds: Sequence[type[Content]]
    asked: Sequence[FilterResult]
    recheck: SendTimeFilters


def decide(
    kept: pd.DataFrame, content: Content | ByColumn | None, terms: PlanOptions, released: Mapping[int, str]
) -> Decision:
    """Decide about every row.

    Args:
        kept: The table, out of reach of later changes.
        content: What the messages say.
        terms: What else was asked for.
        released: The numbers that a person chose, by row.

    Raises:
        PlanError: Something can't be used at all.
    """
    now, to, country = terms.clock(), terms.to, terms.country
    if now.utcoffset() is None:
        raise PlanError("clock= must tell times with a zone, such as datetime.now(UTC)")
    envelope = terms.originator, terms.report_url, terms.schedule, terms.reference
    originator, report_url, schedule, reference = from_columns(kept, *envelope) if content is None else envelope
    if originator is None:
        raise PlanError(
            "no originator was given: originator='+971...' is the registered number that messages come from"
        )
    check_campaign(terms.campaign)
    marks = read_reference(reference, terms.key_in)
    routing, schedule_problems = read_routing(originator, report_url, schedule, now)
    key_columns = listed(terms.key)
    require(kept, [to, *key_columns, *_columns_read(country, content), *columns_in(routing, marks)])

    verdicts = Verdicts(len(kept))
    found_numbers = check_numbers(kept[to], country=kept[country.name] if isinstance(country, Column) else country)
    numbers = with_released(found_numbers, released)
    verdicts.judge("numbers", number_problems(numbers, to))
    routings = Renderer(routing, kept)
    routing_digests, found = routings.check(np.arange(len(kept)))
    verdicts.judge("envelope", [*found, *Renderer(marks, kept).check(np.arange(len(kept))).problems])
    kinds, renderers, renderer_of, digests = _contents(content, kept, verdicts)
    texts, found = key_texts(kept, key_columns)
    verdicts.judge("key", found)

    keyed = verdicts.ready
    contents = scatter(group_codes(digests, keyed).astype(np.int32, copy=False), keyed, len(kept))
    if key_columns:
        keys = scatter(keys_by_columns(terms.campaign, (texts[row] for row in keyed)), keyed, len(kept))
    else:
        keys = keys_by_content(terms.campaign, numbers["recipient"], digests, keyed)
    del digests
    # What is past today has a key nevertheless: it may have gone out in time.
    verdicts.judge("schedule", [*schedule_problems, *past_schedules(routing, kept, now)])
    ready = verdicts.ready
    routing_of, ways = _ways(routings, routing_digests, keyed)
    sourced = chosen(current().filters(), terms.filters)
    rows_of = FilterFrame(
        kept,
        numbers,
        message_types=CodedTexts(renderer_of, [kind.message_type for kind in kinds]),
        originators=CodedTexts(routing_of, [way["originator"] for way in ways]),
        repeated=_Repeated(*repeated(keys, ready)),
    )
    asked = ask_all(sourced, rows_of(ready, whole=any(each.row_filter.reads_table for each in sourced)))
    for each in asked:
        name = each.row_filter.name
        verdicts.decide("skipped", name, ready[each.places], each.reasons)
        verdicts.judge(name, [Problem(name, each.warning, severity="warning")] if each.warning else [])

    verdicts.remark(RELEASED, np.fromiter(released, dtype=np.int64), "a person chose this number")
    ready = verdicts.ready
    packer = RequestBuilder(
        renderers=renderers,
        renderer_of=renderer_of,
        contents=contents,
        routings=ways,
        routing_of=routing_of,
        recipients=Renderer(recipient_objects(numbers["recipient"], marks, terms.key_in, keys), kept),
    )
    return Decision(
        frame=kept,
        content=content,
        terms=terms,
        released=released,
        numbers=numbers,
        verdicts=verdicts,
        keys=keys,
        keyed=keyed,
        ready=keyed if len(ready) == len(keyed) else ready,
        packer=packer,
        kinds=kinds,
        asked=asked,
        recheck=SendTimeFilters(sourced, rows_of, packer.schedule_of, terms.clock),
    )


def _columns_read(country: Any, content: Content | ByColumn | None) -> list[Hashable]:
    """The columns that country and content name; columns that make a content by their own names are not among them."""
    named = [country.name] if isinstance(country, Column) else []
    if isinstance(content, ByColumn):
        return [*named, content.column, *columns_in(*content.contents.values())]
    return [*named, *columns_in(content)] if isinstance(content, Content) else named


def _contents(
    content: Content | ByColumn | None, kept: pd.DataFrame, verdicts: Verdicts
) -> tuple[list[type[Content]], list[Renderer], np.ndarray, np.ndarray]:
    """Check what each row says: the contents' types, their renderers, each row's own of them, each row's digest."""
    groups, unassigned = assign(content, kept, content_types())
    verdicts.judge("content", unassigned)
    renderers = [Renderer(each, kept) for each, _ in groups]
    renderer_of = no_codes(len(kept), len(groups))
    digests = np.zeros((len(kept) if len(groups) != 1 else 0, DIGEST_SIZE), dtype=np.uint8)
    for number, (renderer, (_, own)) in enumerate(zip(renderers, groups, strict=True)):
        renderer_of[own] = number
        said, found = renderer.check(own)
        verdicts.judge("content", [*renderer.literal_warnings(), *found])
        if len(groups) == 1:
            digests = scatter(said, own, len(kept))
        else:
            digests[own] = said
    return [type(each) for each, _ in groups], renderers, renderer_of, digests


def _ways(routings: Renderer, digests: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, list[dict[str, str]]]:
    """For each row which way its message goes, -1 where it has none, and each distinct way as D7's JSON."""
    one_for_all = len(digests) and not digests.strides[0]
    codes = np.zeros(len(rows), dtype=np.int8) if one_for_all else group_codes(digests, rows)
    leaders = rows[is_first(codes)]
    routing_of = no_codes(len(digests), len(leaders))
    routing_of[rows] = codes
    return routing_of, [orjson.loads(text) for text in routings.fragments(leaders)]


class _Repeated(NamedTuple):
    """Rows whose key an earlier row has, too: their positions, in order, and for each that of the first such row."""

    again: np.ndarray
    first: np.ndarray

    def same_as(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows the position of the first row with the same key: mostly its own."""
        if not len(self.again):
            return rows
        places = np.minimum(np.searchsorted(self.again, rows), len(self.again) - 1)
        return np.where(self.again[places] == rows, self.first[places], rows)


class FilterFrame:
    """What filters are shown of some rows: the user's columns, and what the plan knows of each."""

    def __init__(
        self,
        frame: pd.DataFrame,
        numbers: pd.DataFrame,
        *,
        message_types: CodedTexts,
        originators: CodedTexts,
        repeated: _Repeated,
    ) -> None:
        self._frame, self._numbers = frame, numbers
        self._message_types, self._originators, self._repeated = message_types, originators, repeated

    def __call__(self, rows: np.ndarray, *, whole: bool = True) -> pd.DataFrame:
        """The frame of these rows, at the positions given; without the user's columns where nobody reads them."""
        every, frame = len(rows) == len(self._frame), self._frame if whole else self._frame[[]]
        known = {
            "d7_row": rows,
            "d7_recipient": take_rows(self._numbers["recipient"].array, rows),
            "d7_country": self._numbers["country"].array.take(rows),
            "d7_message_type": self._message_types.take(rows),
            "d7_originator": self._originators.take(rows),
            "d7_same_as": self._repeated.same_as(rows),
        }
        return with_columns(frame if every else frame.take(rows), known, copy=False)
