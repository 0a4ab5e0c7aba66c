"""Calls of D7's API: each returns a response that is a success, or raises the error that says what went wrong.

Nothing is tried again here. No error holds anything of what was sent.
"""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

from d7nb.api.downloads import CHUNK
from d7nb.api.responses import parse_error, parse_json
from d7nb.api.transport import NeverConnected
from d7nb.errors import ApiError, NotConnected
from d7nb.hints import Hint, Option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from d7nb.api.transport import HttpSession

FAILURES = (OSError, HTTPError)
"""What requests raises, what it forgets to wrap, and `NeverConnected`."""


class Session:
    """One API, the connections to it, and the time-outs of every call.

    Args:
        http: The connections, which put the token into each request.
        timeout: Seconds to connect, and to wait for bytes.
        clock: Tells the time, for a Retry-After that is a date.
    """

    def __init__(
        self, http: HttpSession, timeout: tuple[float | None, float | None], clock: Callable[[], datetime]
    ) -> None:
        self._http = http
        self._timeout = timeout
        self._clock = clock

    def request(self, method: str, path: str, body: bytes | None = None, *, stream: bool = False) -> requests.Response:
        """Send one request and return the response, whatever its status; the network's `FAILURES` pass through.

        Args:
            method: GET or POST.
            path: The path below the API's address, quoted.
            body: The JSON to post.
            stream: Whether the caller reads the body later, by `iter_body`.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Accept": "*/*"} if stream else {}
        return self._http.request(method, path, body, headers, timeout=self._timeout, stream=stream)

    def call(self, method: str, path: str, body: bytes | None = None, *, stream: bool = False) -> requests.Response:
        """Send one request that can be repeated without harm, and return the response if it is a success.

        Args:
            method: GET or POST.
            path: The path below the API's address, quoted.
            body: The JSON to post.
            stream: Whether the caller reads the body later, by `iter_body`.

        Raises:
            ApiError: There is no response, or it is no success; the class says what went wrong.
        """
        error: ApiError | None
        try:
            response = self.request(method, path, body, stream=stream)
            error = self.error_of(response)
            if error is None:
                return response
        except FAILURES as failure:
            error = failed_call(failure)
        raise error  # outside of the handler: the frames of requests hold what was sent

    def error_of(self, response: requests.Response) -> ApiError | None:
        """Return the error that a response stands for, None if it is a success."""
        status = response.status_code
        if 200 <= status < 300:
            return None
        with closing(response):
            if 300 <= status < 500:
                return parse_error(status, response.headers, parse_json(response.content), self._clock())
            return _unreadable(response)

    def close(self) -> None:
        """Close the connections; new ones are opened when they are needed."""
        self._http.close()


_AND_ADDRESS = ", and ", Option("base_url"), " if you gave it"


def not_connected(failure: Exception) -> NotConnected | None:
    """Return the error for a request that can't have left, None for a failure that came later."""
    if not isinstance(failure, NeverConnected):
        return None
    if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
        untrusted = "the certificate of D7's address can't be trusted, so nothing was sent: check your proxy"
        return NotConnected(Hint(untrusted, *_AND_ADDRESS))
    return NotConnected(Hint("no connection to D7: check your internet connection and proxy", *_AND_ADDRESS))


def describe_failure(failure: Exception) -> str:
    """Return why a request that left has no response, as the beginning of a sentence."""
    if isinstance(failure, requests.Timeout):
        return "D7 did not answer in time"
    return "the connection broke before D7 answered"


def failed_call(failure: Exception) -> ApiError:
    """Return the error for a call that has no response and can be repeated without harm."""
    return not_connected(failure) or ApiError(f"{describe_failure(failure)}; try again")


def json_object(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object in a success.

    Raises:
        ApiError: There is none.
    """
    body = parse_json(response.content)
    if response.status_code != 200 or not isinstance(body, dict):
        raise _unreadable(response)
    return body


def _unreadable(response: requests.Response) -> ApiError:
    return ApiError(f"D7 gave no readable answer ({response.status_code})", status=response.status_code)


def iter_body(response: requests.Response) -> Iterator[bytes]:
    """Yield a streamed body as it comes.

    Raises:
        ApiError: The connection broke. What goes wrong while the caller writes a file is not caught here.
    """
    try:
        yield from response.iter_content(CHUNK)
    except FAILURES as failure:
        error = failed_call(failure)
    else:
        return
    raise error
