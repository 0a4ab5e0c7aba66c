"""The sandbox in the foreground of a shell, for `python -m d7nb sandbox`."""

from __future__ import annotations

import signal
import threading
from typing import Any

from d7nb.sandbox.app import TOKEN
from d7nb.sandbox.server import Sandbox


def serve(host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Run a sandbox until SIGINT or SIGTERM, and print its URL first.

    Call it from the main thread, the only one that gets signals.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        **options: Further options of `Sandbox`.

    Raises:
        SandboxError: The port is not available.
    """
    stopping = threading.Event()
    previous_handlers = {
        number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with Sandbox(host=host, port=port, **options) as sandbox:
            print(f"d7nb sandbox at {sandbox.url} (its token is {TOKEN!r}; Ctrl+C ends it)", flush=True)
            while not stopping.wait(0.5):  # in steps, because Windows does not interrupt a wait for a signal
                pass
    finally:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)
