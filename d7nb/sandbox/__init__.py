"""An embedded stand-in for D7's WhatsApp API, with its own reading of it.

It is written from `d7-api.md` alone and imports nothing from the client side: two independent readings of one API,
which the tests hold against each other.

    server.py     Sandbox: what the user holds; serving.py has it run in the foreground
    app.py        routes, and what is judged in which order
    faults.py     what can go wrong on request
    state.py      what was taken in, the clock, statuses, reports
    life.py       the stages of a message, and the scripts that give a number other ones
    agenda.py, events.py, posting.py    delivery events: when, what, and how they get to their receiver
    inbox.py, people.py    what people write, and how one has them write
    lines.py      HTTP to receivers, on this machine alone
    schema.py     the request: envelope, recipients, the variants that are let pass
    contents.py, interactive.py, templates.py    what a message may say
    answers.py    every answer, in its documented shape
    parts.py, wire.py    what the models, and the server, are built of
"""

from __future__ import annotations

try:
    from d7nb.sandbox.foreground import serve
    from d7nb.sandbox.inbox import INBOUND_FIELDS
    from d7nb.sandbox.server import Sandbox
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
        raise
    raise ImportError(
        f'The sandbox needs {error.name}, which is not installed: pip install "d7nb[sandbox]"', name=error.name
    ) from error

__all__ = ["INBOUND_FIELDS", "Sandbox", "serve"]
