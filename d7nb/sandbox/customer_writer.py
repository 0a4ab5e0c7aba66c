"""The messages that `Sandbox.reply` lets customers write to business numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from d7nb.errors import SandboxError
from d7nb.sandbox.events.local_http import NOT_LOCAL, LocalHttpClient
from d7nb.sandbox.inbox import CustomerFile, CustomerMessage
from d7nb.sandbox.schema.request import digits, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.state import LastMessage, State

_TIMEOUT = 10.0  # seconds for a receiver's answer
_DEFAULT_CONTENT_TYPE = "application/octet-stream"


class CustomerWriter:
    """The writer of customers' messages, which stores each in the inbox and posts its event.

    Args:
        state: The messages to customers, of which the latest gives the business number and the URL by default.
        inbox: Where customers' messages are stored.
        originators: The digits of the registered business numbers; None registers every number.
        shape: Makes the event of a message.
    """

    def __init__(
        self,
        state: State,
        inbox: Inbox,
        originators: frozenset[str] | None,
        shape: Callable[[CustomerMessage], dict[str, Any]],
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
        """Store a customer's message, post the event that reports it, and return the message's id.

        The message is stored before its event is posted, because a receiver may ask for the file or mark the message as
        read at once; and it stays stored whatever becomes of the event.
        """
        if text is None and media is None and kind is None:
            raise SandboxError("the message is empty: give text=, media= or kind=")
        if media is None and (content_type or filename):
            raise SandboxError("content_type= and filename= belong to a file: give its bytes as media=")
        sender = parse_number(number)
        last_message = self._state.last_message(sender)
        url = callback_url or (last_message and last_message.report_url)
        if url is None:
            raise SandboxError(
                "there is no URL to post the message to: give the sandbox a callback_url=, or first send this number a "
                "message with a report_url"
            )
        business_digits = self._business_digits(originator, last_message)
        file = None
        if media is not None:
            file = CustomerFile(str(uuid4()), bytes(media), content_type or _DEFAULT_CONTENT_TYPE, filename)
        message = CustomerMessage(
            message_id=str(uuid4()),
            sender=f"+{sender}",
            originator=f"+{business_digits}",
            at=self._state.now(),
            kind=kind or ("text" if file is None else file.kind),
            text=text,
            file=file,
        )
        self._inbox.add(message)
        self._post(url, message)
        return message.message_id

    def _business_digits(self, originator: str | None, last_message: LastMessage | None) -> str:
        if originator is not None:
            number = parse_number(originator)
            if self._originators is not None and number not in self._originators:
                raise SandboxError("originator= is none of the sandbox's originators: give one of them")
            return number
        if last_message is not None:
            return digits(last_message.originator)
        if self._originators is not None and len(self._originators) == 1:
            return next(iter(self._originators))
        raise SandboxError(
            "no message was sent to this number yet: give the business number that it writes to as originator="
        )

    def _post(self, url: str, message: CustomerMessage) -> None:
        client = LocalHttpClient(_TIMEOUT)
        try:
            result = client.post(url, orjson.dumps(self._shape(message)), "application/json")
        finally:
            client.close()
        if result.answer == NOT_LOCAL:
            raise SandboxError(
                f"{_origin(url)} is not on this machine, and the sandbox posts only to this machine: give it a "
                "callback_url= such as http://127.0.0.1:8000/"
            )
        if not result.accepted:
            raise SandboxError(
                f"the receiver at {_origin(url)} did not accept the message ({result.answer}): check that it is "
                "running, and look at its log"
            )


def _origin(url: str) -> str:
    """Return the scheme and host of a URL; its user and path may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
