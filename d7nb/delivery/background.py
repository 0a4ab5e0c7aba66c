"""A send that runs in a thread of its own, and finishes its requests when it is interrupted."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.display.progress import Progress
from d7nb.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d7nb.delivery.sending.loop import SendLoop

_POLL_INTERVAL = 0.1
"""Seconds between two looks at a running send."""


class SendProgress(NamedTuple):
    """How far a send has come.

    Attributes:
        total: The number of rows to send.
        finished: The number of rows that have an outcome.
        word: What the send is waiting for; empty while it is not.
    """

    total: int = 0
    finished: int = 0
    word: str = ""


class BackgroundSend:
    """A send loop in a thread of its own; `start` and `wait` are called by other threads.

    Args:
        loop: The send loop.
        resources: Closed when the loop has ended: the ledger, and the send's run in it.
        after_send: Called with the delivery when the loop has ended; returns warnings.

    Attributes:
        warnings: Sentences about what went wrong apart from the rows.
    """

    def __init__(self, loop: SendLoop, resources: ExitStack, after_send: Callable[[Any], list[str]]) -> None:
        self.warnings: list[str] = []
        self._loop = loop
        self._resources = resources
        self._after_send = after_send
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        # Events, and no join: before Python 3.13, an interrupted join takes a running thread for one that has ended.
        self._started, self._ended, self._after_send_ended = threading.Event(), threading.Event(), threading.Event()

    @property
    def done(self) -> bool:
        """Whether every row has its outcome; the hooks called after a send may still be running."""
        return self._ended.is_set()

    @property
    def progress(self) -> SendProgress:
        """How far the send has come."""
        return SendProgress(self._loop.total, self._loop.finished, self._loop.waiting_for)

    def start(self, delivery: object) -> None:
        """Start sending, unless that was done before.

        Args:
            delivery: The delivery of this send, for the hooks called after it and for `Interrupted`.

        Raises:
            Interrupted: The kernel was interrupted.
        """
        with self._interruptible(delivery):
            self._start_thread(delivery)

    def wait(self, delivery: object, *, progress: bool) -> None:
        """Start sending, unless that was done before, and wait until the send has ended.

        Args:
            delivery: As for `start`.
            progress: Whether to show a progress bar.

        Raises:
            Interrupted: The kernel was interrupted; requests in flight were finished first.
        """
        if threading.current_thread() is self._thread:
            return  # a hook called after the send waits for it
        with self._interruptible(delivery), Progress(self._loop.total, shown=progress) as bar:
            self._start_thread(delivery)
            while not self._after_send_ended.wait(_POLL_INTERVAL):
                bar.show(self._loop.finished, self._loop.waiting_for)
            bar.show(self._loop.finished, self._loop.waiting_for)
        if self._failure is not None:
            raise self._failure

    def stop(self, reason: str) -> None:
        """Start no more requests; those in flight are finished."""
        self._loop.stop(reason)

    def _start_thread(self, delivery: object) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(delivery,), name="d7nb-send")
            self._thread.start()

    def _run(self, delivery: object) -> None:
        self._started.set()
        try:
            with self._resources:
                self._loop.run()
        except BaseException as failure:  # noqa: BLE001  (it is raised in the thread that waits)
            self._failure = failure
        finally:
            self.warnings.extend(self._loop.warnings)
            self._ended.set()
            self.warnings.extend(self._after_send(delivery))
            self._after_send_ended.set()

    @contextmanager
    def _interruptible(self, delivery: object) -> Iterator[None]:
        """Turn an interrupt into `Interrupted`, after the requests in flight are finished."""
        try:
            yield
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):  # a second interrupt does not wait
                self.stop("the send was interrupted")
                if not self._started.is_set():
                    self._run(delivery)  # stopped before its thread began: this only gives the rows their outcomes
                while not self._ended.wait(_POLL_INTERVAL):  # in steps: a signal just before a wait would not end it
                    pass
            raise Interrupted("the send was interrupted; its delivery says how far it came", delivery) from None
