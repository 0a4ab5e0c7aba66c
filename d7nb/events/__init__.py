"""The receiver of D7's events: delivery events and what people write go into the ledger, and only then is D7 answered.

D7 signs nothing and documents no repetition, so the path is the secret, any order will do, and an event may come as
often as it likes. `intake` writes what waits together, `app` answers, `server` runs in the foreground.

    app = receiver(d7nb.Ledger(), os.environ["D7NB_EVENTS_SECRET"])     # for any ASGI server

Uvicorn's access log does not show the secret. That of a proxy before it would: turn it off there.
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
