"""The function `plan`: from a table, a content and options to a `Plan`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from d7nb.errors import PlanError, hides_internals, type_in_words
from d7nb.filters.times import utc_now
from d7nb.planning.build import build_plan
from d7nb.planning.envelope import KEY_TAG
from d7nb.planning.options import DEFAULT_TO, PlanOptions
from d7nb.planning.plans import Plan
from d7nb.tables.frames import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime

    import pandas as pd

    from d7nb.content.assignment import ByColumn
    from d7nb.content.schema.part import Content
    from d7nb.filters.base import RowFilter


@hides_internals
def plan(
    frame: pd.DataFrame,
    content: Content | ByColumn | None = None,
    *,
    to: Hashable = DEFAULT_TO,
    originator: Any = None,
    campaign: str = "default",
    key: Hashable | Sequence[Hashable] | None = None,
    country: Any = None,
    reference: Mapping[str, Any] | None = None,
    report_url: Any = None,
    schedule: Any = None,
    filters: Iterable[RowFilter] = (),
    key_in: str | None = KEY_TAG,
    clock: Callable[[], datetime] = utc_now,
) -> Plan:
    """Decide for every row of a table whether a message goes to it, and what it says. Nothing is sent.

    Args:
        frame: One row per message. It is not changed, and changing it later changes nothing in the plan.
        content: What the messages say; None to read columns named after D7's fields, such as ``text.body``.
        to: The column with the phone numbers.
        originator: The registered number that the messages come from, or ``col(...)``.
        campaign: Your name for this mailing. The ledger recognises a row again by campaign and key.
        key: Column or columns that identify a row; without them, recipient and message do.
        country: The region whose national numbers are meant, such as ``"AE"``, or ``col(...)``.
        reference: Values that come back with reports: ``cust_ref``, ``message_tag1`` to ``message_tag5``,
            ``conversation_id``; each a literal, a text with ``{columns}`` or ``col(...)``.
        report_url: Where D7 posts delivery events, or ``col(...)``.
        schedule: When D7 shall send: a datetime with a zone, its ISO text, or ``col(...)``.
        filters: Pre-send filters for this plan alone, beside the registered ones; see `d7nb.filters`.
        key_in: The reference field in which each row's key travels; None for none.
        clock: Returns the time with a zone: schedules must be later, and the send records rows with it.

    Returns:
        The plan: verdicts, problems, request bodies.

    Raises:
        PlanError: An option can't be used at all, or `frame` is no DataFrame.
        ColumnError: A column that an option or the content names is not in the frame, or is there twice.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123", "call me"], "name": ["Ali", "Sara"]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
        >>> plan.summary
        {'ready': 1, 'invalid': 1, 'held': 0, 'skipped': 0}
    """
    given: object = filters
    options = PlanOptions(
        to=to,
        originator=originator,
        campaign=campaign,
        key=key,
        country=country,
        reference=None if reference is None else _reference_fields(reference),
        report_url=report_url,
        schedule=schedule,
        filters=tuple(given) if isinstance(given, Iterable) else (given,),  # type: ignore[arg-type]
        key_in=key_in,
        clock=clock,
    )
    return Plan(build_plan(frozen(frame), content, options, {}))


def _reference_fields(reference: Any) -> dict[str, Any]:
    if not isinstance(reference, Mapping):
        raise PlanError(f"reference= takes a dict such as {{'cust_ref': col('id')}}, not {type_in_words(reference)}")
    return dict(reference)
