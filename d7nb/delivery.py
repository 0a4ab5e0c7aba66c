"""Delivery: what the user holds after a plan was sent, and while it is."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from d7nb.client import Client
from d7nb.columns import with_columns
from d7nb.display.deliveries import delivery_html, delivery_text
from d7nb.display.page import plural
from d7nb.display.progress import Progress
from d7nb.errors import ConfirmError, Interrupted, PlanError
from d7nb.outcomes import COLUMNS, Outcomes
from d7nb.plugins import current
from d7nb.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from d7nb.filtering import Recheck
    from d7nb.packing import Packer

_GLANCE = 0.1
"""Seconds between two looks at a running send."""


class Delivery:
    """The result of sending a plan: every input row back in its place, each with exactly one outcome.

    While the send is running, everything here tells how far it has come.

    Attributes:
        warnings: What went wrong beside the rows, such as a plugin that failed after the send.
    """

    def __init__(self, frame: pd.DataFrame, recipients: pd.Series, outcomes: Outcomes, sending: Sending) -> None:
        self._frame = frame
        self._recipients = recipients
        self._outcomes = outcomes
        self._sending = sending
        self.warnings: list[str] = []
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        # Events, and no join: before Python 3.13, an interrupted join takes a thread for dead that is alive.
        self._began, self._ended, self._observed = threading.Event(), threading.Event(), threading.Event()

    def _start(self) -> None:
        """Start sending in the background, unless that was done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="d7nb-send")
            self._thread.start()

    def _run(self) -> None:
        self._began.set()
        try:
            self._sending.run()
        except BaseException as failure:  # noqa: BLE001  (it belongs to whoever waits)
            self._failure = failure
        finally:
            self._ended.set()
            self.warnings.extend(current().after_send(self))
            self._observed.set()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                self._sending.stop("the send was interrupted")
                if not self._began.is_set():
                    self._run()  # stopped before it began: this only closes the books, even if the thread does it too
                while not self._ended.wait(_GLANCE):  # in steps: a signal just before a long wait would not end it
                    pass
            raise Interrupted("the send was interrupted; its delivery says how far it came", self) from None

    @property
    def done(self) -> bool:
        """Whether the send has come to its end."""
        return self._ended.is_set()

    def stop(self) -> None:
        """Start no more requests; those in flight are finished and recorded, the rest is ``unsent``."""
        self._sending.stop("the send was stopped")

    def wait(self, *, progress: bool = False) -> Delivery:
        """Wait until the send is done.

        Args:
            progress: Whether to show a progress bar meanwhile.

        Returns:
            This delivery.

        Raises:
            Interrupted: The kernel was interrupted. What was in flight is finished first; a second interrupt does not
                wait for it.
        """
        if threading.current_thread() is self._thread:
            return self  # an observer asks, when all is done
        with self._interruptible(), Progress(self._sending.total, shown=progress) as bar:
            self._start()
            while not self._observed.wait(_GLANCE):
                bar.show(self._sending.finished, self._sending.word)
            bar.show(self._sending.finished, self._sending.word)
        if self._failure is not None:
            raise self._failure
        return self

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the input with what became of each row; ``d7_*`` columns that were there are replaced.

        Added: ``d7_outcome``, ``d7_reason``, ``d7_decided_by``, ``d7_recipient``, ``d7_request_id``, ``d7_created_at``.
        """
        return with_columns(self._frame, self._outcomes.columns(self._recipients), without=COLUMNS)

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each outcome."""
        return self._outcomes.count()

    @property
    def requests(self) -> pd.DataFrame:
        """One row per HTTP request: id, outcome, how many rows, originator, status, code, attempts, reason."""
        return self._outcomes.requests()

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        return delivery_text(self._shown())

    def _repr_html_(self) -> str:
        return delivery_html(self._shown())

    def _shown(self) -> dict[str, Any]:
        """What the displays need, as plain data."""
        return {
            "summary": self.summary,
            "reasons": self._outcomes.reasons(),
            "done": self.done,
            "warnings": self.warnings,
        }


def deliver(
    frame: pd.DataFrame,
    verdicts: pd.DataFrame,
    packer: Packer,
    ready: np.ndarray,
    client: Client,
    *,
    recheck: Recheck,
    confirm: int | None,
    progress: bool,
    wait: bool,
    split: bool,
) -> Delivery:
    """Start a send, and wait for it if asked to.

    Args:
        frame: The plan's table.
        verdicts: The plan's rows: ``verdict``, ``reason``, ``decided_by``, ``recipient``.
        packer: Makes the request bodies.
        ready: Positions of the rows that would go.
        client: Does the POST.
        recheck: Asks the rules that read the clock again.
        confirm: The number of rows that the user expects to go.
        progress: Whether to show a progress bar.
        wait: Whether to come back only at the end.
        split: Whether refused requests are taken apart.
    """
    if not isinstance(client, Client):
        raise PlanError("send() needs a client: d7nb.Client(), or the client() of a sandbox")
    if confirm is not None and confirm != len(ready):
        message = (
            f"confirm={confirm!r}, but {plural(len(ready), 'row')} would go; nothing was sent. Look at the plan again"
        )
        raise ConfirmError(message)
    outcomes = Outcomes(verdicts)
    sending = Sending(packer, ready, client, outcomes, recheck=recheck, split=split)
    delivery = Delivery(frame, verdicts["recipient"], outcomes, sending)
    if wait:
        return delivery.wait(progress=progress)
    with delivery._interruptible():
        delivery._start()
    return delivery
