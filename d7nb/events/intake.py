"""Group commit: what waits is written in one transaction, and answered when that is on the disk.

One event alone waits for one commit, and a thousand at once wait for one as well. So the disk bounds the time of an
answer, not how many there are.
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

MOST_WAITING = 16 * 1024 * 1024
"""Bytes of bodies that may wait to be written; whoever comes later is sent away to come again."""
_QUIET, _LONGEST_QUIET = 0.001, 0.01
"""Seconds without a newcomer after which a batch is written, and seconds after which it is written anyway."""
_OVERHEAD = 1024  # what a waiting request costs beside its body


class Answer(Enum):
    """What became of something that was to be written."""

    WRITTEN = "on the disk"
    FULL = "too much was waiting, so it was not taken"
    NOT_NOW = "the ledger could not be written"
    NEVER = "it could not be written, and was kept aside"


class _Waiting(NamedTuple):
    read: ParsedEvents
    answer: asyncio.Future[Answer]


class Intake:
    """What lies between requests and the ledger. It belongs to one event loop.

    Args:
        ledger: Where everything goes.
        destination: Whose events these are, as the ledger knows it.
        stop_words: What counts as a wish to get no more messages.
        clock: What time it is.
    """

    def __init__(
        self, ledger: Store, destination: str, stop_words: Sequence[str], clock: Callable[[], datetime]
    ) -> None:
        self._ledger, self._destination, self._clock = ledger, destination, clock
        self._stop_words = tuple(stop_words)
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._trouble = ""

    async def take(self, read: ParsedEvents, size: int) -> Answer:
        """Have something written, and wait until it is.

        Args:
            read: What a body says.
            size: The bytes of that body.
        """
        size += _OVERHEAD
        if self._bytes + size > MOST_WAITING:
            return Answer.FULL
        self._bytes += size
        try:
            waiting = _Waiting(read, asyncio.get_running_loop().create_future())
            self._waiting.append(waiting)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_all())
            return await waiting.answer
        finally:
            self._bytes -= size

    async def _write_all(self) -> None:
        """Write until nobody waits. While one batch is being written, the next one gathers."""
        while self._waiting:
            await self._gather()
            batch, self._waiting = self._waiting, []
            answers = [Answer.NOT_NOW] * len(batch)
            try:
                answers = await asyncio.to_thread(self._write, [waiting.read for waiting in batch])
            except RuntimeError:  # no thread can be had: the process ends, or the machine is exhausted
                logger.error("events could not be written: there is no thread for it")  # noqa: TRY400
            finally:
                for waiting, answer in zip(batch, answers, strict=True):
                    if not waiting.answer.done():  # a server that ends in a hurry cancels its requests
                        waiting.answer.set_result(answer)

    async def _gather(self) -> None:
        """Let those come who were answered together a moment ago: a commit costs the same for one and for all."""
        loop, count = asyncio.get_running_loop(), 0
        end = loop.time() + _LONGEST_QUIET
        while len(self._waiting) > count and loop.time() < end:
            count = len(self._waiting)
            await asyncio.sleep(_QUIET)

    def _write(self, batch: Sequence[ParsedEvents]) -> list[Answer]:
        """Write a batch in one transaction. One that the ledger chokes on must not keep back the others."""
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001  (a defect of ours, or a database that can't hold some text)
            if isinstance(error, LedgerError) and not self._is_writable():
                self._note(str(error))
                return [Answer.NOT_NOW] * len(batch)
            return self._one_by_one(batch) if len(batch) > 1 else [self._keep_aside(batch[0], error)]
        self._note("")
        return [Answer.WRITTEN] * len(batch)

    def _is_writable(self) -> bool:
        """Whether the ledger takes nothing at least: then it is something in the batch that it does not take."""
        try:
            self._ledger.take_in(self._destination, at=self._clock())
        except LedgerError:
            return False
        return True

    def _one_by_one(self, batch: Sequence[ParsedEvents]) -> list[Answer]:
        answers: list[Answer] = []
        for read in batch:
            answers += [Answer.NOT_NOW] if Answer.NOT_NOW in answers else self._write([read])
        return answers

    def _commit(self, batch: Sequence[ParsedEvents]) -> None:
        inbound = [message for read in batch for message in read.inbound]
        self._ledger.take_in(
            self._destination,
            updates=[update for read in batch for update in read.updates],
            inbound=inbound,
            opt_outs=[message for message in inbound if is_stop(message.text, self._stop_words)],
            aside=[DeadLetter(*bad) for read in batch for bad in read.unparsed],
            at=self._clock(),
        )

    def _keep_aside(self, read: ParsedEvents, error: Exception) -> Answer:
        why = f"it could not be written: {type(error).__name__}"  # the error's own words may hold what was in it
        logger.error("an event could not be written (%s), and is kept aside", type(error).__name__)
        try:
            kept = [DeadLetter(why, repr(part)) for part in (*read.updates, *read.inbound, *read.unparsed)]
            self._ledger.take_in(self._destination, aside=kept, at=self._clock())
        except Exception as again:  # noqa: BLE001
            self._note(f"what could not be written could not be kept aside, either: {type(again).__name__}")
            return Answer.NOT_NOW
        return Answer.NEVER

    def _note(self, trouble: str) -> None:
        """Say once that events can't be written, and once that they can be again."""
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                logger.error("events are turned away, to come again: %s", trouble)
            else:
                logger.warning("events are taken in again")
