"""The queue between the receiver's requests and the ledger, which writes waiting events in one transaction.

A single event waits for one commit, and a thousand events at once wait for one as well (group commit). So the time of
an answer depends on the disk, not on the number of events.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from d7nb.errors import LedgerError
from d7nb.events.stop_words import is_stop
from d7nb.store.dead_letters import DeadLetter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from d7nb.api.reports import ParsedEvents
    from d7nb.store.store import Store

logger = logging.getLogger("d7nb.events")

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Bytes of bodies that may wait to be written; more are turned away, to be posted again."""
_GATHER_STEP, _GATHER_LIMIT = 0.001, 0.01
"""Seconds without a new event after which a batch is written, and seconds after which it is written anyway."""
_REQUEST_OVERHEAD = 1024  # bytes of a waiting request beside its body


class WriteResult(Enum):
    """The result of writing the events of one body."""

    WRITTEN = "on the disk"
    QUEUE_FULL = "not taken, because too much is waiting"
    NOT_WRITABLE = "the ledger could not be written"
    SET_ASIDE = "it could not be written, and is a dead letter now"


class _WaitingEvents(NamedTuple):
    parsed: ParsedEvents
    result: asyncio.Future[WriteResult]


class Intake:
    """The queue of events for a ledger. It belongs to one event loop.

    Args:
        ledger: Where the events are written.
        destination: The destination whose events these are, as the ledger knows it.
        stop_words: The messages that are opt-outs.
        clock: Tells the time.
    """

    def __init__(
        self, ledger: Store, destination: str, stop_words: Sequence[str], clock: Callable[[], datetime]
    ) -> None:
        self._ledger, self._destination, self._clock = ledger, destination, clock
        self._stop_words = tuple(stop_words)
        self._queue: list[_WaitingEvents] = []
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._logged_problem = ""

    async def write(self, parsed: ParsedEvents, size: int) -> WriteResult:
        """Queue the events of a body, and wait until they are written.

        Args:
            parsed: The events.
            size: The bytes of the body.
        """
        size += _REQUEST_OVERHEAD
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            return WriteResult.QUEUE_FULL
        self._waiting_bytes += size
        try:
            waiting = _WaitingEvents(parsed, asyncio.get_running_loop().create_future())
            self._queue.append(waiting)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_queue())
            return await waiting.result
        finally:
            self._waiting_bytes -= size

    async def _write_queue(self) -> None:
        """Write until the queue is empty. While a batch is being written, the next one gathers."""
        while self._queue:
            await self._gather()
            batch, self._queue = self._queue, []
            results = [WriteResult.NOT_WRITABLE] * len(batch)
            try:
                results = await asyncio.to_thread(self._write_batch, [waiting.parsed for waiting in batch])
            except RuntimeError:  # no thread can be had: the process ends, or the machine is exhausted
                logger.error("events could not be written: no thread could be started for it")  # noqa: TRY400
            finally:
                for waiting, result in zip(batch, results, strict=True):
                    if not waiting.result.done():  # a server that ends in a hurry cancels its requests
                        waiting.result.set_result(result)

    async def _gather(self) -> None:
        """Wait a moment for senders that were answered together: a commit costs the same for one event and for all."""
        loop, count = asyncio.get_running_loop(), 0
        deadline = loop.time() + _GATHER_LIMIT
        while len(self._queue) > count and loop.time() < deadline:
            count = len(self._queue)
            await asyncio.sleep(_GATHER_STEP)

    def _write_batch(self, batch: Sequence[ParsedEvents]) -> list[WriteResult]:
        """Write a batch in one transaction; if that fails, write each body alone, so that one can't stop the others."""
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001  (a defect of ours, or a database that can't hold some text)
            if isinstance(error, LedgerError) and not self._is_writable():
                self._log_problem(str(error))
                return [WriteResult.NOT_WRITABLE] * len(batch)
            return self._write_each(batch) if len(batch) > 1 else [self._set_aside(batch[0], error)]
        self._log_problem("")
        return [WriteResult.WRITTEN] * len(batch)

    def _is_writable(self) -> bool:
        """Return whether the ledger can be written at all: if so, the batch is at fault."""
        try:
            self._ledger.take_in(self._destination, at=self._clock())
        except LedgerError:
            return False
        return True

    def _write_each(self, batch: Sequence[ParsedEvents]) -> list[WriteResult]:
        results: list[WriteResult] = []
        for parsed in batch:
            stopped = WriteResult.NOT_WRITABLE in results
            results += [WriteResult.NOT_WRITABLE] if stopped else self._write_batch([parsed])
        return results

    def _commit(self, batch: Sequence[ParsedEvents]) -> None:
        inbound = [message for parsed in batch for message in parsed.inbound]
        self._ledger.take_in(
            self._destination,
            updates=[update for parsed in batch for update in parsed.updates],
            inbound=inbound,
            opt_outs=[message for message in inbound if is_stop(message.text, self._stop_words)],
            aside=[DeadLetter(*unparsed) for parsed in batch for unparsed in parsed.unparsed],
            at=self._clock(),
        )

    def _set_aside(self, parsed: ParsedEvents, error: Exception) -> WriteResult:
        """Keep events that can't be written as dead letters."""
        reason = f"it could not be written: {type(error).__name__}"  # the error's text may quote the event
        logger.error(
            "an event could not be written (%s); see it with: python -m d7nb ledger aside", type(error).__name__
        )
        try:
            letters = [
                DeadLetter(reason, repr(event)) for event in (*parsed.updates, *parsed.inbound, *parsed.unparsed)
            ]
            self._ledger.take_in(self._destination, aside=letters, at=self._clock())
        except Exception as second_error:  # noqa: BLE001
            self._log_problem(
                f"an event could not be written, and could not be put aside either: {type(second_error).__name__}"
            )
            return WriteResult.NOT_WRITABLE
        return WriteResult.SET_ASIDE

    def _log_problem(self, problem: str) -> None:
        """Log once that events can't be written, and once (with an empty text) that they can be again."""
        if problem != self._logged_problem:
            self._logged_problem = problem
            if problem:
                logger.error("events are refused, to be posted again: %s", problem)
            else:
                logger.warning("events are accepted again")
