"""The parts of D7's request around a content: recipients with their references, originator, report URL, schedule.

They are declared as contents are, so that columns fill them in the same way. The fields are those of D7's page "Send
WhatsApp Message".
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from d7nb.content.binding.cells import Cells, by_distinct
from d7nb.content.binding.format_strings import Column, Rendered
from d7nb.content.binding.text_columns import TextList
from d7nb.content.binding.values import Invalid, plain_text, without_fraction
from d7nb.content.rules import D7, TEXT, URL, Kind, matches
from d7nb.content.schema.part import Part, leaf, nested
from d7nb.errors import PlanError, did_you_mean
from d7nb.hints import Hint, Option
from d7nb.problems import Problem
from d7nb.store.keys import base32
from d7nb.tables.arrays import take_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


KEY_TAG = "message_tag5"
"""The reference field in which a row's key travels, unless the user names another."""


def _to_originator(value: Any) -> str | Invalid:
    value = without_fraction(value)
    text = plain_text(value)
    return (
        text.strip() if isinstance(text, str) and isinstance(value, str | Integral) else Invalid("it is not a number")
    )


def to_schedule(value: Any) -> str | Invalid:
    """Convert a time with a zone to the form that D7 documents, ``2021-08-05T12:52+05:30``.

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
        return Invalid("the time has no zone: add one, such as +04:00")
    value = value.replace(tzinfo=timezone(offset))  # in a zone that changes its clocks, a minute later may be an hour
    if value.second or value.microsecond:
        try:
            value = value.replace(second=0, microsecond=0) + timedelta(minutes=1)
        except OverflowError:
            return Invalid("the year is too large")
    return str(value.isoformat(timespec="minutes"))


ORIGINATOR = Kind("number with its country code", _to_originator)
SCHEDULE = Kind("time with a zone, such as 2026-11-30T09:00+04:00", to_schedule)


class Computed(Column):
    """A column that is not in the frame: a function computes its values from the rows' positions."""

    __slots__ = ("function",)

    def __init__(self, name: str, function: Callable[[np.ndarray], list[Any]]) -> None:
        super().__init__(name)
        object.__setattr__(self, "function", function)

    @property
    def columns(self) -> tuple[()]:
        """No columns: none of the frame's is read."""
        return ()

    def render(self, cells: Cells) -> Rendered:
        """Compute the values for the rows of `cells`."""
        return Rendered(self.function(cells.rows), [])  # type: ignore[attr-defined]


class Reference(Part):
    """The user's reference, which comes back with each report of a message; no field has a documented length."""

    cust_ref: str | None = leaf("cust_ref", default=None)
    message_tag1: str | None = leaf("message_tag1", default=None)
    message_tag2: str | None = leaf("message_tag2", default=None)
    message_tag3: str | None = leaf("message_tag3", default=None)
    message_tag4: str | None = leaf("message_tag4", default=None)
    message_tag5: str | None = leaf("message_tag5", default=None)
    conversation_id: str | None = leaf("conversation_id", default=None)


class Recipient(Part):
    """One recipient of a message.

    D7's pages show ``recipient`` as a text and as a list; one number an object is what its own programs send.
    """

    recipient: str = leaf("recipient")
    reference: Reference | Mapping[str, Any] | None = nested("reference", Reference, default=None)

    constants: ClassVar[Mapping[str, Any]] = {"recipient_type": "individual"}


class Routing(Part):
    """Originator, report URL and schedule of a row: rows that differ here can't share a message."""

    originator: str = leaf("originator", ORIGINATOR, matches(r"\+?[0-9]{5,15}", "a number with its country code", D7))
    report_url: str | None = leaf("report_url", TEXT, URL, default=None)
    schedule: Any = leaf("schedule_time", SCHEDULE, default=None)


class Envelope(NamedTuple):
    """The parts of D7's request around a content, as the options give them.

    Attributes:
        routing: Originator, report URL and schedule.
        reference: The user's reference, which comes back with reports.
        now: The time at which the plan is made.
        problems: The problems of a schedule that all rows share.
    """

    routing: Routing
    reference: Reference
    now: datetime
    problems: list[Problem]


def from_columns(
    frame: pd.DataFrame, originator: Any, report_url: Any, schedule: Any, reference: Mapping[str, Any] | None
) -> tuple[Any, Any, Any, Mapping[str, Any] | None]:
    """Take originator, report URL, schedule and reference from columns named as D7 names them, where none is given.

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
    columns = {str(name).removeprefix(prefix): Column(name) for name in frame.columns if str(name).startswith(prefix)}
    return (
        given_or_column(originator, "originator"),
        given_or_column(report_url, "report_url"),
        given_or_column(schedule, "schedule_time"),
        reference if reference is not None else columns,
    )


def read_reference(given: Mapping[str, Any] | None, key_in: str | None) -> Reference:
    """Check the reference that the user wants back with reports, and that its fields leave one for the row's key.

    Args:
        given: Values by D7's names.
        key_in: The field in which the key travels; None for none.

    Raises:
        PlanError: A name is none of D7's, or the key's field is taken.
    """
    field_names = list(Reference.specs())
    for name in [*(given or {}), *([key_in] if key_in is not None else [])]:
        if name not in field_names:
            meant = did_you_mean(name, field_names) or f"it has {', '.join(field_names)}"
            raise PlanError(f"reference: D7 has no {name!r}; {meant}")
    if given and key_in in given:
        advice = f"reference: {key_in} is used by d7nb itself: take another of D7's fields, or give d7nb another with "
        raise PlanError(Hint(advice, Option("key_in")))
    return Reference(**(given or {}))


def read_routing(originator: Any, report_url: Any, schedule: Any, now: datetime) -> tuple[Routing, list[Problem]]:
    """Make the routing, without a schedule that all rows share where that can't be used.

    Args:
        originator: A literal or a column, like the two that follow.
        report_url: See `originator`.
        schedule: See `originator`.
        now: The time at which the plan is made.

    Returns:
        The routing, and what is wrong with the schedule.
    """
    if schedule is None or isinstance(schedule, Column):
        return Routing(originator, report_url, schedule), []
    converted = to_schedule(schedule)
    fault = converted.message if isinstance(converted, Invalid) else past(converted, now)
    if not fault:
        return Routing(originator, report_url, schedule), []
    hint = "give a later time with its zone, such as 2026-11-30T09:00+04:00"
    return Routing(originator, report_url), [Problem("bad_schedule", fault, hint, field="schedule_time")]


def past_schedules(routing: Routing, frame: pd.DataFrame, now: datetime) -> list[Problem]:
    """Find the rows whose schedule, read from a column, is past; cells that are no times are found with the routing."""
    if not isinstance(routing.schedule, Column):
        return []
    name = routing.schedule.name
    times = by_distinct(to_schedule, Cells(frame, np.arange(len(frame)))[name])
    faults = by_distinct(lambda time: None if isinstance(time, Invalid) else past(time, now), times)
    rows = np.flatnonzero([fault is not None for fault in faults])
    messages = [faults[row] for row in rows]
    hint = "give a later time"
    return [Problem("bad_schedule", messages, hint, field="schedule_time", column=name, rows=rows)] if len(rows) else []


def past(schedule: str, now: datetime) -> str | None:
    """Return a sentence where a schedule in D7's form is past; None where it is not."""
    return f"{schedule} is past" if datetime.fromisoformat(schedule) <= now else None


def recipient_objects(numbers: pd.Series, reference: Reference, key_in: str | None, keys: np.ndarray) -> Recipient:
    """Make the recipient objects of a request: a row's number, and its reference with the row's key in it.

    Args:
        numbers: Each row's E.164 number.
        reference: The user's reference.
        key_in: The reference field in which the key travels; None for none.
        keys: Each row's key, ``uint8`` of shape (rows, 16).
    """
    # Only rows that are ready are written, and these have a number.
    recipient = Computed("recipient", lambda rows: TextList(take_rows(numbers.array, rows).tolist()))
    fields = {name: value for name in Reference.specs() if (value := getattr(reference, name)) is not None}
    if key_in is not None:
        fields[key_in] = Computed("key", lambda rows: base32(keys[rows]))
    return Recipient(recipient, fields or None)  # type: ignore[arg-type]
