"""Asks addresses whether a file is there, of what type and how large. The file itself is never read.

With urllib, and not with requests: urllib3 logs every address that it asks, and one may hold a token or a number.
Nothing of ours goes along: no token, no cookie, no password from a .netrc.
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

REDIRECTS = 5
AT_ONCE = 4
"""So many requests to one host at a time: it is somebody else's."""
_GLANCE = 0.05
"""Seconds between two looks at the clock."""
_GRACE = 0.5
"""Seconds for an address whose connection was broken to say what was learned until then."""
_ANSWERS_ALIKE = {401, 407, 429}
"""A host that says one of these to HEAD says it to GET, too."""


def probe_all(
    urls: Iterable[str], *, workers: int, timeout: Timeout, told: Callable[[int], None] = lambda _: None
) -> dict[str, FileResponse]:
    """Ask each of some addresses once.

    Args:
        urls: Addresses, all different.
        workers: How many may be asked at once.
        timeout: Seconds to wait for a connection and for an answer; no address takes longer than both together.
        told: Is told how many have answered.

    Returns:
        What each address answered.

    Raises:
        ValueError: The environment names certificates that do not exist.
    """
    turns, opener, answers = _Turns(urls), _opener(), SimpleQueue[tuple[_Asking, FileResponse | Exception]]()
    running: set[_Asking] = set()
    found: dict[str, FileResponse] = {}
    try:
        while True:
            while len(running) < workers and (url := turns.take()) is not None:
                asking = _Asking(url, opener, timeout, answers)
                running.add(asking)
                asking.start()
            if not running:
                return found
            ended = {asking: FileResponse("timeout", at=asking.url) for asking in running if asking.is_over()}
            with suppress(Empty):
                asking, probe = answers.get(timeout=_GLANCE)
                if isinstance(probe, Exception):
                    raise probe  # a defect of ours
                ended[asking] = probe
            for asking in running.intersection(ended):  # not those that were given up before
                running.remove(asking)
                found[asking.url] = ended[asking]
                turns.give_back(asking.url)
                told(len(found))
    finally:  # an interrupt waits for nobody
        for asking in running:
            asking.end()


class _Turns:
    """Whose turn it is: addresses in their order, but never too many of one host at once."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._waiting: dict[str, deque[str]] = defaultdict(deque)
        for url in urls:
            self._waiting[_host(url)].append(url)
        self._free = deque(self._waiting)  # hosts that have addresses waiting, and may be asked more
        self._busy = Counter[str]()

    def take(self) -> str | None:
        """The next address; None where there is none now."""
        if not self._free:
            return None
        host = self._free.popleft()
        self._busy[host] += 1
        url = self._waiting[host].popleft()
        if self._waiting[host] and self._busy[host] < AT_ONCE:
            self._free.append(host)
        return url

    def give_back(self, url: str) -> None:
        """Say that an address has answered."""
        host = _host(url)
        if self._waiting[host] and self._busy[host] == AT_ONCE:
            self._free.append(host)
        self._busy[host] -= 1


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


class _Asking:
    """One address being asked, in a thread of its own that nobody has to wait for.

    A host that sends its headers a byte at a time would never run into a socket's time-out, so the connection can be
    ended from outside: by way of a second handle of its socket, since the first one goes into TLS and out of sight.
    """

    def __init__(
        self,
        url: str,
        opener: OpenerDirector,
        timeout: Timeout,
        answers: SimpleQueue[tuple[_Asking, FileResponse | Exception]],
    ) -> None:
        self.url = url
        self._opener = opener
        self._connect_timeout, self._read_timeout = timeout
        self._answers = answers
        self._latest = None if None in timeout else time.monotonic() + sum(filter(None, timeout))
        self._ended = False
        self._handle: socket.socket | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name="d7nb-link", daemon=True).start()

    def is_over(self) -> bool:
        """Whether the time is over; the connection is broken then, and a moment later the address is given up.

        A name that is being looked up can't be stopped.
        """
        late = 0.0 if self._latest is None else time.monotonic() - self._latest
        if late > 0:
            self.end()
        return late > _GRACE

    def end(self) -> None:
        """Break the connection."""
        with self._lock:
            self._ended = True
            if self._handle is not None:
                with suppress(OSError):  # it is broken already
                    self._handle.shutdown(socket.SHUT_RDWR)

    def connect(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """Make a connection that can be ended from outside."""
        made = socket.create_connection(address, self._connect_timeout)
        made.settimeout(self._read_timeout)
        with self._lock:
            if self._ended:
                made.close()
                raise TimeoutError
            self._handle = made.dup()
        return made

    def _forget(self) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _run(self) -> None:
        try:
            self._answers.put((self, self._probe()))
        except Exception as failure:  # noqa: BLE001  (somebody waits for it)
            self._answers.put((self, failure))

    def _probe(self) -> FileResponse:
        """HEAD; and GET where a host does not do that, or leaves open what we ask: some answer HEAD in haste."""
        head = self._followed("HEAD")
        if head.status < 400 and head.type and head.size:
            return head
        if head.fault not in {"", "broken"} or head.status in _ANSWERS_ALIKE:
            return head
        first = self._followed("GET")
        if first.status == 416 and first.size is not None:
            return first._replace(status=206)  # it has not even a first byte
        useless = first.fault or first.status in {416, *_ANSWERS_ALIKE}
        return head if useless and 200 <= head.status < 400 else first

    def _followed(self, method: str) -> FileResponse:
        """Ask, and go where redirects lead."""
        url = self.url
        for _ in range(REDIRECTS + 1):
            try:
                wired = parse_url(url)._replace(auth=None, fragment=None).url
            except ValueError:
                return FileResponse("no_address", at=url)
            try:
                with self._opened(method, wired) as response:
                    if self._ended:
                        raise TimeoutError  # headers that break off look like all there are
                    target = response.headers.get("Location") if response.status in {301, 302, 303, 307, 308} else None
                    if target is None:
                        return _read(response, url)
            except (OSError, HTTPException, UnicodeError) as failure:
                return FileResponse(self._fault(failure), at=url)
            finally:
                self._forget()
            try:
                following = urljoin(wired, quote(target, encoding="latin-1", safe=string.punctuation))
            except ValueError:
                following = ""
            if URL.fault(following):
                return FileResponse("bad_redirect", at=url)
            if is_private(following) and not is_private(self.url):  # nobody's host makes us ask those of this network
                return FileResponse("inward", at=following)
            url = following
        return FileResponse("redirects", at=url)

    def _opened(self, method: str, url: str) -> HTTPResponse:
        # Uncompressed, since it is the file's own size that counts.
        headers = {"User-Agent": f"d7nb/{version()}", "Accept": "*/*", "Accept-Encoding": "identity"}
        if method == "GET":
            headers["Range"] = "bytes=0-0"
        request = _Request(url, headers=headers, method=method)
        request.connect = self.connect
        response: HTTPResponse | None = self._opener.open(request)
        if response is None:  # the environment names a proxy of a kind that nobody here knows
            raise OSError
        return response

    def _fault(self, failure: Exception) -> str:
        """The word for a failure; that of `URLError` was on the way to the answer, any other in it."""
        before = isinstance(failure, URLError)
        cause = failure.reason if isinstance(failure, URLError) else failure
        if self._ended or isinstance(cause, TimeoutError):
            return "timeout"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "certificate"
        if isinstance(cause, socket.gaierror | UnicodeError):  # a name can be too long to be looked up
            return "no_host"
        if before:
            return "no_tls" if isinstance(cause, ssl.SSLError) else "no_connection"
        return "broken"


class _Request(Request):
    """A request that knows how its connection is made."""

    connect: Callable[..., socket.socket]


class _Handler(AbstractHTTPHandler):
    """Opens a connection for each request, in the request's own way; it follows nothing and raises for no status."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._tls = context

    def http_open(self, request: _Request) -> HTTPResponse:
        return self.do_open(partial(_made, HTTPConnection, request.connect), request)

    def https_open(self, request: _Request) -> HTTPResponse:
        return self.do_open(partial(_made, HTTPSConnection, request.connect, context=self._tls), request)

    http_request = https_request = AbstractHTTPHandler.do_request_


def _made(
    kind: type[HTTPConnection], connect: Callable[..., socket.socket], host: str, **options: Any
) -> HTTPConnection:
    options.pop("timeout", None)
    connection: Any = kind(host, **options)
    connection._create_connection = connect  # the one place where a socket can be seen before TLS has it
    return connection  # type: ignore[no-any-return]


def _opener() -> OpenerDirector:
    """What opens addresses, by the environment's proxies and certificates."""
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
    """What the headers of an answer tell."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    whole = re.fullmatch(r"\s*bytes\s+\S+/(\d{1,18})\s*", response.headers.get("Content-Range", ""))
    length = re.fullmatch(r"\s*(\d{1,18})\s*", response.headers.get("Content-Length", ""))
    if response.status in {206, 416}:
        length = whole
    return FileResponse(status=response.status, type=kind, size=int(length[1]) if length else None, at=url)
