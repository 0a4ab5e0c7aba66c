"""plan(): the frozen decision about every row of a table, and what it would send."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.content.declare import Content, nearest, slots
from d7nb.content.leaves import Cells, Column, Unfit, by_distinct, plain_text
from d7nb.display.plans import plan_html, plan_text
from d7nb.display.previews import Preview, preview_of
from d7nb.envelope import KEY_TAG, Computed, Recipient, Reference, Routing, base32, recipients_of, to_schedule
from d7nb.errors import ColumnError, PlanError
from d7nb.identity import codes_of, keys_by_columns, keys_by_content
from d7nb.mixing import ByColumn, assign
from d7nb.packing import Packer
from d7nb.plugins import content_types
from d7nb.problems import Problem, problem_frame
from d7nb.recipients import check_numbers, family
from d7nb.rendering import DIGEST_SIZE, Renderer, columns_of
from d7nb.verdicts import VERDICTS, Verdicts

if TYPE_CHECKING:
    from d7nb.client import Client
    from d7nb.delivery import Delivery


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
    if not isinstance(frame, pd.DataFrame):
        raise PlanError(f"a plan needs a DataFrame, not a {type(frame).__name__}; read a file with d7nb.read_table")
    frozen = frame.copy(deep=False)
    if content is None:
        originator, report_url, schedule, reference = _from_columns(frozen, originator, report_url, schedule, reference)
    if originator is None:
        raise PlanError(
            "no originator was given: originator='+971...' is the registered number that messages come from"
        )
    key_columns = [] if key is None else [key] if isinstance(key, str) or not isinstance(key, Sequence) else list(key)
    _require(frozen, [to, *key_columns, *(country.columns if isinstance(country, Column) else ())])
    read_reference = Reference(**_known_keys(reference or {}))
    routing, schedule_problems = _routing(originator, report_url, schedule, clock())
    named = [content.column, *_columns_in(*content.contents.values())] if isinstance(content, ByColumn) else []
    _require(frozen, named or _columns_in(*([content] if isinstance(content, Content) else [])))
    _require(frozen, _columns_in(routing, read_reference))

    rows = np.arange(len(frozen))
    verdicts = Verdicts(len(frozen))
    numbers = check_numbers(frozen[to], country=frozen[country.name] if isinstance(country, Column) else country)
    verdicts.judge("numbers", _number_problems(numbers, to))
    verdicts.judge("schedule", schedule_problems)
    routing_renderer = Renderer(routing, frozen)
    routing_digests, found = routing_renderer.check(rows)
    verdicts.judge("envelope", found)
    verdicts.judge("schedule", _past_schedules(routing, frozen, clock()))
    if _columns_in(read_reference):
        verdicts.judge("envelope", Renderer(read_reference, frozen).check(rows).problems)

    assigned, unassigned = assign(content, frozen, content_types())
    verdicts.judge("content", unassigned)
    renderers = [Renderer(each, frozen) for each, _ in assigned]
    renderer_of = np.full(len(frozen), -1, dtype=np.int64)
    digests = np.zeros((len(frozen), DIGEST_SIZE), dtype=np.uint8)
    for number, (renderer, (_, own)) in enumerate(zip(renderers, assigned, strict=True)):
        renderer_of[own] = number
        digests[own], found = renderer.check(own)
        verdicts.judge("content", [*renderer.literal_warnings(), *found])
    texts, found = _key_texts(frozen, key_columns)
    verdicts.judge("key", found)

    ready = verdicts.ready
    keys = np.zeros((len(frozen), DIGEST_SIZE), dtype=np.uint8)
    keys[ready] = (
        keys_by_columns(campaign, (texts[row] for row in ready))
        if key_columns
        else keys_by_content(campaign, family(numbers["recipient"].take(ready)), digests[ready])
    )
    _skip_duplicates(verdicts, ready, keys, frozen.index, "key" if key_columns else "recipient and content")

    ready = verdicts.ready
    contents, routing_of = (np.full(len(frozen), -1, dtype=np.int64) for _ in range(2))
    contents[ready], routing_of[ready] = codes_of(digests[ready]), codes_of(routing_digests[ready])
    leaders = ready[np.unique(routing_of[ready], return_index=True)[1]]
    routings = [orjson.loads(text) for text in routing_renderer.fragments(leaders)]
    recipient = Recipient(recipients_of(numbers["recipient"]), _with_key(read_reference, key_in, keys))  # type: ignore[arg-type]
    packer = Packer(
        renderers=renderers,
        renderer_of=renderer_of,
        contents=contents,
        routings=routings,
        routing_of=routing_of,
        recipients=Renderer(recipient, frozen),
    )
    return Plan(
        frame=frozen,
        content=content,
        campaign=campaign,
        verdicts=verdicts,
        recipients=numbers["recipient"],
        keys=keys,
        packer=packer,
    )


class Plan:
    """The frozen decision: for every input row its verdict and, where it is ready, its payload. Made by `plan`.

    Attributes:
        campaign: The name of the mailing.
        rows: One row per input row, same index and order: ``verdict`` (ready, invalid, held, skipped), ``reason``,
            ``decided_by``, ``recipient`` (E.164).
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
    ) -> None:
        self._frame = frame
        self._content = content
        self.campaign = campaign
        self.rows = verdicts.frame(frame.index, recipients)
        self._problems = tuple(verdicts.problems)
        self._ready = verdicts.ready
        self._keys = keys
        self._packer = packer

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each verdict."""
        counts = self.rows["verdict"].value_counts()
        return {verdict: int(counts[verdict]) for verdict in VERDICTS}

    @cached_property
    def problems(self) -> pd.DataFrame:
        """Everything wrong with the table, all at once: one row per problem and cell.

        Columns: ``row`` (position from 0), ``index`` (label), ``column``, ``value`` (masked), ``code``, ``message``,
        ``hint``, ``severity`` (error, held, warning), ``field`` (D7's dotted path).
        """
        return problem_frame(self._problems, self._frame)

    def requests(self, batch_size: int = 100) -> Iterator[dict[str, Any]]:
        """The JSON bodies that would be posted, one after another, made as they are asked for.

        Args:
            batch_size: How many recipients a request may carry.

        Yields:
            D7's request body (d7-api.md section 2).
        """
        for _, body in self._packer.bodies(self._packer.batches(self._ready, batch_size)):
            yield orjson.loads(body)

    def preview(self, n: int = 6) -> Preview:
        """The strangest of the messages about to go, filled in, numbers masked.

        Args:
            n: How many to show.

        Returns:
            A `Preview`, which shows itself and has the same as ``.frame``.
        """
        return preview_of(self._packer.contents, self._ready, self._frame.index, self.rows["recipient"].array, n)

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
            self.rows,
            self._packer,
            self._ready,
            client,
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
            "problems": self.problems,
        }


def _from_columns(
    frame: pd.DataFrame, originator: Any, report_url: Any, schedule: Any, reference: Mapping[str, Any] | None
) -> tuple[Any, Any, Any, Mapping[str, Any] | None]:
    """A table that is a mailing by itself may hold the envelope too, in columns named as D7 does."""

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


def _columns_in(*parts: Any) -> list[Hashable]:
    return columns_of(slot for part in parts for slot in slots(part.tree()).values() if slot.bound)


def _require(frame: pd.DataFrame, names: Sequence[Hashable]) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in frame.columns]
    if unknown:
        known = list(frame.columns)
        words = [f"there is no column {name!r}; {nearest(name, known) or _listed(known)}" for name in unknown]
        raise ColumnError("; ".join(words))
    twice = [name for name in dict.fromkeys(names) if (frame.columns == name).sum() > 1]
    if twice:
        message = f"{', '.join(map(repr, twice))} is the name of several columns; rename them, so that one is meant"
        raise ColumnError(message)


def _listed(names: Sequence[Hashable]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"there are {shown}{', ...' if len(names) > 12 else ''}" if names else "the frame has no columns"


def _known_keys(reference: Mapping[str, Any]) -> dict[str, Any]:
    known = list(Reference.specs())
    for name in reference:
        if name not in known:
            raise PlanError(f"reference: D7 has no {name!r}; {nearest(name, known) or 'it has ' + ', '.join(known)}")
    return dict(reference)


def _with_key(reference: Reference, key_in: str | None, keys: np.ndarray) -> dict[str, Any]:
    given = {name: value for name in Reference.specs() if (value := getattr(reference, name)) is not None}
    if key_in is None:
        return given
    if key_in in given:
        message = f"reference: {key_in} is where each row's key travels; use another, or say key_in= which may carry it"
        raise PlanError(message)
    return given | _known_keys({key_in: Computed("key", lambda rows: base32(keys[rows]))})


def _routing(originator: Any, report_url: Any, schedule: Any, now: datetime) -> tuple[Routing, list[Problem]]:
    """The routing, and what is wrong with a schedule that all rows share."""
    if schedule is None or isinstance(schedule, Column):
        return Routing(originator, report_url, schedule), []
    converted = to_schedule(schedule)
    fault = converted.message if isinstance(converted, Unfit) else _past(converted, now)
    if not fault:
        return Routing(originator, report_url, schedule), []
    hint = "give a time to come with its zone, such as 2026-11-30T09:00+04:00"
    problem = Problem("bad_schedule", fault, hint, field="message_globals.schedule_time")
    return Routing(originator, report_url), [problem]


def _past(schedule: str, now: datetime) -> str | None:
    return f"{schedule} is past" if datetime.fromisoformat(schedule) <= now else None


def _past_schedules(routing: Routing, frame: pd.DataFrame, now: datetime) -> Iterator[Problem]:
    if isinstance(routing.schedule, Column):
        name = routing.schedule.name
        times = by_distinct(to_schedule, Cells(frame, np.arange(len(frame)))[name])
        faults = by_distinct(lambda time: None if isinstance(time, Unfit) else _past(time, now), times)
        rows = np.flatnonzero([fault is not None for fault in faults])
        if len(rows):
            messages = [faults[row] for row in rows]
            yield Problem(
                "bad_schedule", messages, "give a time to come", field="schedule_time", column=name, rows=rows
            )


def _number_problems(numbers: pd.DataFrame, to: Hashable) -> Iterator[Problem]:
    for verdict, severity in (("broken", "error"), ("ambiguous", "held")):
        rows = np.flatnonzero(numbers["verdict"] == verdict)
        found = numbers.iloc[rows]
        for code in found["code"].unique():
            places = np.flatnonzero(found["code"] == code)
            messages = found["message"].iloc[places].tolist()
            hint = "correct the number" if severity == "error" else "choose one with plan.release()"
            yield Problem(str(code), messages, hint, severity, "recipient", to, rows[places])  # type: ignore[arg-type]


def _key_texts(frame: pd.DataFrame, names: Sequence[Hashable]) -> tuple[list[tuple[str, ...]], list[Problem]]:
    """Each row's key columns as texts; an empty or unusable cell is a problem."""
    cells = Cells(frame, np.arange(len(frame)))
    columns, problems = [], []
    for name in names:
        texts = by_distinct(plain_text, cells[name])
        columns.append(texts)
        rows = np.flatnonzero([not isinstance(text, str) for text in texts])
        if len(rows):
            problems.append(Problem("missing", "the cell is empty, but it is the row's key", column=name, rows=rows))
    return list(zip(*columns, strict=True)), problems


def _skip_duplicates(verdicts: Verdicts, ready: np.ndarray, keys: np.ndarray, index: pd.Index, same: str) -> None:
    codes = codes_of(keys[ready])
    first = np.unique(codes, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(ready)), first)
    kept = ready[first[codes[again]]]
    reasons = [f"same {same} as the row at position {row} (index {index[row]!r})" for row in kept]
    verdicts.decide("skipped", "duplicates", ready[again], reasons)
