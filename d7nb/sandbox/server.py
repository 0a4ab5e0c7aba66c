"""The sandbox as its user holds it: a server in a thread of its own, or in the foreground."""

from __future__ import annotations

import asyncio
import atexit
import signal
import socket
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pandas as pd
import uvicorn

from d7nb.errors import SandboxError, closed_book
from d7nb.sandbox.app import TOKEN, Api, Rules
from d7nb.sandbox.faults import Faults
from d7nb.sandbox.schema import Reading
from d7nb.sandbox.state import STATUS_LIFE, Row, State
from d7nb.sandbox.wire import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d7nb.client import Client
    from d7nb.sandbox.state import Stage

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
        life: The stages of a message: seconds after it went out, status, reason. The times are invented.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.

    Raises:
        SandboxError: If the port can't be had.

    Over HTTP, and without a token, the same server answers `GET /_sandbox/messages`, `POST /_sandbox/reset` and
    `POST /_sandbox/faults` with `{"kind": ..., "times": ..., "options": {...}}`.

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
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        reading = Reading(lenient=lenient, extra_types=frozenset(_listed(extra_types)))
        rules = Rules(
            originators=None if originators is None else frozenset(map(_digits, _listed(originators))),
            templates=templates,
            max_recipients=max_recipients,
            latency=latency,
        )
        self._instance = uuid4().hex
        self._api = Api(reading, rules, State(reading, life), Faults())
        listener = _listen(host, port)
        self.url = _url(listener)
        self._closed = False
        self._closing = threading.Lock()
        self._server = _Server(self._api)
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
        from d7nb.client import Client  # noqa: PLC0415 - the sandbox knows nothing else of the client side

        return Client(TOKEN, base_url=self.url, destination=f"sandbox:{self._instance}", **options)

    @closed_book
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

    def advance(self, **step: float) -> None:
        """Move the sandbox's clock forward: messages age, and scheduled ones go out.

        Args:
            **step: As `datetime.timedelta` takes it.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.advance(hours=1, seconds=5)
        """
        self._api.state.advance(timedelta(**step))

    def reset(self) -> None:
        """Forget all messages and faults, and put the clock right.

        Example:
            >>> from d7nb.sandbox import Sandbox
            >>> with Sandbox() as sandbox:
            ...     sandbox.fail_next("drop_after", times=3)
            ...     sandbox.reset()
        """
        self._api.reset()

    def close(self) -> None:
        """End the server, and every exchange that is under way. What was taken in can still be read."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._server.stop()
            self._thread.join()
            atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = len(self._api.state)
        where = "closed" if self._closed else f"at {self.url}"
        return f"<Sandbox {where}: {count} message{'' if count == 1 else 's'} taken in>"


def serve(host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
    """Run a sandbox in the foreground until SIGINT or SIGTERM; print one line with its URL first.

    Call it from the main thread, which alone gets signals.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        **options: What `Sandbox` takes.

    Raises:
        SandboxError: If the port can't be had.
    """
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(host=host, port=port, **options) as sandbox:
            print(f"d7nb sandbox at {sandbox.url} (its token is {TOKEN!r}; Ctrl+C ends it)", flush=True)
            while not ended.wait(0.5):  # in steps, because Windows does not interrupt a wait for a signal
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Uvicorn without its tick: it ends when the API closes, and hangs up on whoever is still there."""

    def __init__(self, api: Api) -> None:
        super().__init__(
            uvicorn.Config(
                api.application(),
                http=Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                server_header=False,
                timeout_keep_alive=600,  # longer than a notebook's idle client waits
            )
        )
        self.ready = threading.Event()
        self._api = api
        self._loop = asyncio.SelectorEventLoop()  # on every system, for `remove_reader`

    def run_on(self, listener: socket.socket) -> None:
        """Serve until `stop`. The thread's whole life."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self.serve(sockets=[listener]))
        finally:
            listener.close()
            self.ready.set()

    def stop(self) -> None:
        """End it, from any thread."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._api.closing.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self._api.closing.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Connections that were accepted a moment ago are tasks of asyncio's, which fail and leak their socket if the
        # listener closes before they have run.
        for listener in sockets or ():
            self._loop.remove_reader(listener)
        accepting = asyncio.all_tasks() - self.server_state.tasks - {asyncio.current_task()}
        await asyncio.gather(*accepting, return_exceptions=True)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        for server in self.servers:
            await server.wait_closed()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise SandboxError(
            f"can't listen on {host} port {port} ({error}): leave port=0, which takes a free one"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listed(words: Iterable[str]) -> list[str]:
    """One word is a list of one."""
    return [words] if isinstance(words, str) else [*words]


def _digits(number: str) -> str:
    return str(number).strip().removeprefix("+")
