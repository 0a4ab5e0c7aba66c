"""The stages of a plan: each checks or decides one thing about every row of the table.

Everything here is pure: no network, no disk, and no clock but the one handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from d7nb.content.assignment import assign
from d7nb.content.binding.format_strings import Column
from d7nb.content.rendering import DIGEST_SIZE, Renderer
from d7nb.delivery.row_keys import key_texts, keys_by_columns, keys_by_content
from d7nb.delivery.sending.requests import RequestBuilder
from d7nb.planning.envelope import past_schedules, recipient_objects
from d7nb.planning.filter_frame import FilterFrame, RepeatedKeys
from d7nb.planning.filter_runner import FilterResult, SendTimeFilters, run_filters, select_filters
from d7nb.planning.options import read_options
from d7nb.planning.release import RELEASED, with_released
from d7nb.plugins import content_types, current
from d7nb.problems import Problem, Verdicts
from d7nb.recipients.check import check_numbers, number_problems
from d7nb.tables.arrays import group_codes, is_first, repeated, scatter
from d7nb.tables.coded_texts import CodedTexts, no_codes
from d7nb.tables.frames import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from d7nb.content.assignment import ByColumn
    from d7nb.content.schema.part import Content
    from d7nb.planning.envelope import Envelope
    from d7nb.planning.options import PlanOptions
    from d7nb.plugins.manager import FilterEntry


@dataclass(frozen=True, repr=False)
class Decision:
    """The decision about every row of a table, and what makes its requests.

    Attributes:
        frame: The table, out of reach of later changes.
        content: What the messages say.
        options: The options of the plan.
        released: The numbers that the user chose for held rows, by the rows' positions.
        numbers: What `check_numbers` says of each row's number, with the user's choices.
        verdicts: The verdict on each row, and the problems.
        keys: Each row's key, ``uint8`` of shape (rows, 16); zeros where it has none.
        keyed: Positions of the rows that have a key, those that a filter skips or whose time is past among them.
        ready: Positions of the rows that nothing speaks against.
        content_types: The type of each content that the request builder counts.
        request_builder: Makes request bodies.
        filter_results: What each filter saw and skipped.
        send_time_filters: Runs the rules that read the clock again, just before a request goes.
    """

    frame: pd.DataFrame
    content: Content | ByColumn | None
    options: PlanOptions
    released: Mapping[int, str]
    numbers: pd.DataFrame
    verdicts: Verdicts
    keys: np.ndarray
    keyed: np.ndarray
    ready: np.ndarray
    content_types: Sequence[type[Content]]
    request_builder: RequestBuilder
    filter_results: Sequence[FilterResult]
    send_time_filters: SendTimeFilters


class Contents(NamedTuple):
    """The contents of a plan.

    Attributes:
        types: The type of each.
        renderers: What fills each in.
        renderer_of: For each row the index of its own, -1 where it has none.
    """

    types: list[type[Content]]
    renderers: list[Renderer]
    renderer_of: np.ndarray


class RowKeys(NamedTuple):
    """The keys of rows, and which of them say the same.

    Attributes:
        rows: Positions of the rows that have a key.
        keys: Each row's key, ``uint8`` of shape (rows, 16); zeros where it has none.
        contents: For each row a number that is the same where the content is.
    """

    rows: np.ndarray
    keys: np.ndarray
    contents: np.ndarray


class Routings(NamedTuple):
    """The distinct routings of a plan.

    Attributes:
        distinct: Each as D7's JSON: originator, report_url, schedule_time.
        routing_of: For each row the index of its own, -1 where it has none.
    """

    distinct: list[dict[str, str]]
    routing_of: np.ndarray


def build_plan(
    frame: pd.DataFrame, content: Content | ByColumn | None, options: PlanOptions, released: Mapping[int, str]
) -> Decision:
    """Decide about every row of a table.

    Args:
        frame: The table, out of reach of later changes.
        content: What the messages say; None to read columns named after D7's fields.
        options: The options of the plan.
        released: The numbers that the user chose for held rows, by the rows' positions.

    Raises:
        PlanError: Something can't be used at all.
        ColumnError: A column that is asked for is not in the table, or there twice.
        FilterError: A filter raised, or its answer does not fit.
    """
    envelope = read_options(frame, content, options)
    verdicts = Verdicts(len(frame))
    numbers = _check_numbers(frame, options, released, verdicts)
    routing_renderer, routing_digests = _check_envelope(frame, envelope, verdicts)
    contents, digests = _check_contents(frame, content, verdicts)
    row_keys = _assign_keys(frame, options, numbers["recipient"], digests, verdicts)
    routings = _group_routings(routing_renderer, routing_digests, row_keys.rows)
    del digests, routing_digests  # 16 bytes a row each, and nothing below needs them
    # Checked after the keys: what is past today may have gone out in time, so it has a key nevertheless.
    _check_schedule(frame, envelope, verdicts)
    filters = select_filters(current().filters(), options.filters)
    ready = verdicts.ready
    filter_frame = _filter_frame(frame, numbers, contents, routings, RepeatedKeys(*repeated(row_keys.keys, ready)))
    filter_results = _apply_filters(filters, filter_frame, ready, verdicts)
    del ready  # 8 bytes a row
    verdicts.remark(RELEASED, np.fromiter(released, dtype=np.int64), "you chose this number with release()")
    recipients = recipient_objects(numbers["recipient"], envelope.reference, options.key_in, row_keys.keys)
    request_builder = _request_builder(contents, row_keys, routings, Renderer(recipients, frame))
    return Decision(
        frame=frame,
        content=content,
        options=options,
        released=released,
        numbers=numbers,
        verdicts=verdicts,
        keys=row_keys.keys,
        keyed=row_keys.rows,
        ready=_shared_if_equal(verdicts.ready, row_keys.rows),
        content_types=contents.types,
        request_builder=request_builder,
        filter_results=filter_results,
        send_time_filters=SendTimeFilters(filters, filter_frame, request_builder.schedule_of, options.clock),
    )


def _check_numbers(
    frame: pd.DataFrame, options: PlanOptions, released: Mapping[int, str], verdicts: Verdicts
) -> pd.DataFrame:
    """Check each row's number, with the user's choices where a number can be read in two ways."""
    country = frame[options.country.name] if isinstance(options.country, Column) else options.country
    numbers = with_released(check_numbers(frame[options.to], country=country), released)
    verdicts.judge("numbers", number_problems(numbers, options.to))
    return numbers


def _check_envelope(frame: pd.DataFrame, envelope: Envelope, verdicts: Verdicts) -> tuple[Renderer, np.ndarray]:
    """Check originator, report URL, schedule and reference of each row.

    Returns:
        What fills in the routing, and each row's digest of it.
    """
    renderer = Renderer(envelope.routing, frame)
    digests, problems = renderer.check(np.arange(len(frame)))
    verdicts.judge("envelope", [*problems, *Renderer(envelope.reference, frame).check(np.arange(len(frame))).problems])
    return renderer, digests


def _check_contents(
    frame: pd.DataFrame, content: Content | ByColumn | None, verdicts: Verdicts
) -> tuple[Contents, np.ndarray]:
    """Check what each row says.

    Returns:
        The contents, and each row's digest of its own.
    """
    groups, problems = assign(content, frame, content_types())
    verdicts.judge("content", problems)
    renderers = [Renderer(group_content, frame) for group_content, _ in groups]
    renderer_of = no_codes(len(frame), len(groups))
    digests = np.zeros((len(frame) if len(groups) != 1 else 0, DIGEST_SIZE), dtype=np.uint8)
    for number, (renderer, (_, rows)) in enumerate(zip(renderers, groups, strict=True)):
        renderer_of[rows] = number
        group_digests, problems = renderer.check(rows)
        verdicts.judge("content", [*renderer.literal_warnings(), *problems])
        if len(groups) == 1:  # no copy, where the group's are all there are
            digests = scatter(group_digests, rows, len(frame))
        else:
            digests[rows] = group_digests
    return Contents([type(group_content) for group_content, _ in groups], renderers, renderer_of), digests


def _assign_keys(
    frame: pd.DataFrame, options: PlanOptions, recipients: pd.Series, digests: np.ndarray, verdicts: Verdicts
) -> RowKeys:
    """Give a key to each row that is ready so far: by the user's columns, or else by recipient and content.

    Args:
        frame: The table.
        options: The options of the plan.
        recipients: Each row's number, E.164.
        digests: Each row's content digest; keys by content are written over them.
        verdicts: The verdicts so far.
    """
    key_columns = listed(options.key)
    texts, problems = key_texts(frame, key_columns)
    verdicts.judge("key", problems)
    rows = verdicts.ready
    contents = scatter(group_codes(digests, rows).astype(np.int32, copy=False), rows, len(frame))
    if key_columns:
        keys = scatter(keys_by_columns(options.campaign, (texts[row] for row in rows)), rows, len(frame))
    else:
        keys = keys_by_content(options.campaign, recipients, digests, rows)
    return RowKeys(rows, keys, contents)


def _check_schedule(frame: pd.DataFrame, envelope: Envelope, verdicts: Verdicts) -> None:
    """Check that no row's schedule is past."""
    verdicts.judge("schedule", [*envelope.problems, *past_schedules(envelope.routing, frame, envelope.now)])


def _group_routings(renderer: Renderer, digests: np.ndarray, rows: np.ndarray) -> Routings:
    """Find the distinct routings of some rows, and each row's own."""
    all_same = len(digests) and not digests.strides[0]  # one digest, repeated by reference
    codes = np.zeros(len(rows), dtype=np.int8) if all_same else group_codes(digests, rows)
    first_rows = rows[is_first(codes)]
    routing_of = no_codes(len(digests), len(first_rows))
    routing_of[rows] = codes
    return Routings([orjson.loads(text) for text in renderer.fragments(first_rows)], routing_of)


def _filter_frame(
    frame: pd.DataFrame, numbers: pd.DataFrame, contents: Contents, routings: Routings, repeats: RepeatedKeys
) -> FilterFrame:
    message_types = [content_type.message_type for content_type in contents.types]
    originators = [routing["originator"] for routing in routings.distinct]
    return FilterFrame(
        frame,
        numbers,
        message_types=CodedTexts(contents.renderer_of, message_types),
        originators=CodedTexts(routings.routing_of, originators),
        repeated=repeats,
    )


def _apply_filters(
    filters: Sequence[FilterEntry], filter_frame: FilterFrame, ready: np.ndarray, verdicts: Verdicts
) -> list[FilterResult]:
    """Run the filters on the rows that are ready, and take their answers in."""
    whole = any(entry.row_filter.reads_table for entry in filters)
    results = run_filters(filters, filter_frame(ready, whole=whole))
    for result in results:
        name = result.row_filter.name
        verdicts.decide("skipped", name, ready[result.positions], result.reasons)
        verdicts.judge(name, [Problem(name, result.warning, severity="warning")] if result.warning else [])
    return results


def _request_builder(contents: Contents, row_keys: RowKeys, routings: Routings, recipients: Renderer) -> RequestBuilder:
    return RequestBuilder(
        renderers=contents.renderers,
        renderer_of=contents.renderer_of,
        contents=row_keys.contents,
        routings=routings.distinct,
        routing_of=routings.routing_of,
        recipients=recipients,
    )


def _shared_if_equal(some: np.ndarray, all_of_them: np.ndarray) -> Any:
    """Return the larger of two arrays, of which one holds the other, where they are the same: once in memory."""
    return all_of_them if len(some) == len(all_of_them) else some
