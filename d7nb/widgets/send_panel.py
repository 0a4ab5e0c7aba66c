"""The part of the form that sends: a test first, the count to be typed, progress, and a button that stops it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets as w

from d7nb.display.text import about, plural
from d7nb.errors import D7Error
from d7nb.widgets import controls as parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery
    from d7nb.planning.plans import Plan

_GLANCE = 0.2
"""Seconds between two looks at a running send."""


class Offer(NamedTuple):
    """What the button would send: the very plan that was shown and counted.

    Attributes:
        plan: The plan.
        going: How many of its rows would go.
    """

    plan: Plan
    going: int


class SendBox:
    """Sends the plan that the form shows, in the background, and shows how far it has come.

    Args:
        plan: Gives the plan as it is filled in, for a test; raises where there is none.
        client: Gives the client; raises `TokenError` where there is no token.
        ledger: As `Plan.send` takes it.
        guarded: Wraps what a widget calls, so that its errors are seen.
        sent: Called when something was sent or stopped.

    Attributes:
        delivery: What the last send came to, or has come to so far.
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
        self._offered: Offer | None = None
        self._version = 0
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._stopping = False
        self._test_to = parts.text("Send a test to", placeholder="your own number, such as +971501234567")
        self._test = parts.button("Send test", guarded(self._send_test))
        self._told_test, self._count, self._word, self._told = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._typed = parts.text("Rows to go")
        self._send = parts.button("Send", guarded(self._press), style="primary", disabled=True)
        self._stop = parts.button("Stop", guarded(self.stop), disabled=True)
        self._bar = w.IntProgress(0, 0, 1, description="Progress", layout={"width": "auto", "flex": "1 1 12em"})
        self._typed.observe(lambda _: self._refresh_button(), "value")
        self.box = parts.stack(
            parts.heading("Try it out"),
            parts.row(self._test_to, self._test),
            self._told_test,
            parts.heading("Send"),
            self._count,
            parts.row(self._typed, self._send, self._stop),
            parts.row(self._bar, self._word),
            self._told,
        )
        self._bar.layout.visibility = "hidden"

    @property
    def running(self) -> bool:
        """Whether something is being sent, or what came of it not shown yet."""
        return not self._idle.is_set()

    def wait(self) -> None:
        """Wait until nothing is being sent, and what came of it is shown."""
        self._idle.wait()

    def withdraw(self, version: int) -> None:
        """Something was changed: what was shown is no longer what would be sent, and no count of it counts.

        Args:
            version: The state's version from now on; only a plan of it can be offered.
        """
        with self._lock:
            self._version, self._offered = version, None
        self._typed.value = ""
        self._refresh_button()

    def offer(self, version: int, plan: Plan, going: int) -> None:
        """Say what would be sent now, unless something was changed meanwhile.

        Args:
            version: The state's version that the plan is of.
            plan: The plan that is shown.
            going: How many of its rows would go.
        """
        with self._lock:
            if version != self._version:
                return
            self._offered = Offer(plan, going)
        ready = plan.summary["ready"]
        kept = f", {plural(ready - going, 'row')} stay: they got it earlier, or the ledger holds them" * (going < ready)
        self._count.value = parts.shown("{{ words|masked }}", words=f"{going:,} of {ready:,} ready would go{kept}.")
        self._typed.placeholder = f"type {going} to send {plural(going, 'message')}"
        self._send.description = f"Send {plural(going, 'message')}"
        self._refresh_button()

    def offer_nothing(self) -> None:
        """Say that nothing can be sent as things are."""
        with self._lock:
            self._offered = None
        self._count.value, self._typed.placeholder, self._send.description = "", "", "Send 0 messages"
        self._refresh_button()

    def _confirmed(self) -> Offer | None:
        """What is offered, if its count was typed."""
        offered = self._offered
        typed = self._typed.value.replace(",", "").strip()
        return offered if offered and offered.going and typed == str(offered.going) else None

    def _refresh_button(self) -> None:
        self._send.disabled = self.running or self._confirmed() is None

    def _press(self) -> None:
        confirmed = self._confirmed()
        if self.running:
            return  # a second click, on its way when the first one was answered
        if confirmed is None:
            self._say("Not sent: the number typed is not that of the rows about to go; type it again")
            return
        self._begin()
        threading.Thread(target=self._run, args=(confirmed,), name="d7nb-compose-send", daemon=True).start()

    def _run(self, confirmed: Offer) -> None:
        """In a thread, since the ledger may let us wait: send, and watch."""
        try:
            delivery = self._send_now(confirmed.plan, confirmed.going)
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._end(f"Not sent: {error}")
        else:
            self._watch(delivery)

    def start(self, plan: Plan, confirm: int | None) -> Delivery:
        """Send what would go, in the background.

        Args:
            plan: The plan.
            confirm: The number of rows that should go.
        """
        if self.running:
            raise D7Error("something is being sent already: stop it first, or wait")
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
        self._told.value = self._word.value = ""
        self._typed.value = ""
        self._send.disabled, self._stop.disabled = True, False
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
            self._show(self.delivery, 0.0)

    def _watch(self, delivery: Delivery) -> None:
        """In a thread: show how far it is, then what came of it."""
        began, failure = time.monotonic(), ""
        try:
            while not delivery.done:
                self._show(delivery, time.monotonic() - began)
                threading.Event().wait(_GLANCE)
            delivery.wait()
        except BaseException as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            failure = f"The send failed: {type(error).__name__}: {error}"
        self._end(failure, delivery)

    def _end(self, failure: str = "", delivery: Delivery | None = None) -> None:
        self._stop.disabled, self._bar.layout.visibility, self._word.value = True, "hidden", ""
        self._say(failure, delivery)
        self._idle.set()
        self._refresh_button()
        self._sent()

    def _say(self, failure: str, delivery: Delivery | None = None) -> None:
        told = parts.shown('<p role="alert">{{ words|masked }}</p>', words=failure) if failure else ""
        self._told.value = told + (delivery._repr_html_() if delivery else "")

    def _show(self, delivery: Delivery, seconds: float) -> None:
        progress = delivery.progress
        self._bar.max, self._bar.value = max(progress.total, 1), progress.finished
        pace = progress.finished / seconds if seconds else 0.0
        left = f", {about((progress.total - progress.finished) / pace)} left" if pace else ""
        words = [f"{progress.finished:,} of {plural(progress.total, 'row')}, {pace:,.0f} a second{left}", progress.word]
        if self._stopping:
            words = ["stopping: what is on its way is finished first"]
        self._word.value = parts.shown(
            "{{ words|masked }}", words=". ".join(filter(None, [*words, *delivery.warnings]))
        )

    def _send_test(self) -> None:
        self._test.disabled = True
        self._told_test.value = parts.shown("sending the test ...")
        threading.Thread(target=self._run_test, name="d7nb-compose-test", daemon=True).start()

    def _run_test(self) -> None:
        try:
            delivery = self._plan().test(self._client(), to=self._test_to.value.strip(), ledger=self._ledger)
            counts = ", ".join(f"{count:,} {outcome}" for outcome, count in delivery.summary.items() if count)
            reasons = list(delivery.frame["d7_reason"].dropna().unique()[:3])
            words = f"the test: {counts}" + (f" ({'; '.join(reasons)})" if reasons else "")
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            words = f"the test was not sent: {error}"
        self._told_test.value = parts.shown("{{ words|masked }}", words=words)
        self._test.disabled = False
