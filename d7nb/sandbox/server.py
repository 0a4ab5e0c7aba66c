"""The sandbox as its user holds it: a server in a thread of its own."""

from __future__ import annotations

import atexit
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import uuid4

import pandas as pd

from d7nb.errors import SandboxError, hides_internals
from d7nb.sandbox.app import TOKEN, Api, Rules
from d7nb.sandbox.events.local_http import local_target
from d7nb.sandbox.events.scheduler import EventScheduler
from d7nb.sandbox.events.shapes import FORMATS, SHAPES as EVENT_SHAPES
from d7nb.sandbox.events.webhooks import PAUSES, EventRow, WebhookSender, read_pauses
from d7nb.sandbox.faults import Faults
from d7nb.sandbox.inbox import REPLY_COLUMNS, SHAPES as INBOUND_SHAPES, Inbox
from d7nb.sandbox.lifecycle import STATUS_LIFE
from d7nb.sandbox.replies import Customers
from d7nb.sandbox.schema.request import RequestReader
from d7nb.sandbox.state import Row, State
from d7nb.sandbox.uvicorn_server import Server, listen, url_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d7nb.api.client import Client
    from d7nb.sandbox.lifecycle import Stage

T = TypeVar("T")

_OBJECTS = {"content", "reference", "warnings"}  # the columns of `messages` that hold no text


class Sandbox:
    """A local stand-in for D7: a real HTTP server on this machine, which sends nothing to anybody.

    It starts at once, in a thread of its own, and ends with `close`, with its `with` block or with the interpreter. It
    takes the token `sandbox` and refuses every other. What D7 does not document is invented here, and each invention
    is marked so below.

    Args:
        originators: The registered numbers, compared by digits; None registers every number.
        lenient: Also let pass what D7's pages show and its current code never sends: recipients as bare strings or
            arrays, one contact for an array of contacts; and keys that nobody knows (whether D7 refuses those is not
            documented).
        extra_types: Values of `message_type` that a plugin adds; such contents are accepted whatever they hold.
        templates: How many parameters each template takes. Other counts are refused; templates that are not listed
            are not counted.
        max_recipients: The most recipients in a request (invented; D7 documents no limit, so there is none at first).
        latency: Seconds before every answer of the API (invented). Many answers wait at the same time.
        life: The stages of a message: seconds after it went out, status, reason. The times are invented, and so is that
            a message which waits for its `schedule_time` is `scheduled`.
        scripts: A life of their own for some numbers from the beginning, as `script` gives it.
        windows: Also keep to Meta's rule that free-form messages may follow within 24 hours of a person's own:
            others fail, as by the script `window_closed`. Who wrote is told by `reply`.
        callback_url: Where events go of messages without a `report_url`, and what people write: D7's dashboard has such
            a setting. It can be changed later, as `sandbox.callback_url`.
        events: Whether delivery events have the marks of the reference `flat` among their fields, as D7's page lists
            them, or `nested` in a `reference`. Which it is at D7 is not known.
        event_format: `json`, as documented, or `form`, as D7's events on SMS come.
        event_pauses: Seconds before each further try of an event that was answered by anything but a 2xx; so many more
            tries there are (invented).
        inbound: The shape of events of what people write: the sandbox's own, an invention, whose fields are in
            `d7nb.sandbox.INBOUND_FIELDS`; or `meta`, Meta's.
        balance: The account's balance. Sending does not change it.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Raises:
        SandboxError: If the port can't be had, or an option is unfit.

    Every message with a `report_url` has an event posted there at each stage of its life, by the sandbox's clock, and
    without anybody looking. It posts only to this machine: an address elsewhere, such as the real one of a mailing that
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
        <Sandbox closed: 1 message taken in>
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
        event_pauses: Sequence[float] = PAUSES,
        inbound: Literal["sandbox", "meta"] = "sandbox",
        balance: float = 100.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        reading = RequestReader(lenient=lenient, extra_types=frozenset(_listed(extra_types)))
        rules = Rules(
            originators=None if originators is None else frozenset(map(_digits, _listed(originators))),
            templates=templates,
            max_recipients=max_recipients,
            latency=latency,
            balance=balance,
        )
        content_type, encode = _chosen("event_format", event_format, FORMATS)
        if events == "nested" and event_format == "form":
            raise SandboxError("events='nested' needs event_format='json': a form has no parts within parts")
        inbox = Inbox()
        state = State(reading, life, scripts, inbox if windows else None)
        self._poster = WebhookSender(content_type, read_pauses(event_pauses))
        agenda = EventScheduler(state, self._poster, _chosen("events", events, EVENT_SHAPES), encode)
        self._people = Customers(state, inbox, rules.originators, _chosen("inbound", inbound, INBOUND_SHAPES))
        self._instance = uuid4().hex
        self._api = Api(reading, rules, state, Faults(), inbox=inbox, agenda=agenda)
        self.callback_url = callback_url
        listener = listen(host, port)
        self.url = url_of(listener)
        self._closed = False
        self._closing = threading.Lock()
        self._server = Server(self._api.application(), self._api.closing)
        self._thread = threading.Thread(
            target=self._server.run_on, args=(listener,), name=f"d7nb sandbox {self.url}", daemon=True
        )
        self._thread.start()
        self._server.ready.wait()
        atexit.register(self.close)
        if not self._server.started:
            self.close()
            raise SandboxError(f"the sandbox at {self.url} did not start")

    @property
    def messages(self) -> pd.DataFrame:
        """What was taken in: one row for each message and recipient, in order of arrival.

        `recipient` has a plus, `originator` and `content` are as they were sent, `reference` has snake_case keys and
        only those that were given, `warnings` lists what was odd and yet accepted. The frame is new each time.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.messages.empty
            True
        """
        frame = pd.DataFrame(self._api.state.rows(), columns=pd.Index(Row._fields))
        return frame.astype({column: "str" for column in Row._fields if column not in _OBJECTS})

    @property
    def callback_url(self) -> str | None:
        """Where events go that no `report_url` claims. It holds for the messages that come after it was set."""
        return self._api.agenda.callback_url

    @callback_url.setter
    @hides_internals
    def callback_url(self, url: str | None) -> None:
        if url is not None and local_target(url) is None:
            raise SandboxError(
                "callback_url= is not on this machine, and the sandbox posts to nobody else: give one such as "
                "http://127.0.0.1:8000/"
            )
        self._api.agenda.callback_url = url

    @property
    def events(self) -> pd.DataFrame:
        """The delivery events so far: one row for each, in the order in which they were due.

        `answer` is what the receiver said at the latest try: the HTTP status, or what went wrong; missing while there
        is none. `not posted: only this machine` stands where the address is elsewhere. `at` is when the message came to
        the `status`, by the sandbox's clock. The frame is new each time.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.events.empty
            True
        """
        frame = pd.DataFrame(self._api.agenda.rows(), columns=pd.Index(EventRow._fields))
        return frame.astype({column: "int64" if column == "tries" else "str" for column in EventRow._fields})

    @property
    def replies(self) -> pd.DataFrame:
        """What people wrote: one row for each message, in its order, and when it was marked as read.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.replies.empty
            True
        """
        frame = pd.DataFrame(self._api.inbox.rows(), columns=pd.Index(REPLY_COLUMNS))
        return frame.astype({column: "bool" if column == "typing" else "str" for column in REPLY_COLUMNS})

    def client(self, **options: Any) -> Client:
        """A client of this sandbox.

        Its destination is this very sandbox, so that a rehearsal never counts as sent elsewhere.

        Args:
            **options: What `d7nb.Client` takes beside token, `base_url` and `destination`.

        Returns:
            A `d7nb.Client`.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     client = sandbox.client(rate=None)
        """
        from d7nb.api.client import Client  # noqa: PLC0415 - the sandbox knows nothing else of the client side

        return Client(TOKEN, base_url=self.url, destination=f"sandbox:{self._instance}", **options)

    @hides_internals
    def fail_next(self, kind: str, times: int = 1, **options: Any) -> None:
        """Let something go wrong. All kinds are inventions.

        Args:
            kind: What goes wrong:

                - `status`: answer with `code=`, and `retry_after=` (seconds, or an HTTP date), `body=`, `taken=True` to
                  take the messages in all the same.
                - `drop_before`: close the connection without an answer, before anything is taken in.
                - `drop_after`: take the messages in, then close the connection without an answer.
                - `delay`: take the messages in, and answer after `seconds=`.
                - `rejected`: a 200 whose status is `rejected`; nothing is taken in.
                - `garbage`: a 200 with an HTML page; the messages are taken in, unless `taken=False`.
                - `empty`: a 200 with an empty body; the messages are taken in, unless `taken=False`.
                - `redirect`: a 307 to `url=`.
                - `refuse`: refuse every request with `recipient=`, until `reset`; with a 422 that names its place, or
                  (`named=False`) with a 400 that has a code and names none, or with another `status=`.
            times: How many requests it strikes. Faults strike in the order in which they were asked for.
            **options: The kind's own, and `path=` (the beginning of the paths to strike; by default that of send
                alone); `probability=` with a `seed=` strikes each later request by chance until `reset`, in place of
                `times`.

        Raises:
            SandboxError: If the kind or an option is unknown, or its value is unfit.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.fail_next("stauts", code=429)
            Traceback (most recent call last):
                ...
            d7nb.errors.SandboxError: fault 'stauts' is not known: did you mean 'status'? There are: status, ...
        """
        self._api.faults.add(kind, times, options)

    @hides_internals
    def script(self, number: str, kind: str | Sequence[Stage] | None) -> None:
        """Give a number a life of its own, for the messages that come from now on. All of them are inventions.

        Args:
            number: The recipient, with or without a plus; national variants are other numbers.
            kind: Stages as in `life=`, or None for the usual life, or a ready-made one:

                - `never_delivered`: it stays `sent`.
                - `never_read`: it stays `delivered`.
                - `not_on_whatsapp`: accepted, then `failed` with Meta's code 131026.
                - `window_closed`: free-form messages fail with 131047, templates live as usual.
                - `opted_out`: templates, which the sandbox takes for marketing, fail with 131050.
                - `blocked_by_cap`: the same with 131049.

                The reasons begin with Meta's code; how D7 words them is not known.

        Raises:
            SandboxError: If the number or the kind is unfit.

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
        """Move the sandbox's clock forward: messages age, scheduled ones go out, and events that are due are posted.

        They are under way when it returns; `flush` waits for their answers.

        Args:
            **step: As `datetime.timedelta` takes it.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.advance(hours=1, seconds=5)
        """
        self._api.state.advance(timedelta(**step))
        self._api.agenda.hand_over()

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until every event that is due by the sandbox's clock was taken by its receiver, or given up.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            SandboxError: If some are still under way by then.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.advance(seconds=4)
            ...     sandbox.flush()
        """
        self._api.agenda.hand_over()
        if left := self._poster.wait(timeout):
            raise SandboxError(
                f"{left} event{'' if left == 1 else 's'} still under way after {timeout:g} seconds: see sandbox.events "
                "for what their receivers said, or give a longer timeout="
            )

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
        """Let a person write to a business number, and post the event that tells of it.

        It goes to the `callback_url`, or else to the `report_url` of the latest message to that number. It is posted
        once. What was written can be marked as read and its file downloaded, as at D7, and opens the person's window.

        Args:
            number: The person's number.
            text: What is written, or the caption of a file.
            originator: To which business number; by default, the one that the latest message to this person came from,
                or the only registered one.
            kind: What it is; `text`, or by its content type `image`, `audio`, `video` or `document`, if not given.
            media: The bytes of a file.
            content_type: What the file is, such as `image/png`.
            filename: Its name.

        Returns:
            The id of the message, which a read receipt names.

        Raises:
            SandboxError: If there is nowhere to post to, the receiver did not take it, or an argument is unfit.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.reply("+12025550123", "STOP")
            Traceback (most recent call last):
                ...
            d7nb.errors.SandboxError: there is nowhere to post what a person wrote: give the sandbox a callback_url=...
        """
        return self._people.write(
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
        """Forget all messages, events, replies and faults, and scripts but those of the beginning; put the clock right.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.fail_next("drop_after", times=3)
            ...     sandbox.reset()
        """
        self._api.reset()

    def close(self) -> None:
        """End the server, and every exchange that is under way. What was taken in, and posted, can still be read."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._server.stop()
            self._thread.join()
            self._api.agenda.close()
            self._poster.close()
            atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = len(self._api.state)
        where = "closed" if self._closed else f"at {self.url}"
        return f"<Sandbox {where}: {count} message{'' if count == 1 else 's'} taken in>"


def _listed(words: Iterable[str]) -> list[str]:
    """One word is a list of one."""
    return [words] if isinstance(words, str) else [*words]


def _digits(number: str) -> str:
    return str(number).strip().removeprefix("+")


def _chosen(option: str, word: str, known: Mapping[str, T]) -> T:
    """What a word of an option stands for."""
    if word not in known:
        raise SandboxError(f"{option}={word!r} is not known. There are: {', '.join(known)}")
    return known[word]
