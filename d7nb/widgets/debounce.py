"""Work in a background thread, begun a moment after it was last requested."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Debounced:
    """Work that runs in a thread once no further request has come for a moment.

    Args:
        work: The function to call; it handles its own errors.
        seconds: How long to wait for a further request.
    """

    def __init__(self, work: Callable[[], None], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._lock = threading.Lock()
        self._requested = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._running = False

    def request(self) -> None:
        """Request the work; requests that follow one another closely cause one run."""
        with self._lock:
            self._idle.clear()
            self._requested.set()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="d7nb-compose", daemon=True).start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until no work is requested or running; return False if that takes longer than `seconds`."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            while self._requested.is_set():
                self._requested.clear()
                self._requested.wait(self._seconds)  # a further request starts the wait again
            try:
                self._work()
            finally:
                with self._lock:
                    idle = not self._requested.is_set()
                    if idle:
                        self._running = False
                        self._idle.set()
            if idle:
                return
