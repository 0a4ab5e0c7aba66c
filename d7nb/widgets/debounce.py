"""Work that must not block the kernel: done in a thread, a moment after the last call for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Debounced:
    """Runs work in the background when nobody has asked for it again for a moment.

    Args:
        work: What is to be done; it shows its own errors.
        seconds: How long to wait for another call.
    """

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._running = False

    def poke(self) -> None:
        """Ask for it."""
        with self._lock:
            self._idle.clear()
            self._asked.set()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="d7nb-compose", daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is asked for and nothing is being done; whether that came to be."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            while self._asked.is_set():
                self._asked.clear()
                self._asked.wait(self._seconds)  # another call begins the wait anew
            try:
                self._work()
            finally:
                with self._lock:
                    ended = not self._asked.is_set()
                    if ended:
                        self._running = False
                        self._idle.set()
            if ended:
                return
