"""The receiver of D7's events, which writes delivery events and what people write to the ledger.

D7 documents neither signatures nor retries. So the URL's path is a secret, and events may come in any order and more
than once. D7 is answered when an event is on the disk.

    app.py           the receiver as a web application
    intake.py        the queue that writes events to the ledger in groups
    foreground.py    the receiver in the foreground of a shell

    app = receiver(d7nb.Ledger(), os.environ["D7NB_EVENTS_SECRET"])     # for any ASGI server

Uvicorn's access log does not show the secret. The access log of a proxy would: turn it off there.
"""

from typing import Any

import lazy_loader

from d7nb.errors import missing_extra

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        raise missing_extra(error, "The receiver", "events", {"starlette", "uvicorn"}) from error
