"""A local stand-in for D7's WhatsApp API, for tests and rehearsals.

It imports nothing of d7nb but its errors, so that tests can compare two independent readings of one API.

    server.py, frames.py, options.py         `Sandbox`, its frames and the reading of its options
    foreground.py, uvicorn_server.py         the sandbox in a shell, and the HTTP server on a thread of its own
    app.py, rules.py, responses.py           the routes, the checks beyond the schema and the responses
    faults.py                                what goes wrong on request
    state.py, lifecycle.py                   accepted requests, the clock, statuses and reports
    schema/                                  the models of a send request
    events/                                  delivery events: their time, their shape and how they are posted
    inbox.py, customer_writer.py             the customers' messages, and how they are written
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
