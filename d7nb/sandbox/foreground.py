"""A sandbox in the foreground, as `python -m d7nb sandbox` has it."""

from __future__ import annotations

import signal
import threading
from typing import Any

from d7nb.sandbox.app import TOKEN
from d7nb.sandbox.server import Sandbox


def serve(host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Run a sandbox in the foreground until SIGINT or SIGTERM; print one line with its URL first.

    Call it from the main thread, which alone gets signals.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        **options: What `Sandbox` takes.

    Raises:
        SandboxError: If the port can't be had.
    """
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(host=host, port=port, **options) as sandbox:
            print(f"d7nb sandbox at {sandbox.url} (its token is {TOKEN!r}; Ctrl+C ends it)", flush=True)
            while not ended.wait(0.5):  # in steps, because Windows does not interrupt a wait for a signal
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
