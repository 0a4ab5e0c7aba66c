"""The part of the form that sends: a test first, the count to be typed, progress, and a button that stops it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.display.words import plural
from d7nb.errors import D7Error
from d7nb.masking import mask_text
from d7nb.widgets import parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.client import Client
    from d7nb.delivery import Delivery
    from d7nb.planning import Plan

_GLANCE = 0.2
"""Seconds between two looks at a running send."""


class SendBox:
    """Sends the form's plan, in the background, and shows how far it has come.

    Args:
        plan: Gives the plan as it is filled in; raises where there is none.
        client: Gives the client; raises `TokenError` where there is no token.
        ledger: As `Plan.send` takes it.
        guarded: Wraps what a widget calls, so that its errors are seen.
        sent: Called when something was sent or stopped.

    Attributes:
        delivery: What the last send came to, or has come to so far.
        going: How many rows would go.
    """

    def __init__(
        self,
        plan: Callable[[], Plan],
        client: Callable[[], Client],
        ledger: Any,
        guarded: Callable[..., Any],
        sent: Callable[[], None],
    ) -> None:
        self._plan, self._client, self._ledger, self._sent = plan, client, ledger, sent
        self.delivery: Delivery | None = None
        self.going = 0
        self._test_to = parts.text("Send a test to", placeholder="your own number, such as +971501234567")
        self._test = parts.button("Send test", guarded(self._send_test))
        self._told_test = w.HTML()
        self._typed = parts.text("Rows to go")
        self._send = parts.button("Send 0 messages", guarded(self._press), style="primary", disabled=True)
        self._stop = parts.button("Stop", guarded(self.stop), disabled=True)
        self._bar = w.IntProgress(0, 0, 1, description="Progress", layout={"width": "auto", "flex": "1 1 12em"})
        self._word = w.HTML()
        self._told = w.HTML()
        self._typed.observe(lambda _: self._refresh_button(), "value")
        self.box = parts.stack(
            parts.heading("Try it out"),
            parts.row(self._test_to, self._test),
            self._told_test,
            parts.heading("Send"),
            parts.row(self._typed, self._send, self._stop),
            parts.row(self._bar, self._word),
            self._told,
        )
        self._bar.layout.visibility = "hidden"

    @property
    def running(self) -> bool:
        """Whether something is being sent."""
        return self.delivery is not None and not self.delivery.done

    def offer(self, going: int) -> None:
        """Say how many rows would go now."""
        self.going = going
        self._send.description = f"Send {plural(going, 'message')}"
        self._typed.placeholder = f"type {going} to send {plural(going, 'message')}"
        self._refresh_button()

    def _refresh_button(self) -> None:
        typed = self._typed.value.replace(",", "").strip()
        ready = bool(self.going) and typed == str(self.going)
        self._send.disabled = self.running or not ready

    def _press(self) -> None:
        self._send.disabled = True
        try:
            self.start(self.going)
        except (D7Error, ValueError) as error:
            self._told.value = parts.shown('<p role="alert">Not sent: {{ words }}</p>', words=mask_text(str(error)))
            self._refresh_button()

    def start(self, confirm: int | None) -> Delivery:
        """Send what would go, in the background.

        Args:
            confirm: The number that was typed.
        """
        if self.running:
            raise D7Error("something is being sent already: stop it first, or wait")
        delivery = self._plan().send(self._client(), ledger=self._ledger, confirm=confirm, progress=False, wait=False)
        self.delivery = delivery
        self._typed.value = ""
        self._stop.disabled = False
        self._bar.layout.visibility = "visible"
        threading.Thread(target=self._watch, args=(delivery,), name="d7nb-compose-watch", daemon=True).start()
        return delivery

    def stop(self) -> None:
        """Start no more requests; those in flight are finished."""
        if self.delivery is not None:
            self.delivery.stop()
            self._word.value = parts.shown("stopping: what is on its way is finished first")

    def _watch(self, delivery: Delivery) -> None:
        """In a thread: show how far it is, then what came of it."""
        began = time.monotonic()
        try:
            while not delivery.done:
                self._show(delivery, time.monotonic() - began)
                threading.Event().wait(_GLANCE)
            delivery.wait()
        except BaseException as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._told.value = parts.shown("<p>{{ words }}</p>", words=mask_text(str(error)))
        finally:
            self._show(delivery, time.monotonic() - began)
            self._stop.disabled = True
            self._bar.layout.visibility = "hidden"
            self._word.value = ""
            self._told.value = delivery._repr_html_()
            self._sent()

    def _show(self, delivery: Delivery, seconds: float) -> None:
        progress = delivery.progress
        self._bar.max, self._bar.value = max(progress.total, 1), progress.finished
        pace = progress.finished / seconds if seconds else 0.0
        left = f", about {_time((progress.total - progress.finished) / pace)} left" if pace else ""
        words = f"{progress.finished:,} of {plural(progress.total, 'row')}, {pace:,.0f} a second{left}"
        self._word.value = parts.shown("{{ words }}", words=f"{words}. {progress.word}".rstrip(". ") + ".")

    def _send_test(self) -> None:
        self._test.disabled = True
        self._told_test.value = parts.shown("sending the test ...")
        threading.Thread(target=self._run_test, name="d7nb-compose-test", daemon=True).start()

    def _run_test(self) -> None:
        try:
            delivery = self._plan().test(self._client(), to=self._test_to.value.strip(), ledger=self._ledger)
            counts = ", ".join(f"{count:,} {outcome}" for outcome, count in delivery.summary.items() if count)
            reasons = list(delivery.frame["d7_reason"].dropna().unique()[:3])
            words = f"the test: {counts}" + (f" ({mask_text('; '.join(reasons))})" if reasons else "")
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            words = f"the test was not sent: {mask_text(str(error))}"
        self._told_test.value = parts.shown("{{ words }}", words=words)
        self._test.disabled = False


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
