"""The part of the form that sends: a test, the confirmation by count, progress, and a Stop button."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets as w

from d7nb.display.text import duration_text, plural
from d7nb.errors import D7Error
from d7nb.hints import render, speaking
from d7nb.widgets import controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery
    from d7nb.planning.plans import Plan

_UPDATE_EVERY = 0.2
"""Seconds between two updates of the progress shown."""


class Offer(NamedTuple):
    """What the Send button would send.

    Attributes:
        plan: The plan that the form shows.
        going: How many of its rows would be sent.
    """

    plan: Plan
    going: int


class SendPanel:
    """The widgets that send the plan shown, in the background, and show the progress.

    Args:
        plan: Returns the plan as it is filled in, for a test; raises where there is none.
        client: Returns the client; raises `TokenError` where there is no token.
        ledger: As `Plan.send` takes it.
        catch_errors: Wraps a widget's callback, so that the form shows its errors.
        message_of: Returns what an error says, as the form shows it.
        after_send: Called when a send has ended.

    Attributes:
        delivery: The delivery of the last send, which may be running; None before the first.
    """

    def __init__(
        self,
        plan: Callable[[], Plan],
        client: Callable[[], Client],
        ledger: Any,
        *,
        catch_errors: Callable[..., Any],
        message_of: Callable[[BaseException], str],
        after_send: Callable[[], None],
    ) -> None:
        self._plan, self._client, self._ledger = plan, client, ledger
        self._message_of, self._after_send = message_of, after_send
        self.delivery: Delivery | None = None
        self._offer: Offer | None = None
        self._version = 0
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._stopping = False
        self._test_recipient = controls.text_input(
            "Send a test to", placeholder="your own number, such as +971501234567"
        )
        self._test_button = controls.button("Send test", catch_errors(self._send_test))
        self._test_result, self._count, self._status, self._result = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._typed_count = controls.text_input("Rows to send")
        self._send_button = controls.button("Send", catch_errors(self._press), style="primary", disabled=True)
        self._stop_button = controls.button("Stop", catch_errors(self.stop), disabled=True)
        self._bar = w.IntProgress(0, 0, 1, description="Progress", layout={"width": "auto", "flex": "1 1 12em"})
        self._typed_count.observe(lambda _: self._refresh_button(), "value")
        self.box = controls.stack(
            controls.heading("Try it out"),
            controls.row(self._test_recipient, self._test_button),
            self._test_result,
            controls.heading("Send"),
            self._count,
            controls.row(self._typed_count, self._send_button, self._stop_button),
            controls.row(self._bar, self._status),
            self._result,
        )
        self._bar.layout.visibility = "hidden"

    @property
    def running(self) -> bool:
        """Whether a send is running, or its result is not shown yet."""
        return not self._idle.is_set()

    def wait(self) -> None:
        """Wait until no send is running and the last result is shown."""
        self._idle.wait()

    def withdraw(self, version: int) -> None:
        """Withdraw the offer and the typed count, after a change in the form.

        Args:
            version: The state's version from now on; only a plan of this version can be offered.
        """
        with self._lock:
            self._version, self._offer = version, None
        self._typed_count.value = ""
        self._refresh_button()

    def offer(self, version: int, plan: Plan, going: int) -> None:
        """Offer a plan for sending, unless the form was changed meanwhile.

        Args:
            version: The version of the state from which the plan was made.
            plan: The plan that is shown.
            going: How many of its rows would be sent.
        """
        with self._lock:
            if version != self._version:
                return
            self._offer = Offer(plan, going)
        ready = plan.summary["ready"]
        left_out = f" {plural(ready - going, 'row')} left out: sent earlier, or held until you decide." * (
            going < ready
        )
        self._count.value = controls.note(f"{going:,} of {plural(ready, 'ready row')} would be sent.{left_out}")
        self._typed_count.placeholder = f"type {going} to send {plural(going, 'message')}"
        self._send_button.description = f"Send {plural(going, 'message')}"
        self._refresh_button()

    def offer_nothing(self) -> None:
        """Offer nothing, because there is no plan."""
        with self._lock:
            self._offer = None
        self._count.value, self._typed_count.placeholder, self._send_button.description = "", "", "Send 0 messages"
        self._refresh_button()

    def _confirmed(self) -> Offer | None:
        """Return the offer if its count was typed."""
        offer = self._offer
        typed = self._typed_count.value.replace(",", "").strip()
        return offer if offer and offer.going and typed == str(offer.going) else None

    def _refresh_button(self) -> None:
        self._send_button.disabled = self.running or self._confirmed() is None

    def _press(self) -> None:
        confirmed = self._confirmed()
        if self.running:
            return  # a second click, made before the button was disabled
        if confirmed is None:
            self._show_result("Not sent: the number typed is not the number of rows to send; type it again")
            return
        self._begin()
        threading.Thread(target=self._run, args=(confirmed,), name="d7nb-compose-send", daemon=True).start()

    def _run(self, confirmed: Offer) -> None:
        """Send and show the progress. Runs in a thread, since a locked ledger may block."""
        try:
            delivery = self._send_now(confirmed.plan, confirmed.going)
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._end(f"Not sent: {self._message_of(error)}")
        else:
            self._watch(delivery)

    def start(self, plan: Plan, confirm: int | None) -> Delivery:
        """Send a plan in the background.

        Args:
            plan: The plan.
            confirm: As `Plan.send` takes it.
        """
        if self.running:
            raise D7Error("a send is already running: stop it first, or wait until it ends")
        self._begin()
        try:
            delivery = self._send_now(plan, confirm)
        except BaseException:
            self._end()
            raise
        threading.Thread(target=self._watch, args=(delivery,), name="d7nb-compose-watch", daemon=True).start()
        return delivery

    def _begin(self) -> None:
        self._idle.clear()
        self._stopping = False
        self._result.value = self._status.value = ""
        self._typed_count.value = ""
        self._send_button.disabled, self._stop_button.disabled = True, False
        self._bar.value, self._bar.layout.visibility = 0, "visible"

    def _send_now(self, plan: Plan, confirm: int | None) -> Delivery:
        delivery = plan.send(self._client(), ledger=self._ledger, confirm=confirm, progress=False, wait=False)
        self.delivery = delivery
        if self._stopping:
            delivery.stop()
        return delivery

    def stop(self) -> None:
        """Start no more requests; those in flight are finished."""
        self._stopping = True
        if self.running and self.delivery is not None:
            self.delivery.stop()
            self._show_progress(self.delivery, 0.0)

    def _watch(self, delivery: Delivery) -> None:
        """Show the progress until the end, then the result. Runs in a thread."""
        started, failure = time.monotonic(), ""
        try:
            while not delivery.done:
                self._show_progress(delivery, time.monotonic() - started)
                threading.Event().wait(_UPDATE_EVERY)
            delivery.wait()
        except BaseException as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            failure = f"The send failed: {type(error).__name__}: {self._message_of(error)}"
        self._end(failure, delivery)

    def _end(self, failure: str = "", delivery: Delivery | None = None) -> None:
        self._stop_button.disabled, self._bar.layout.visibility, self._status.value = True, "hidden", ""
        self._show_result(failure, delivery)
        self._idle.set()
        self._refresh_button()
        self._after_send()

    def _show_result(self, failure: str, delivery: Delivery | None = None) -> None:
        alert = controls.alert(failure) if failure else ""
        with speaking("form"):
            self._result.value = alert + (delivery._repr_html_() if delivery else "")

    def _show_progress(self, delivery: Delivery, seconds: float) -> None:
        progress = delivery.progress
        self._bar.max, self._bar.value = max(progress.total, 1), progress.finished
        rate = progress.finished / seconds if seconds else 0.0
        left = f", {duration_text((progress.total - progress.finished) / rate)} left" if rate else ""
        parts = [f"{progress.finished:,} of {plural(progress.total, 'row')}, {rate:,.0f} a second{left}", progress.word]
        if self._stopping:
            parts = ["stopping: messages on their way are finished first"]
        parts += [render(warning, "form") for warning in delivery.warnings]
        self._status.value = controls.note(". ".join(filter(None, parts)))

    def _send_test(self) -> None:
        self._test_button.disabled = True
        self._test_result.value = controls.note("Sending the test ...")
        threading.Thread(target=self._run_test, name="d7nb-compose-test", daemon=True).start()

    def _run_test(self) -> None:
        try:
            delivery = self._plan().test(self._client(), to=self._test_recipient.value.strip(), ledger=self._ledger)
            counts = ", ".join(f"{count:,} {outcome}" for outcome, count in delivery.summary.items() if count)
            reasons = list(delivery.frame["d7_reason"].dropna().unique()[:3])
            text = f"Test: {counts}" + (f" ({'; '.join(reasons)})" if reasons else "")
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            text = f"Test not sent: {self._message_of(error)}"
        self._test_result.value = controls.note(text)
        self._test_button.disabled = False
