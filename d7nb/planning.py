"""plan(): the frozen decision about every row of a table, and what it would send."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.columns import columns_in, frozen, require, with_columns
from d7nb.content.declare import Content
from d7nb.content.leaves import Column
from d7nb.display.plans import plan_html, plan_text
from d7nb.display.previews import Preview, preview_of
from d7nb.envelope import KEY_TAG, from_columns, past_schedules, read_reference, read_routing, recipient_objects
from d7nb.errors import PlanError
from d7nb.filtering import Recheck, ask_all, chosen
from d7nb.identity import check_campaign, codes_of, key_texts, keys_by_columns, keys_by_content, repeated
from d7nb.mixing import ByColumn, assign
from d7nb.packing import Packer
from d7nb.plugins import content_types, current
from d7nb.problems import Problem, problem_frame
from d7nb.recipients import check_numbers, family
from d7nb.rendering import DIGEST_SIZE, Renderer
from d7nb.verdicts import VERDICTS, Verdicts

if TYPE_CHECKING:
    from d7nb.client import Client
    from d7nb.delivery import Delivery
    from d7nb.filtering import Asked
    from d7nb.plugins.row_filters import RowFilter


def utc_now() -> datetime:
    """The clock that is used unless another is handed in."""
    return datetime.now(UTC)


def plan(
    frame: pd.DataFrame,
    content: Content | ByColumn | None = None,
    *,
    to: Hashable = "recipient",
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
        content: What the messages say; None to read columns named by D7's dotted paths, such as ``text.body``.
        to: The column with the phone numbers.
        originator: The registered number that the messages come from, or ``col(...)``.
        campaign: Your name for this mailing; a part of each row's identity.
        key: Column or columns that identify a row; without them a row is its recipient and what it is told.
        country: The region whose national numbers are meant, such as ``"AE"``, or ``col(...)``.
        reference: What comes back with reports: ``cust_ref``, ``message_tag1`` to ``message_tag5``,
            ``conversation_id``; values literal, template or ``col(...)`` (d7-api.md section 2).
        report_url: Where D7 posts delivery events, or ``col(...)``.
        schedule: When D7 shall send: a datetime with a zone, its ISO text, or ``col(...)``.
        filters: Pre-send filters for this plan alone, beside the registered ones; see `d7nb.filters`.
        key_in: The reference field in which each row's key travels; None for none.
        clock: Tells the time that a schedule is held against.

    Returns:
        The plan: verdicts, problems, request bodies.

    Raises:
        PlanError: An option can't be used at all, or the frame is none.
        ColumnError: A column that is asked for is not in the frame, or there twice.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123", "call me"], "name": ["Ali", "Sara"]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
        >>> plan.summary
        {'ready': 1, 'invalid': 1, 'held': 0, 'skipped': 0}
    """
    kept, now = frozen(frame), clock()
    if content is None:
        originator, report_url, schedule, reference = from_columns(kept, originator, report_url, schedule, reference)
    if originator is None:
        raise PlanError(
            "no originator was given: originator='+971...' is the registered number that messages come from"
        )
    check_campaign(campaign)
    marks = read_reference(reference, key_in)
    routing, schedule_problems = read_routing(originator, report_url, schedule, now)
    key_columns = [] if key is None else list(key) if isinstance(key, Sequence) and not isinstance(key, str) else [key]
    require(kept, [to, *key_columns, *_columns_read(country, content), *columns_in(routing, marks)])

    rows = np.arange(len(kept))
    verdicts = Verdicts(len(kept))
    numbers = check_numbers(kept[to], country=kept[country.name] if isinstance(country, Column) else country)
    verdicts.judge("numbers", _number_problems(numbers, to))
    routings = Renderer(routing, kept)
    routing_digests, found = routings.check(rows)
    verdicts.judge("envelope", [*found, *Renderer(marks, kept).check(rows).problems])
    verdicts.judge("schedule", [*schedule_problems, *past_schedules(routing, kept, now)])
    assigned, unassigned = assign(content, kept, content_types())
    verdicts.judge("content", unassigned)
    renderers = [Renderer(each, kept) for each, _ in assigned]
    renderer_of = np.full(len(kept), -1, dtype=np.int64)
    digests = np.zeros((len(kept), DIGEST_SIZE), dtype=np.uint8)
    for number, (renderer, (_, own)) in enumerate(zip(renderers, assigned, strict=True)):
        renderer_of[own] = number
        digests[own], found = renderer.check(own)
        verdicts.judge("content", [*renderer.literal_warnings(), *found])
    texts, found = key_texts(kept, key_columns)
    verdicts.judge("key", found)

    keys = np.zeros((len(kept), DIGEST_SIZE), dtype=np.uint8)
    ready = verdicts.ready
    keys[ready] = (
        keys_by_columns(campaign, (texts[row] for row in ready))
        if key_columns
        else keys_by_content(campaign, family(numbers["recipient"].take(ready)), digests[ready])
    )
    sourced = chosen(current().filters(), filters)
    message_types = np.array([*(each.message_type for each, _ in assigned), ""])[renderer_of]  # -1: the last, none
    rows_of = _Shown(kept, numbers, message_types, keys, ready)
    asked = ask_all(sourced, rows_of(ready))
    for each in asked:
        name = each.row_filter.name
        verdicts.decide("skipped", name, ready[each.places], each.reasons)
        verdicts.judge(name, [Problem(name, each.warning, severity="warning")] if each.warning else [])

    ready = verdicts.ready
    contents, routing_of = (np.full(len(kept), -1, dtype=np.int64) for _ in range(2))
    contents[ready], routing_of[ready] = codes_of(digests[ready]), codes_of(routing_digests[ready])
    leaders = ready[np.unique(routing_of[ready], return_index=True)[1]]
    packer = Packer(
        renderers=renderers,
        renderer_of=renderer_of,
        contents=contents,
        routings=[orjson.loads(text) for text in routings.fragments(leaders)],
        routing_of=routing_of,
        recipients=Renderer(recipient_objects(numbers["recipient"], marks, key_in, keys), kept),
    )
    return Plan(
        frame=kept,
        content=content,
        campaign=campaign,
        verdicts=verdicts,
        recipients=numbers["recipient"],
        keys=keys,
        packer=packer,
        asked=asked,
        recheck=Recheck(sourced, rows_of, packer.schedule_of, clock),
    )


class Plan:
    """The frozen decision: for every input row its verdict and, where it is ready, its payload. Made by `plan`.

    Attributes:
        campaign: The name of the mailing.
    """

    def __init__(
        self,
        *,
        frame: pd.DataFrame,
        content: Content | ByColumn | None,
        campaign: str,
        verdicts: Verdicts,
        recipients: pd.Series,
        keys: np.ndarray,
        packer: Packer,
        asked: Sequence[Asked],
        recheck: Recheck,
    ) -> None:
        self._frame = frame
        self._content = content
        self.campaign = campaign
        self._rows = verdicts.frame(frame.index, recipients)
        self._found = tuple(verdicts.problems)
        self._ready = verdicts.ready
        self._keys = keys
        self._packer = packer
        self._asked = asked
        self._recheck = recheck

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def rows(self) -> pd.DataFrame:
        """One row per input row, same index and order.

        Columns: ``verdict`` (ready, invalid, held, skipped), ``reason``, ``decided_by``, ``recipient`` (E.164).
        """
        return self._rows.copy(deep=False)

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each verdict."""
        counts = self._rows["verdict"].value_counts()
        return {verdict: int(counts[verdict]) for verdict in VERDICTS}

    @property
    def problems(self) -> pd.DataFrame:
        """Everything wrong with the table, all at once: one row per problem and cell.

        Columns: ``row`` (position from 0), ``index`` (label), ``column``, ``value`` (masked), ``code``, ``message``,
        ``hint``, ``severity`` (error, held, warning), ``field`` (D7's dotted path).
        """
        return self._problems.copy(deep=False)

    @cached_property
    def _problems(self) -> pd.DataFrame:
        return problem_frame(self._found, self._frame)

    @property
    def filters(self) -> pd.DataFrame:
        """The filters that were asked, in order: ``name``, ``stage``, ``source``, rows it ``saw`` and ``skipped``."""
        told = [(a.row_filter.name, a.row_filter.stage, a.source, a.saw, len(a.places)) for a in self._asked]
        return pd.DataFrame(told, columns=["name", "stage", "source", "saw", "skipped"])

    def requests(self, batch_size: int = 100) -> Iterator[dict[str, Any]]:
        """The JSON bodies that would be posted, one after another, made as they are asked for.

        Args:
            batch_size: How many recipients a request may carry.

        Returns:
            An iterator over D7's request bodies (d7-api.md section 2).

        Raises:
            ValueError: `batch_size` is less than one.
        """
        if batch_size < 1:
            raise ValueError("batch_size counts from 1")
        batches = self._packer.batches(self._ready, batch_size)
        return (orjson.loads(body) for _, body in self._packer.bodies(batches))

    def preview(self, n: int = 6) -> Preview:
        """The strangest of the messages about to go, filled in, numbers masked.

        Args:
            n: How many to show.

        Returns:
            A `Preview`, which shows itself and has the same as ``.frame``.
        """
        return preview_of(self._packer.contents, self._ready, self._frame.index, self._rows["recipient"].array, n)

    def send(
        self,
        client: Client,
        *,
        confirm: int | None = None,
        progress: bool = True,
        wait: bool = True,
        split: bool = True,
    ) -> Delivery:
        """Send what is ready.

        Args:
            client: `d7nb.Client`, or a sandbox's ``client()``.
            confirm: How many rows you expect to go; if it is another number, nothing goes.
            progress: Whether to show a progress bar.
            wait: Whether to come back only when all is done; otherwise the delivery goes on in the background.
            split: Whether a refused request is taken apart, so that a bad row costs only itself.

        Returns:
            The delivery: every input row with its outcome.

        Raises:
            ConfirmError: ``confirm`` is not the number of rows about to go.
            Interrupted: The kernel was interrupted; requests in flight were finished first. It is a
                `KeyboardInterrupt` with the partial delivery as ``.delivery``.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox:
            ...     plan.send(sandbox.client(), progress=False).summary["accepted"]
            1
        """
        from d7nb.delivery import deliver  # noqa: PLC0415  (a plan that is never sent needs no HTTP)

        return deliver(
            self._frame,
            self._rows,
            self._packer,
            self._ready,
            client,
            recheck=self._recheck,
            confirm=confirm,
            progress=progress,
            wait=wait,
            split=split,
        )

    def __repr__(self) -> str:
        return plan_text(self._shown())

    def _repr_html_(self) -> str:
        return plan_html(self._shown())

    def _shown(self) -> dict[str, Any]:
        """What the displays need, as plain data."""
        return {
            "campaign": self.campaign,
            "content": repr(self._content) if self._content is not None else "columns named by D7's paths",
            "summary": self.summary,
            "problems": self._problems,
        }


def _columns_read(country: Any, content: Content | ByColumn | None) -> list[Hashable]:
    """The columns that country and content name; columns that make a content by their own names are not among them."""
    named = [country.name] if isinstance(country, Column) else []
    if isinstance(content, ByColumn):
        return [*named, content.column, *columns_in(*content.contents.values())]
    return [*named, *columns_in(content)] if isinstance(content, Content) else named


def _number_problems(numbers: pd.DataFrame, to: Hashable) -> Iterator[Problem]:
    for verdict, severity in (("broken", "error"), ("ambiguous", "held")):
        rows = np.flatnonzero(numbers["verdict"] == verdict)
        found = numbers.iloc[rows]
        for code in found["code"].unique():
            places = np.flatnonzero(found["code"] == code)
            messages = found["message"].iloc[places].tolist()
            hint = "correct the number" if severity == "error" else "choose one with plan.release()"
            yield Problem(str(code), messages, hint, severity, "recipient", to, rows[places])  # type: ignore[arg-type]


class _Shown:
    """What filters are shown of some rows: the user's columns, and what the plan knows of each."""

    def __init__(
        self, frame: pd.DataFrame, numbers: pd.DataFrame, message_types: np.ndarray, keys: np.ndarray, ready: np.ndarray
    ) -> None:
        self._frame, self._numbers, self._message_types = frame, numbers, message_types
        self._same_as = np.arange(len(frame))
        again, first = repeated(keys[ready])
        self._same_as[ready[again]] = ready[first]

    def __call__(self, rows: np.ndarray) -> pd.DataFrame:
        """The frame of these rows, at the positions given."""
        numbers = self._numbers.take(rows)
        known = {
            "d7_row": rows,
            "d7_recipient": numbers["recipient"].array,
            "d7_country": numbers["country"].array,
            "d7_message_type": self._message_types[rows],
            "d7_same_as": self._same_as[rows],
        }
        return with_columns(self._frame.take(rows), known)
