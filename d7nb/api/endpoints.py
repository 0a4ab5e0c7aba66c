"""What can be asked of D7 besides sending: reports, receipts, media, credit, and whether the token is valid.

Nothing here is tried again by itself, and all of it can be asked again without harm.
"""

from __future__ import annotations

import ssl
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson
import requests
from urllib3.exceptions import HTTPError

from d7nb.api.downloads import LARGEST, PIECE, announced, check_free, check_size, save, told_apart
from d7nb.api.parsing import EARLIEST
from d7nb.api.responses import parsed, read_error
from d7nb.api.transport import NeverConnected
from d7nb.errors import ApiError, NotConnected, hides_internals

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from d7nb.api.transport import HttpSession

REPORT_PATH = "/whatsapp/v2/report/"
READ_PATH = "/whatsapp/v2/read-receipt/"
MEDIA_PATH = "/whatsapp/v2/download/"
BALANCE_PATH = "/messages/v1/balance"
TOKEN_PATH = "/auth/v1/authenticate/application/verify-token"  # noqa: S105  (an address)

FAILURES = (OSError, HTTPError)
"""What requests raises, what it forgets to wrap, and `NeverConnected`."""


class TokenCheck(NamedTuple):
    """What came of a look at D7.

    Attributes:
        error: What is wrong; None where the token is valid.
        time: What D7's clock says; None where nothing answered, or the answer does not tell.
    """

    error: ApiError | None
    time: datetime | None


class Asking:
    """The part of a client that asks; what it asks with is the client's."""

    base_url: str
    timeout: tuple[float | None, float | None]
    _session: HttpSession
    _clock: Callable[[], datetime]

    @hides_internals
    def report(self, request_id: str) -> dict[str, Any]:
        """What became of a request's messages (d7-api.md section 4).

        Args:
            request_id: As D7 gave it when it accepted the request.

        Returns:
            D7's report: ``messages`` with ``msg_id``, ``recipient``, ``status``, ``reason`` and more.

        Raises:
            NotFound: D7 has no such report, or not yet.
            ApiError: Anything else; its class says what.
        """
        return self.dated_report(request_id)[0]

    def dated_report(self, request_id: str) -> tuple[dict[str, Any], datetime]:
        """The same, and when that was by D7's clock, which no report tells; by ours where D7 does not say."""
        response = self._ask("GET", REPORT_PATH + quote(request_id, safe=""))
        return _object(response), _date(response.headers.get("Date")) or self._clock()

    @hides_internals
    def mark_read(self, message_id: str, *, typing: bool = False) -> None:
        """Tell a person that their message was read (d7-api.md section 6).

        Args:
            message_id: D7's id of the message that came in.
            typing: Whether they shall also see that an answer is being written.

        Raises:
            NotFound: No such message came in.
            ApiError: Anything else; its class says what. To ask again does no harm.
        """
        body = orjson.dumps({"typing": True}) if typing else None
        self._ask("POST", READ_PATH + quote(message_id, safe=""), body)

    @hides_internals
    def download(
        self, media_id: str, path: str | os.PathLike[str], *, limit: int = LARGEST, overwrite: bool = False
    ) -> Path:
        """Save the picture, document, voice or video that a person sent (d7-api.md section 6).

        It is written as it comes, and only its owner may read it. What breaks off leaves nothing behind.

        Args:
            media_id: As the message that came in names it.
            path: The file to write.
            limit: Bytes that it may have at most.
            overwrite: Whether it may take the place of a file that is there.

        Returns:
            The file.

        Raises:
            NotFound: D7 has no such media, or no more.
            FileExistsError: There is a file already.
            ApiError: It is too large, or anything else; its class says what.
        """
        target = Path(path)
        check_free(target, overwrite=overwrite)
        with closing(self._ask("GET", MEDIA_PATH + quote(media_id, safe=""), stream=True)) as response:
            check_size(announced(response.headers), limit)
            told, pieces = told_apart(response.headers, _pieces(response))
            if told is not None:
                raise read_error(response.status_code, response.headers, told, self._clock())
            return save(pieces, target, limit=limit, overwrite=overwrite)

    @hides_internals
    def balance(self) -> float:
        """The account's credit, in its own currency (d7-api.md section 6).

        Raises:
            ApiError: There is no telling; its class says why.
        """
        balance = self._get(BALANCE_PATH).get("balance")
        if isinstance(balance, bool) or not isinstance(balance, int | float):
            raise ApiError("D7's answer holds no balance", status=200)
        return float(balance)

    @hides_internals
    def check_token(self) -> None:
        """Ask D7 whether the token is valid (d7-api.md section 6). This sends nothing and costs nothing.

        Raises:
            Unauthorized: It is not.
            ApiError: There is no telling; its class says why.
        """
        error = self.probe().error
        if error is not None:
            raise error

    def probe(self) -> TokenCheck:
        """What `check_token` finds out, and what D7's clock says; nothing raises."""
        try:
            response = self._request("GET", TOKEN_PATH)
        except FAILURES as failure:
            return TokenCheck(_failed(failure), None)
        return TokenCheck(self._error_of(response), _date(response.headers.get("Date")))

    def _get(self, path: str) -> dict[str, Any]:
        return _object(self._ask("GET", path))

    def _ask(self, method: str, path: str, body: bytes | None = None, *, stream: bool = False) -> requests.Response:
        """An answer that is a success; anything else raises, with no word of what was sent."""
        error: ApiError | None
        try:
            response = self._request(method, path, body, stream=stream)
            error = self._error_of(response)
            if error is None:
                return response
        except FAILURES as failure:
            error = _failed(failure)
        raise error

    def _error_of(self, response: requests.Response) -> ApiError | None:
        status = response.status_code
        if 200 <= status < 300:
            return None
        with closing(response):
            if 300 <= status < 500:
                return read_error(status, response.headers, parsed(response.content), self._clock())
            return _unreadable(response)

    def _request(self, method: str, path: str, body: bytes | None = None, *, stream: bool = False) -> requests.Response:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Accept": "*/*"} if stream else {}
        return self._session.request(method, path, body, headers, timeout=self.timeout, stream=stream)


def never_connected(failure: Exception) -> NotConnected | None:
    """The error for a request that can't have left, which is safe to try again; None for all that came later."""
    if not isinstance(failure, NeverConnected):
        return None
    if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
        return NotConnected(
            "the certificate of D7's address can't be trusted, so nothing was sent; check base_url and proxies"
        )
    return NotConnected("no connection to D7 could be made; check the network, proxies and base_url")


def what_happened(failure: Exception) -> str:
    """Why a request that left has no answer."""
    if isinstance(failure, requests.Timeout):
        return "D7 gave no answer in time"
    return "the connection broke before D7 answered"


def _failed(failure: Exception) -> ApiError:
    return never_connected(failure) or ApiError(f"{what_happened(failure)}; ask again")


def _object(response: requests.Response) -> dict[str, Any]:
    body = parsed(response.content)
    if response.status_code != 200 or not isinstance(body, dict):
        raise _unreadable(response)
    return body


def _unreadable(response: requests.Response) -> ApiError:
    return ApiError(f"D7 gave no readable answer ({response.status_code})", status=response.status_code)


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """A body as it comes. Only what goes wrong on the way is D7's, and not what goes wrong with the file."""
    try:
        yield from response.iter_content(PIECE)
    except FAILURES as failure:
        error = _failed(failure)
    else:
        return
    raise error


def _date(header: str | None) -> datetime | None:
    """A time by somebody's clock; None where there is none, or that clock was never set."""
    try:
        moment = parsedate_to_datetime(header or "")
        zoned = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)  # HTTP knows no local times
    except (ValueError, OverflowError):
        return None
    return zoned if zoned >= EARLIEST else None
