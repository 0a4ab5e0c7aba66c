"""The people on the other side, who write to business numbers when they are told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from d7nb.errors import SandboxError
from d7nb.sandbox.events.local_http import ELSEWHERE, Line
from d7nb.sandbox.inbox import Media, Reply
from d7nb.sandbox.schema.request import digits, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.state import LastMessage, State

_TIMEOUT = 10.0  # seconds for a receiver's answer
_FILE_TYPE = "application/octet-stream"


class Customers:
    """Everybody who may write."""

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        originators: frozenset[str] | None,
        shape: Callable[[Reply], dict[str, Any]],
    ) -> None:
        self._state, self._inbox, self._originators, self._shape = state, inbox, originators, shape

    def write(
        self,
        number: str,
        text: str | None,
        *,
        originator: str | None,
        kind: str | None,
        media: bytes | None,
        content_type: str | None,
        filename: str | None,
        callback_url: str | None,
    ) -> str:
        """Let somebody write, and post the event that tells of it. The message's id.

        What was written is kept whatever becomes of the event, and before it is posted: a receiver may at once ask for
        the file, or mark the message as read.
        """
        if text is None and media is None and kind is None:
            raise SandboxError("somebody who writes says something: give text=, media= or at least kind=")
        if media is None and (content_type or filename):
            raise SandboxError("content_type= and filename= belong to a file: give its bytes as media=")
        sender = parse_number(number)
        letter = self._state.letter(sender)
        url = callback_url or (letter and letter.report_url)
        if url is None:
            raise SandboxError(
                "there is nowhere to post what a person wrote: give the sandbox a callback_url=, or send that number a "
                "message with a report_url first"
            )
        to = self._originator(originator, letter)
        file = None if media is None else Media(str(uuid4()), bytes(media), content_type or _FILE_TYPE, filename)
        reply = Reply(
            message_id=str(uuid4()),
            sender=f"+{sender}",
            originator=f"+{to}",
            at=self._state.now(),
            kind=kind or ("text" if file is None else file.kind),
            text=text,
            media=file,
        )
        self._inbox.take_in(reply)
        self._post(url, reply)
        return reply.message_id

    def _originator(self, given: str | None, letter: LastMessage | None) -> str:
        """The digits of the business number that is written to."""
        if given is not None:
            number = parse_number(given)
            if self._originators is not None and number not in self._originators:
                raise SandboxError("originator= is none of the sandbox's originators: nobody can write there")
            return number
        if letter is not None:
            return digits(letter.originator)
        if self._originators is not None and len(self._originators) == 1:
            return next(iter(self._originators))
        raise SandboxError("no message went to that number yet: say to which business number it writes, by originator=")

    def _post(self, url: str, reply: Reply) -> None:
        line = Line(_TIMEOUT)
        try:
            answer = line.post(url, orjson.dumps(self._shape(reply)), "application/json")
        finally:
            line.close()
        if answer.words == ELSEWHERE:
            raise SandboxError(
                f"{_origin(url)} is not on this machine, and the sandbox posts to nobody else: give it a callback_url= "
                "such as http://127.0.0.1:8000/"
            )
        if not answer.taken:
            raise SandboxError(
                f"the receiver at {_origin(url)} did not take what a person wrote ({answer.words}): see whether it is "
                "running, and what it says of it"
            )


def _origin(url: str) -> str:
    """Who is meant by a URL, without its path, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
