"""Request addresses to learn whether they offer a file, of what type and size. The file itself is never downloaded.

With urllib, and not with requests: urllib3 logs every address that it requests, and one may hold a token or a number.
The requests carry no token, no cookie and no password from a .netrc.
"""

from __future__ import annotations

import re
import socket
import ssl
import string
import threading
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import AbstractHTTPHandler, OpenerDirector, ProxyHandler, Request, getproxies

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util import parse_url

from d7nb.api.transport import environment_ca_bundle
from d7nb.content.rules import URL
from d7nb.planning.links.limits import FileResponse, is_private
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from http.client import HTTPResponse

    Timeout = tuple[float | None, float | None]

MAX_REDIRECTS = 5
MAX_PER_HOST = 4
"""Requests to one host at a time: the host is somebody else's."""
_POLL_SECONDS = 0.05
"""Seconds between two checks of the time-outs."""
_GRACE = 0.5
"""Seconds in which a request whose connection was closed may still report what it learned until then."""
_SAME_FOR_GET = {401, 407, 429}
"""Statuses that a host which answers HEAD with them answers GET with, too."""


def probe_all(
    urls: Iterable[str], *, workers: int, timeout: Timeout, on_progress: Callable[[int], None] = lambda _: None
) -> dict[str, FileResponse]:
    """Request each of some addresses once.

    Args:
        urls: Addresses, all different.
        workers: How many may be requested at once.
        timeout: Seconds to wait for a connection and for an answer; no address takes longer than both together.
        on_progress: Is called with the number of addresses that have answered.

    Returns:
        The answer of each address.

    Raises:
        ValueError: The environment names certificates that do not exist.
    """
    waiting, opener, answers = _Waiting(urls), _opener(), SimpleQueue[tuple[_Probe, FileResponse | Exception]]()
    running: set[_Probe] = set()
    responses: dict[str, FileResponse] = {}
    try:
        while True:
            while len(running) < workers and (url := waiting.next()) is not None:
                probe = _Probe(url, opener, timeout, answers)
                running.add(probe)
                probe.start()
            if not running:
                return responses
            ended = {probe: FileResponse("timeout", at=probe.url) for probe in running if probe.close_if_late()}
            with suppress(Empty):
                probe, response = answers.get(timeout=_POLL_SECONDS)
                if isinstance(response, Exception):
                    raise response  # a defect of ours
                ended[probe] = response
            for probe in running.intersection(ended):  # not those that were given up before
                running.remove(probe)
                responses[probe.url] = ended[probe]
                waiting.release(probe.url)
                on_progress(len(responses))
    finally:  # an interrupt waits for nobody
        for probe in running:
            probe.end()


class _Waiting:
    """The addresses that wait to be requested, in their order, but never too many of one host at once."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._urls_of: dict[str, deque[str]] = defaultdict(deque)
        for url in urls:
            self._urls_of[_host(url)].append(url)
        self._free_hosts = deque(self._urls_of)  # hosts with addresses waiting, that may get another request
        self._running = Counter[str]()

    def next(self) -> str | None:
        """Return the next address; None where none may be requested now."""
        if not self._free_hosts:
            return None
        host = self._free_hosts.popleft()
        self._running[host] += 1
        url = self._urls_of[host].popleft()
        if self._urls_of[host] and self._running[host] < MAX_PER_HOST:
            self._free_hosts.append(host)
        return url

    def release(self, url: str) -> None:
        """Note that an address has answered, so that its host may get another request."""
        host = _host(url)
        if self._urls_of[host] and self._running[host] == MAX_PER_HOST:
            self._free_hosts.append(host)
        self._running[host] -= 1


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


class _Probe:
    """The request of one address, in a daemon thread.

    A host that sends its headers a byte at a time would never run into a socket's time-out, so the connection can be
    ended from outside: through a duplicate of its socket, since TLS wraps the first one.
    """

    def __init__(
        self,
        url: str,
        opener: OpenerDirector,
        timeout: Timeout,
        answers: SimpleQueue[tuple[_Probe, FileResponse | Exception]],
    ) -> None:
        self.url = url
        self._opener = opener
        self._connect_timeout, self._read_timeout = timeout
        self._answers = answers
        self._deadline = None if None in timeout else time.monotonic() + sum(filter(None, timeout))
        self._ended = False
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="d7nb-link", daemon=True).start()

    def close_if_late(self) -> bool:
        """Close the connection when its time is over, and return whether to give the address up, a moment after that.

        A host name that is being looked up can't be stopped.
        """
        late = 0.0 if self._deadline is None else time.monotonic() - self._deadline
        if late > 0:
            self.end()
        return late > _GRACE

    def end(self) -> None:
        """Close the connection."""
        with self._lock:
            self._ended = True
            if self._handle is not None:
                with suppress(OSError):  # it is closed already
                    self._handle.shutdown(socket.SHUT_RDWR)

    def connect(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """Make a connection that `end` can close."""
        connection = socket.create_connection(address, self._connect_timeout)
        connection.settimeout(self._read_timeout)
        with self._lock:
            if self._ended:
                connection.close()
                raise TimeoutError
            self._handle = connection.dup()
        return connection

    def _close_handle(self) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _run(self) -> None:
        try:
            self._answers.put((self, self._response()))
        except Exception as failure:  # noqa: BLE001  (probe_all raises it)
            self._answers.put((self, failure))

    def _response(self) -> FileResponse:
        """Request with HEAD, and with GET where a host refuses that, or its answer lacks type or size."""
        head = self._follow("HEAD")
        if head.status < 400 and head.type and head.size:
            return head
        if head.fault not in {"", "broken"} or head.status in _SAME_FOR_GET:
            return head
        first = self._follow("GET")
        if first.status == 416 and first.size is not None:
            return first._replace(status=206)  # the file is empty: it has no first byte
        useless = first.fault or first.status in {416, *_SAME_FOR_GET}
        return head if useless and 200 <= head.status < 400 else first

    def _follow(self, method: str) -> FileResponse:
        """Request the address, and follow its redirects."""
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            try:
                bare_url = parse_url(url)._replace(auth=None, fragment=None).url
            except ValueError:
                return FileResponse("no_address", at=url)
            try:
                with self._open(method, bare_url) as response:
                    if self._ended:
                        raise TimeoutError  # headers that were cut off look complete
                    target = response.headers.get("Location") if response.status in {301, 302, 303, 307, 308} else None
                    if target is None:
                        return _read(response, url)
            except (OSError, HTTPException, UnicodeError) as failure:
                return FileResponse(self._fault(failure), at=url)
            finally:
                self._close_handle()
            try:
                target_url = urljoin(bare_url, quote(target, encoding="latin-1", safe=string.punctuation))
            except ValueError:
                target_url = ""
            if URL.fault(target_url):
                return FileResponse("bad_redirect", at=url)
            if is_private(target_url) and not is_private(self.url):  # a foreign host must not send us into this network
                return FileResponse("inward", at=target_url)
            url = target_url
        return FileResponse("redirects", at=url)

    def _open(self, method: str, url: str) -> HTTPResponse:
        # Uncompressed, since the limits are on the file's own size.
        headers = {"User-Agent": f"d7nb/{version()}", "Accept": "*/*", "Accept-Encoding": "identity"}
        if method == "GET":
            headers["Range"] = "bytes=0-0"
        request = _Request(url, headers=headers, method=method)
        request.connect = self.connect
        response: HTTPResponse | None = self._opener.open(request)
        if response is None:  # the environment names a proxy of an unknown kind
            raise OSError
        return response

    def _fault(self, failure: Exception) -> str:
        """Return the key of `FAULTS` for a failure; a `URLError` came before the answer began, any other in it."""
        before_answer = isinstance(failure, URLError)
        cause = failure.reason if isinstance(failure, URLError) else failure
        if self._ended or isinstance(cause, TimeoutError):
            return "timeout"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate"
        if isinstance(cause, socket.gaierror | UnicodeError):  # a name can be too long to be looked up
            return "no_host"
        if before_answer:
            return "no_tls" if isinstance(cause, ssl.SSLError) else "no_connection"
        return "broken"


class _Request(Request):  # noqa: S310  (check_links refuses all but http and https)
    """A request with a function that makes its connection."""

    connect: Callable[..., socket.socket]


class _Handler(AbstractHTTPHandler):
    """Opens each request's own connection; it follows no redirect and raises for no status."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._tls = context

    def http_open(self, request: _Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPConnection, request.connect), request)

    def https_open(self, request: _Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPSConnection, request.connect, context=self._tls), request)

    http_request = https_request = AbstractHTTPHandler.do_request_


def _connection(
    connection_type: type[HTTPConnection], connect: Callable[..., socket.socket], host: str, **options: Any
) -> HTTPConnection:
    options.pop("timeout", None)
    connection: Any = connection_type(host, **options)
    connection._create_connection = connect  # the only place where the socket is seen before TLS wraps it
    return connection  # type: ignore[no-any-return]


def _opener() -> OpenerDirector:
    """Make the opener of addresses, with the environment's proxies and certificates."""
    trusted = Path(environment_ca_bundle() or DEFAULT_CA_BUNDLE_PATH)
    file, folder = (None, trusted) if trusted.is_dir() else (trusted, None)
    context = ssl.create_default_context(cafile=file, capath=folder)
    proxies = getproxies()
    if "all" in proxies:
        proxies = {"http": proxies["all"], "https": proxies["all"], **proxies}
    opener = OpenerDirector()
    opener.addheaders = []
    for handler in (ProxyHandler(proxies), _Handler(context)):
        opener.add_handler(handler)
    return opener


def _read(response: HTTPResponse, url: str) -> FileResponse:
    """Read status, type and size from the headers of an answer."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    total = re.fullmatch(r"\s*bytes\s+\S+/(\d{1,18})\s*", response.headers.get("Content-Range", ""))
    length = re.fullmatch(r"\s*(\d{1,18})\s*", response.headers.get("Content-Length", ""))
    if response.status in {206, 416}:
        length = total
    return FileResponse(status=response.status, type=media_type, size=int(length[1]) if length else None, at=url)
