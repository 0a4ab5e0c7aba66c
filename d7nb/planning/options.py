"""The options of a plan, and the checks of those that concern all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d7nb.content.assignment import ByColumn
from d7nb.content.binding.format_strings import Column
from d7nb.content.rendering import columns_in
from d7nb.content.schema.part import Content
from d7nb.delivery.row_keys import check_campaign
from d7nb.errors import ColumnError, PlanError
from d7nb.hints import Hint, Option
from d7nb.planning.envelope import Envelope, from_columns, read_reference, read_routing
from d7nb.tables.frames import listed, require, similar_or_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from d7nb.filters.base import RowFilter


DEFAULT_TO = "recipient"
"""The column with the phone numbers, unless the user names another."""
FROM_COLUMNS = "from columns named after D7's fields, such as text.body"
"""Shown in place of the content of a plan that was given none."""


@dataclass(frozen=True, repr=False)
class PlanOptions:
    """The options of `d7nb.plan`, beside table and content."""

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


def read_options(frame: pd.DataFrame, content: Content | ByColumn | None, options: PlanOptions) -> Envelope:
    """Check the options that all rows share, and that every column they name is in the table.

    Args:
        frame: The table.
        content: What the messages say; without one, the table's own columns may hold the envelope, too.
        options: The options.

    Raises:
        PlanError: An option can't be used at all.
        ColumnError: A column is missing, or there twice.
    """
    now = options.clock()
    if now.utcoffset() is None:
        raise PlanError("clock= must return times with a zone, such as datetime.now(UTC)")
    given = options.originator, options.report_url, options.schedule, options.reference
    originator, report_url, schedule, reference_fields = from_columns(frame, *given) if content is None else given
    if originator is None:
        give = Option("originator", "+971...")
        raise PlanError(Hint("no originator was given: give ", give, ", the registered number that messages come from"))
    check_campaign(options.campaign)
    reference = read_reference(reference_fields, options.key_in)
    routing, problems = read_routing(originator, report_url, schedule, now)
    columns = [*_columns_read(options.country, content), *columns_in(routing, reference)]
    if options.to == DEFAULT_TO and DEFAULT_TO not in frame.columns:
        fault = f"there is no column {DEFAULT_TO!r}: say which column has the phone numbers, with "
        raise ColumnError(Hint(fault, Option("to"), f"; {similar_or_all(DEFAULT_TO, list(frame.columns))}"))
    require(frame, [options.to, *listed(options.key), *columns])
    return Envelope(routing, reference, now, problems)


def _columns_read(country: Any, content: Content | ByColumn | None) -> list[Hashable]:
    """List the columns that country and content name; not those that make a content by their own names."""
    countries = [country.name] if isinstance(country, Column) else []
    if isinstance(content, ByColumn):
        return [*countries, content.column, *columns_in(*content.contents.values())]
    return [*countries, *columns_in(content)] if isinstance(content, Content) else countries
