"""The receiver of D7's events: delivery events and what people write go into the ledger, and only then is D7 answered.

D7 signs nothing and documents no repetition (d7-api.md section 5), so the path is the secret, any order will do, and
an event may come as often as it likes. From the bottom up: `intake` (what waits is written together), `app` (what is
answered to whom), `server` (the receiver in the foreground).

    app = receiver(d7nb.Ledger(), os.environ["D7NB_EVENTS_SECRET"])     # for any ASGI server

Uvicorn's access log does not show the secret. That of a proxy before it would: turn it off there.
"""

from __future__ import annotations

try:
    from d7nb.events.app import LARGEST_BODY, receiver
    from d7nb.events.server import serve
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing not in {"starlette", "uvicorn"}:
        raise
    raise ImportError(
        f'The receiver needs {missing}, which is not installed: pip install "d7nb[events]"', name=missing
    ) from error

from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.api.reports import SHAPES
from d7nb.events.stop_words import STOP_WORDS

__all__ = ["LARGEST_BODY", "META", "SANDBOX", "SHAPES", "STOP_WORDS", "InboundShape", "receiver", "serve"]
