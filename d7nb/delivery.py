"""Delivery: what the user holds after a plan was sent, and while it is."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd

from d7nb.display.deliveries import delivery_html, delivery_text
from d7nb.errors import ConfirmError, Interrupted
from d7nb.outcomes import Outcomes
from d7nb.sending import Sending

if TYPE_CHECKING:
    import numpy as np

    from d7nb.client import Client
    from d7nb.packing import Packer

_GLANCE = 0.1
"""Seconds between two looks at a running send."""


class Delivery:
    """The result of sending a plan: every input row back in its place, each with exactly one outcome.

    While the send is running, everything here tells how far it has come.
    """

    def __init__(self, frame: pd.DataFrame, recipients: pd.Series, outcomes: Outcomes, sending: Sending) -> None:
        self._frame = frame
        self._recipients = recipients
        self._outcomes = outcomes
        self._sending = sending
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="d7nb-send")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._sending.run()
        except BaseException as failure:  # noqa: BLE001  (it belongs to whoever waits)
            self._failure = failure

    @property
    def done(self) -> bool:
        """Whether the send has come to its end."""
        return not self._thread.is_alive()

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
        try:
            self._watch(progress=progress)
        except KeyboardInterrupt:
            self._sending.stop("the send was interrupted")
            with suppress(KeyboardInterrupt):
                self._thread.join()
            raise Interrupted("the send was interrupted; its delivery says how far it came", self) from None
        if self._failure is not None:
            raise self._failure
        return self

    def _watch(self, *, progress: bool) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415  (slow to import)

        with tqdm(total=self._sending.total, unit="row", disable=not progress) as bar:
            while not self.done:
                self._thread.join(_GLANCE)
                bar.set_postfix_str(self._sending.word, refresh=False)
                bar.update(self._sending.finished - bar.n)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the input with what became of each row; ``d7_*`` columns that were there are replaced.

        Added: ``d7_outcome``, ``d7_reason``, ``d7_decided_by``, ``d7_recipient``, ``d7_request_id``, ``d7_created_at``.
        """
        columns = self._outcomes.columns(self._recipients)
        kept = self._frame.loc[:, [name not in columns for name in self._frame.columns]]
        return pd.concat([kept, pd.DataFrame(columns, index=self._frame.index)], axis=1)

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
        return {"summary": self.summary, "reasons": self._outcomes.reasons(), "done": self.done}


def deliver(
    frame: pd.DataFrame,
    verdicts: pd.DataFrame,
    packer: Packer,
    ready: np.ndarray,
    client: Client,
    *,
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
        confirm: The number of rows that the user expects to go.
        progress: Whether to show a progress bar.
        wait: Whether to come back only at the end.
        split: Whether refused requests are taken apart.
    """
    if confirm is not None and confirm != len(ready):
        message = (
            f"confirm={confirm:,}, but {len(ready):,} rows are about to go; nothing was sent. Look at the plan again"
        )
        raise ConfirmError(message)
    outcomes = Outcomes(verdicts)
    delivery = Delivery(frame, verdicts["recipient"], outcomes, Sending(packer, ready, client, outcomes, split=split))
    return delivery.wait(progress=progress) if wait else delivery
