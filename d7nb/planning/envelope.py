"""What stands around a content in D7's request: recipients with their references, originator, report URL, schedule.

They are declared in the same vocabulary as contents (d7-api.md section 2), so columns fill them by the same machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from d7nb.content.binding.cells import Cells, by_distinct
from d7nb.content.binding.format_strings import Column, Rendered
from d7nb.content.binding.text_columns import TextList
from d7nb.content.binding.values import Invalid, plain_text
from d7nb.content.rules import D7, TEXT, URL, Kind, matches
from d7nb.content.schema.part import Part, leaf, nested
from d7nb.errors import PlanError, did_you_mean
from d7nb.problems import Problem
from d7nb.store.keys import base32
from d7nb.tables.arrays import take_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


KEY_TAG = "message_tag5"
"""Where a row's key travels, unless told otherwise."""


def _to_originator(value: Any) -> str | Invalid:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = plain_text(value)
    return (
        text.strip() if isinstance(text, str) and isinstance(value, str | Integral) else Invalid("it is not a number")
    )


def to_schedule(value: Any) -> str | Invalid:
    """A time with a zone in the form that D7 documents, ``2021-08-05T12:52+05:30`` (d7-api.md section 8, row 15).

    D7's form ends with the minute, so a time within one is moved to the end of it: never earlier than asked for.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return Invalid("it is not a time in ISO form, such as 2026-11-30T09:00+04:00")
    if not isinstance(value, datetime) or value is pd.NaT:
        return Invalid("it is not a time")
    offset = value.utcoffset()
    if offset is None:
        return Invalid("the time has no zone, so nobody can tell when that is")
    value = value.replace(tzinfo=timezone(offset))  # in a zone that changes its clocks, a minute later may be an hour
    if value.second or value.microsecond:
        try:
            value = value.replace(second=0, microsecond=0) + timedelta(minutes=1)
        except OverflowError:
            return Invalid("no calendar goes that far")
    return str(value.isoformat(timespec="minutes"))


ORIGINATOR = Kind("number with its country code", _to_originator)
SCHEDULE = Kind("time with a zone, such as 2026-11-30T09:00+04:00", to_schedule)


class Computed(Column):
    """A column that is not in the frame: its values are computed for the rows that are asked for."""

    __slots__ = ("function",)

    def __init__(self, name: str, function: Callable[[np.ndarray], list[Any]]) -> None:
        super().__init__(name)
        object.__setattr__(self, "function", function)

    @property
    def columns(self) -> tuple[()]:
        """None of the frame's."""
        return ()

    def render(self, cells: Cells) -> Rendered:
        """The values for the rows of `cells`."""
        return Rendered(self.function(cells.rows), [])  # type: ignore[attr-defined]


class Reference(Part):
    """What comes back with each report of a message; all optional, none with a documented length."""

    cust_ref: str | None = leaf("cust_ref", default=None)
    message_tag1: str | None = leaf("message_tag1", default=None)
    message_tag2: str | None = leaf("message_tag2", default=None)
    message_tag3: str | None = leaf("message_tag3", default=None)
    message_tag4: str | None = leaf("message_tag4", default=None)
    message_tag5: str | None = leaf("message_tag5", default=None)
    conversation_id: str | None = leaf("conversation_id", default=None)


class Recipient(Part):
    """One recipient of a message: one number an object, always ``individual`` (d7-api.md section 8, rows 3 and 5)."""

    recipient: str = leaf("recipient")
    reference: Reference | Mapping[str, Any] | None = nested("reference", Reference, default=None)

    constants: ClassVar[Mapping[str, Any]] = {"recipient_type": "individual"}


class Routing(Part):
    """Which way a row's message goes: rows that differ here can't share a message (or, by time, a request)."""

    originator: str = leaf("originator", ORIGINATOR, matches(r"\+?[0-9]{5,15}", "a number with its country code", D7))
    report_url: str | None = leaf("report_url", TEXT, URL, default=None)
    schedule: Any = leaf("schedule_time", SCHEDULE, default=None)


def from_columns(
    frame: pd.DataFrame, originator: Any, report_url: Any, schedule: Any, reference: Mapping[str, Any] | None
) -> tuple[Any, Any, Any, Mapping[str, Any] | None]:
    """A table that is a mailing by itself may hold the envelope too, in columns named as D7 does.

    Args:
        frame: The table.
        originator: As given to ``plan``, like those that follow; what is given goes before a column.
        report_url: See `originator`.
        schedule: See `originator`.
        reference: See `originator`.

    Returns:
        The four, each bound to its column where nothing was given.
    """

    def given_or_column(given: Any, name: str) -> Any:
        return Column(name) if given is None and name in frame.columns else given

    prefix = "reference."
    named = {str(name).removeprefix(prefix): Column(name) for name in frame.columns if str(name).startswith(prefix)}
    return (
        given_or_column(originator, "originator"),
        given_or_column(report_url, "report_url"),
        given_or_column(schedule, "schedule_time"),
        reference if reference is not None else named,
    )


def read_reference(given: Mapping[str, Any] | None, key_in: str | None) -> Reference:
    """The reference that the user wants back with reports; it must leave the row's key its place.

    Raises:
        PlanError: A name is none of D7's, or the key's place is taken.
    """
    known = list(Reference.specs())
    for name in [*(given or {}), *([key_in] if key_in is not None else [])]:
        if name not in known:
            raise PlanError(
                f"reference: D7 has no {name!r}; {did_you_mean(name, known) or 'it has ' + ', '.join(known)}"
            )
    if given and key_in in given:
        message = f"reference: {key_in} is where each row's key travels; use another, or say key_in= which may carry it"
        raise PlanError(message)
    return Reference(**(given or {}))


def read_routing(originator: Any, report_url: Any, schedule: Any, now: datetime) -> tuple[Routing, list[Problem]]:
    """The routing, and what is wrong with a schedule that all rows share."""
    if schedule is None or isinstance(schedule, Column):
        return Routing(originator, report_url, schedule), []
    converted = to_schedule(schedule)
    fault = converted.message if isinstance(converted, Invalid) else past(converted, now)
    if not fault:
        return Routing(originator, report_url, schedule), []
    hint = "give a time to come with its zone, such as 2026-11-30T09:00+04:00"
    return Routing(originator, report_url), [Problem("bad_schedule", fault, hint, field="schedule_time")]


def past_schedules(routing: Routing, frame: pd.DataFrame, now: datetime) -> list[Problem]:
    """The rows whose own schedule, read from a column, is past; a cell that is no time is the column's own problem."""
    if not isinstance(routing.schedule, Column):
        return []
    name = routing.schedule.name
    times = by_distinct(to_schedule, Cells(frame, np.arange(len(frame)))[name])
    faults = by_distinct(lambda time: None if isinstance(time, Invalid) else past(time, now), times)
    rows = np.flatnonzero([fault is not None for fault in faults])
    messages = [faults[row] for row in rows]
    hint = "give a time to come"
    return [Problem("bad_schedule", messages, hint, field="schedule_time", column=name, rows=rows)] if len(rows) else []


def past(schedule: str, now: datetime) -> str | None:
    """What is wrong with a schedule whose time has gone by; None where it has not."""
    return f"{schedule} is past" if datetime.fromisoformat(schedule) <= now else None


def recipient_objects(numbers: pd.Series, reference: Reference, key_in: str | None, keys: np.ndarray) -> Recipient:
    """What becomes a row's recipient object: its number, and its reference with the row's key in it.

    Args:
        numbers: Each row's E.164 number.
        reference: What the user wants back.
        key_in: Where the key travels; None for nowhere.
        keys: Each row's key.
    """
    # Only rows that are ready are written, and these have a number.
    recipient = Computed("recipient", lambda rows: TextList(take_rows(numbers.array, rows).tolist()))
    marks = {name: value for name in Reference.specs() if (value := getattr(reference, name)) is not None}
    if key_in is not None:
        marks[key_in] = Computed("key", lambda rows: base32(keys[rows]))
    return Recipient(recipient, marks or None)  # type: ignore[arg-type]
