"""`Sandbox`, the local stand-in for D7 that tests and rehearsals start in their own process."""

from __future__ import annotations

import atexit
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import uuid4

from d7nb.errors import SandboxError, hides_internals
from d7nb.sandbox.app import TOKEN, Api
from d7nb.sandbox.customer_writer import CustomerWriter
from d7nb.sandbox.events.scheduler import build_scheduler
from d7nb.sandbox.events.webhooks import RETRY_PAUSES
from d7nb.sandbox.faults import Faults
from d7nb.sandbox.frames import events_frame, messages_frame, replies_frame
from d7nb.sandbox.inbox import INBOUND_SHAPES, Inbox
from d7nb.sandbox.lifecycle import STATUS_LIFE
from d7nb.sandbox.options import as_list, choose
from d7nb.sandbox.rules import Rules, registered_digits
from d7nb.sandbox.schema.request import RequestReader
from d7nb.sandbox.state import State
from d7nb.sandbox.uvicorn_server import Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from d7nb.api.client import Client
    from d7nb.sandbox.lifecycle import Stage


class Sandbox:
    """A local stand-in for D7: an HTTP server on this machine that sends nothing to anybody.

    It starts at once on a thread of its own, and stops with `close`, with its `with` block or with the interpreter. It
    accepts the token `sandbox` only. What D7 does not document is the sandbox's own choice, marked "invented" below.

    Args:
        originators: The registered numbers, compared by digits; None registers every number.
        lenient: Also accept what older samples of D7 show: recipients as bare strings or arrays, one contact for an
            array of contacts; and unknown keys (whether D7 refuses those is not documented).
        extra_types: Values of `message_type` that a plugin adds; the fields of such contents are not checked.
        templates: The number of parameters of each template. Other numbers are refused; the parameters of templates
            that are not listed are not counted.
        max_recipients: The most recipients of a request (invented; D7 documents no limit).
        latency: Seconds before every answer of the API (invented). Many answers wait at the same time.
        life: The stages of a message: seconds after it was sent, status, reason. The times are invented, and so is
            `scheduled` for a message that waits for its `schedule_time`.
        scripts: The scripts of some numbers from the beginning, as for `script`.
        windows: Also apply the rule that free-form messages may be sent within 24 hours of a person's own message only:
            others fail, as by the script `window_closed`. `reply` lets a person write.
        callback_url: The URL for the events of messages without a `report_url` and for what people write, a setting
            of D7's dashboard. It can be changed later, as `sandbox.callback_url`.
        events: Whether a delivery event has the reference keys `flat` among its fields, as D7's page lists them, or
            `nested` in a `reference`. Which one D7 sends is not documented.
        event_format: `json`, as documented, or `form`, as D7 sends events on SMS.
        event_pauses: Seconds before each retry of an event that was answered by anything but a 2xx (invented).
        inbound: The shape of the events of what people write: `sandbox`, invented, whose fields are in
            `d7nb.sandbox.INBOUND_FIELDS`; or `meta`, Meta's.
        balance: The account's balance. Sending does not change it.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Raises:
        SandboxError: The port is not available, or an option is invalid.

    For every message with a `report_url`, an event is posted there at each stage, in the background and by the
    sandbox's clock. Events are posted only to this machine: any other address, such as the real one of a mailing that
    is rehearsed, gets nothing, and `events` says so.

    Over HTTP, and without a token, the same server answers `GET /_sandbox/messages`, `POST /_sandbox/reset`,
    `POST /_sandbox/faults` with `{"kind": ..., "times": ..., "options": {...}}` and `POST /_sandbox/scripts` with
    `{"number": ..., "kind": ...}`.

    Example:
        >>> import requests
        >>> from d7nb.sandbox import Sandbox
        >>> message = {
        ...     "originator": "+12025550100",
        ...     "content": {"message_type": "TEXT", "text": {"body": "Hello"}},
        ...     "recipients": [{"recipient": "+12025550123"}],
        ... }
        >>> with Sandbox() as sandbox:
        ...     reply = requests.post(
        ...         f"{sandbox.url}/whatsapp/v2/send",
        ...         json={"messages": [message]},
        ...         headers={"Authorization": "Bearer sandbox"},
        ...         timeout=10,
        ...     )
        >>> reply.json()["status"]
        'accepted'
        >>> sandbox.messages[["recipient", "message_type", "status"]]
              recipient message_type  status
        0  +12025550123         TEXT  queued
        >>> sandbox
        <Sandbox closed: 1 message accepted>
    """

    @hides_internals
    def __init__(
        self,
        originators: Iterable[str] | None = None,
        *,
        lenient: bool = False,
        extra_types: Iterable[str] = (),
        templates: Mapping[str, int] | None = None,
        max_recipients: int | None = None,
        latency: float = 0.0,
        life: Sequence[Stage] = STATUS_LIFE,
        scripts: Mapping[str, str | Sequence[Stage]] | None = None,
        windows: bool = False,
        callback_url: str | None = None,
        events: Literal["flat", "nested"] = "flat",
        event_format: Literal["json", "form"] = "json",
        event_pauses: Sequence[float] = RETRY_PAUSES,
        inbound: Literal["sandbox", "meta"] = "sandbox",
        balance: float = 100.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        reader = RequestReader(lenient=lenient, extra_types=frozenset(as_list(extra_types)))
        rules = Rules(registered_digits(originators), templates, max_recipients)
        inbox = Inbox()
        state = State(reader, life, scripts, inbox if windows else None)
        scheduler = build_scheduler(state, events, event_format, event_pauses)
        self._customer_writer = CustomerWriter(
            state, inbox, rules.originators, choose("inbound", inbound, INBOUND_SHAPES)
        )
        self._api = Api(
            reader, rules, state, Faults(), inbox=inbox, scheduler=scheduler, latency=latency, balance=balance
        )
        self._instance = uuid4().hex
        self.callback_url = callback_url
        self._server = Server(self._api.application(), self._api.closing, host, port)
        self.url = self._server.url
        self._closed = False
        self._close_lock = threading.Lock()
        atexit.register(self.close)
        if not self._server.start():
            self.close()
            raise SandboxError(f"the sandbox at {self.url} did not start")

    @property
    def messages(self) -> pd.DataFrame:
        """The accepted messages: one row for each message and recipient, in order of arrival.

        `recipient` has a plus, `originator` and `content` are as they were sent, `reference` has the keys that were
        sent, in snake case, `warnings` lists what is wrong although it was accepted. The frame is new each time.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.messages.empty
            True
        """
        return messages_frame(self._api.state.rows())

    @property
    def callback_url(self) -> str | None:
        """The URL for the events of messages without a `report_url`; a change applies to later messages."""
        return self._api.scheduler.callback_url

    @callback_url.setter
    @hides_internals
    def callback_url(self, url: str | None) -> None:
        self._api.scheduler.set_callback_url(url)

    @property
    def events(self) -> pd.DataFrame:
        """The delivery events so far: one row for each, in the order in which they were due.

        `answer` is the receiver's answer to the latest try: the HTTP status, or what went wrong; it is missing while
        there is none, and `not posted: only this machine` for any other address. `at` is when the message reached the
        `status`, by the sandbox's clock. The frame is new each time.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.events.empty
            True
        """
        return events_frame(self._api.scheduler.rows())

    @property
    def replies(self) -> pd.DataFrame:
        """What people wrote: one row for each message, in order of arrival, and when it was marked as read.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.replies.empty
            True
        """
        return replies_frame(self._api.inbox.rows())

    def client(self, **options: Any) -> Client:
        """Return a client that sends to this sandbox.

        Its destination in a ledger is this one sandbox, so that a rehearsal never counts as sent to D7.

        Args:
            **options: The options of `d7nb.Client` but for `token`, `base_url` and `destination`.

        Returns:
            A `d7nb.Client`.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     client = sandbox.client(rate=None)
        """
        from d7nb.api.client import Client  # noqa: PLC0415 - the sandbox uses nothing else of the client side

        return Client(TOKEN, base_url=self.url, destination=f"sandbox:{self._instance}", **options)

    @hides_internals
    def fail_next(self, kind: str, times: int = 1, **options: Any) -> None:
        """Let the next requests go wrong. All kinds are invented.

        Args:
            kind: What goes wrong:

                - `status`: answer with `code=`, and `retry_after=` (seconds, or an HTTP date), `body=`, `taken=True` to
                  accept the messages all the same.
                - `drop_before`: close the connection without an answer, and accept nothing.
                - `drop_after`: accept the messages, then close the connection without an answer.
                - `delay`: accept the messages, and answer after `seconds=`.
                - `rejected`: answer 200 with the status `rejected`, and accept nothing.
                - `garbage`: answer 200 with an HTML page, and accept the messages unless `taken=False`.
                - `empty`: answer 200 with an empty body, and accept the messages unless `taken=False`.
                - `redirect`: answer 307 with `url=`, and accept nothing.
                - `refuse`: refuse every request with `recipient=` until `reset`, with a 422 that names its position,
                  or (`named=False`) with a 400 that has only a code, or with another `status=`.
            times: The number of requests that go wrong. Faults strike in the order in which they were asked for.
            **options: The options of the kind; `path=`, the beginning of the paths that go wrong, by default that of
                send; `probability=` and `seed=`, which let each later request go wrong by chance until `reset`, in
                place of `times`.

        Raises:
            SandboxError: The kind or an option is unknown, or a value is invalid.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.fail_next("stauts", code=429)
            Traceback (most recent call last):
                ...
            d7nb.errors.SandboxError: there is no fault 'stauts': did you mean 'status'? Choose from: status, ...
        """
        self._api.faults.add(kind, times, options)

    @hides_internals
    def script(self, number: str, kind: str | Sequence[Stage] | None) -> None:
        """Set the stages of later messages to a number. All scripts are invented.

        Args:
            number: The recipient, with or without a plus; national variants are other numbers.
            kind: Stages as in `life=`, or None for the usual ones, or a ready-made script:

                - `never_delivered`: messages stay `sent`.
                - `never_read`: messages stay `delivered`.
                - `not_on_whatsapp`: messages are accepted, then `failed` with Meta's code 131026.
                - `window_closed`: free-form messages fail with 131047, templates do not.
                - `opted_out`: templates, which the sandbox takes for marketing, fail with 131050.
                - `blocked_by_cap`: templates fail with 131049.

                The reasons begin with Meta's code; how D7 words them is not documented.

        Raises:
            SandboxError: The number or the script is invalid.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.script("+12025550123", "never_read")
            ...     sandbox.script(
            ...         "+12025550124", [(0, "queued", None), (60, "failed", "131000: Something went wrong")]
            ...     )
        """
        self._api.state.script(number, kind)

    def advance(self, **step: float) -> None:
        """Move the sandbox's clock forward: messages age, scheduled ones are sent, and events that are due are posted.

        It does not wait for the answers to the events, as `flush` does.

        Args:
            **step: The arguments of `datetime.timedelta`, such as `hours=1`.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.advance(hours=1, seconds=5)
        """
        self._api.state.advance(timedelta(**step))
        self._api.scheduler.post_due()

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until every event that is due by the sandbox's clock was accepted by its receiver, or given up.

        Args:
            timeout: The most seconds to wait.

        Raises:
            SandboxError: Some events are still under way by then.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.advance(seconds=4)
            ...     sandbox.flush()
        """
        self._api.scheduler.flush(timeout)

    @hides_internals
    def reply(
        self,
        number: str,
        text: str | None = None,
        *,
        originator: str | None = None,
        kind: str | None = None,
        media: bytes | None = None,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> str:
        """Let a person write to a business number, and post the event that reports it.

        The event is posted once, to the `callback_url` or else to the `report_url` of the latest message to the person.
        The message can be marked as read and its file downloaded, and free-form messages may follow for 24 hours.

        Args:
            number: The person's number.
            text: The text, or the caption of a file.
            originator: The business number; by default, the originator of the latest message to this person, or the
                only registered number.
            kind: The kind of message: by default `text`, or by its content type `image`, `audio`, `video`, `document`.
            media: The bytes of a file.
            content_type: The content type of the file, such as `image/png`.
            filename: The name of the file.

        Returns:
            The id of the message, which a read receipt names.

        Raises:
            SandboxError: There is no URL to post to, the receiver did not accept the event, or an argument is invalid.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.reply("+12025550123", "STOP")
            Traceback (most recent call last):
                ...
            d7nb.errors.SandboxError: there is no URL to post the message to: give the sandbox a callback_url=...
        """
        return self._customer_writer.write(
            number,
            text,
            originator=originator,
            kind=kind,
            media=media,
            content_type=content_type,
            filename=filename,
            callback_url=self.callback_url,
        )

    def reset(self) -> None:
        """Remove all messages, events, replies, faults and scripts but those of `scripts=`, and reset the clock.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.fail_next("drop_after", times=3)
            ...     sandbox.reset()
        """
        self._api.reset()

    def close(self) -> None:
        """Stop the server and cut off what is under way; `messages`, `events` and `replies` can still be read."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self._server.stop()
            self._api.scheduler.close()
            atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = len(self._api.state)
        where = "closed" if self._closed else f"at {self.url}"
        return f"<Sandbox {where}: {count} message{'' if count == 1 else 's'} accepted>"
