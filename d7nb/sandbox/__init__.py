"""An embedded stand-in for D7's WhatsApp API, with its own reading of it.

It imports nothing from the client side: two independent readings of one API, which the tests hold against each other.

    server.py, foreground.py, uvicorn_server.py    `Sandbox`, in a notebook and in a shell
    app.py, responses.py, faults.py                routes, answers, and what can go wrong on request
    state.py, lifecycle.py                         messages taken in, the clock, statuses, reports
    schema/                                        what a request may hold
    events/                                        delivery events: when, what, and how they are posted
    inbox.py, replies.py                           what people write, and how one has them write
"""

from typing import Any

import lazy_loader

from d7nb.errors import missing_extra

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        raise missing_extra(error, "The sandbox", "sandbox", {"pydantic", "starlette", "uvicorn"}) from error
