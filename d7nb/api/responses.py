"""What D7's answers mean: every status and each of the four shapes of ``detail`` become one `SendResponse`.

An answer to a send is a value, not an exception: the send loop goes on whatever it is, and no traceback can show the
body that was sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from d7nb import errors
from d7nb.api.error_codes import ASK, meaning_of, with_advice
from d7nb.api.parsing import EARLIEST
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["accepted", "rejected", "refused", "limited", "unknown", "not_connected"]

AMBIGUOUS_STATUSES = frozenset({408, 409})
"""Besides every 5xx: answers that do not say whether the messages were taken (d7-api.md section 8, retry judgement)."""


class Detail(NamedTuple):
    """One thing that D7 said about a request.

    Attributes:
        message: Its words, numbers masked.
        code: Its code, or pydantic's type; may be empty.
        loc: Where in the request, for a 422; empty elsewhere.
    """

    message: str
    code: str = ""
    loc: tuple[str | int, ...] = ()


class SendResponse(NamedTuple):
    """What became of one POST.

    Attributes:
        kind: accepted, rejected (200 that says so), refused, limited (429), unknown, not_connected.
        request_id: D7's id of the request, where it gave one.
        created_at: D7's time of it, as given.
        error: The error that tells what is wrong; None where the messages were accepted.
    """

    kind: Kind
    request_id: str | None = None
    created_at: str | None = None
    error: errors.ApiError | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status of an answer that was no success."""
        return self.error.status if self.error else 200


_CLASSES: dict[int, type[errors.Refused]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthorized,
    402: errors.InsufficientCredit,
    403: errors.Forbidden,
    404: errors.NotFound,
    413: errors.InvalidRequest,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
}

_EXPLAINED = frozenset({401, 402, 403, 413})
"""Statuses whose bodies are not documented, or say less than we know."""


def parse_details(body: Any) -> list[Detail]:
    """All four shapes of ``detail`` in one form (d7-api.md section 3).

    Args:
        body: The parsed JSON.

    Returns:
        What D7 said; empty where the body is of no known shape.

    Example:
        >>> parse_details({"detail": [{"code": "INVALID_WHATSAPP_ORIGINATOR", "message": "No such originator"}]})
        [Detail(message='No such originator', code='INVALID_WHATSAPP_ORIGINATOR', loc=())]
    """
    detail = body.get("detail") if isinstance(body, dict) else None
    return [
        Detail(mask_text(item)) if isinstance(item, str) else _parse_detail(item)
        for item in (detail if isinstance(detail, list) else [detail])
        if isinstance(item, dict | str)
    ]


def _parse_detail(item: Mapping[str, Any]) -> Detail:
    loc = item.get("loc")
    places = [place for place in loc if isinstance(place, str | int)] if isinstance(loc, list) else []
    message = item.get("message") or item.get("msg") or ""
    return Detail(
        mask_text(str(message)),
        mask_text(str(item.get("code") or item.get("type") or "")),
        tuple(mask_text(place) if isinstance(place, str) else place for place in places),
    )


def parse_send_response(status: int, headers: Mapping[str, str], content: bytes, now: datetime) -> SendResponse:
    """What the answer to ``POST /whatsapp/v2/send`` means.

    Args:
        status: HTTP status.
        headers: The answer's headers.
        content: Its body, as it came.
        now: The time, for a Retry-After that is a date.
    """
    body = parse_json(content)
    if 200 <= status < 300:
        return _parse_success(status, body)
    if status >= 500 or status in AMBIGUOUS_STATUSES or status < 200:
        return SendResponse(
            "unknown", error=ambiguous(f"D7 answered {status}, which does not say whether it took the messages", status)
        )
    error = parse_error(status, headers, body, now)
    return SendResponse("limited" if status == 429 else "refused", error=error)


def _parse_success(status: int, body: Any) -> SendResponse:
    word = str(body.get("status", "")).lower() if isinstance(body, dict) else ""
    request_id = body.get("request_id") if isinstance(body, dict) else None
    if word == "rejected":
        error = errors.Refused(f"D7 took the request and rejected it ({ASK})", status=status, code="rejected")
        return SendResponse("rejected", str(request_id) if request_id else None, error=error)
    if word != "accepted" or not isinstance(request_id, str):
        return SendResponse(
            "unknown", error=ambiguous(f"D7 answered {status} with something that can't be read", status)
        )
    created_at = body.get("created_at")
    return SendResponse("accepted", request_id, created_at if isinstance(created_at, str) else None)


def parse_error(status: int, headers: Mapping[str, str], body: Any, now: datetime) -> errors.Refused:
    """The error that an answer other than 2xx and 5xx stands for."""
    if 300 <= status < 400:
        message = f"D7's address answered {status}, a redirect; it is not followed: check base_url"
        return errors.Misdirected(message, status=status)
    details = parse_details(body)
    first = details[0] if details else Detail("")
    said = "; ".join(dict.fromkeys(_sentence(detail) for detail in details[:3]))
    meaning = meaning_of(f"http_{status}") if status in _EXPLAINED else ""
    parts = [f"D7 answered {status}" + (f" {first.code}" if first.code else ""), said, meaning]
    kind = _CLASSES.get(status, errors.Refused)
    return kind(
        with_advice(": ".join(part for part in parts if part)),
        status=status,
        code=first.code,
        details=details,
        retry_after=parse_retry_after(headers.get("Retry-After"), now),
    )


def _sentence(detail: Detail) -> str:
    steps = detail.loc[1:] if detail.loc[:1] == ("body",) else detail.loc
    where = ".".join(str(step) for step in steps)
    words = detail.message.rstrip(".")
    return f"{where}: {words}" if where else words


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """A Retry-After header in seconds, whether it was given as seconds or as a date.

    Example:
        >>> from datetime import UTC, datetime
        >>> parse_retry_after("Mon, 23 Nov 2026 10:00:30 GMT", datetime(2026, 11, 23, 10, tzinfo=UTC))
        30.0
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def parse_date(header: str | None) -> datetime | None:
    """Read a Date header, in UTC; None where there is none, or where the server's clock was never set."""
    try:
        moment = parsedate_to_datetime(header or "")
        zoned = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)  # HTTP knows no local times
    except (ValueError, OverflowError):
        return None
    return zoned if zoned >= EARLIEST else None


def ambiguous(message: str, status: int | None = None) -> errors.Ambiguous:
    """The error for a request of which nobody knows whether it went out."""
    return errors.Ambiguous(message, status=status)


def parse_json(content: bytes) -> Any:
    """The JSON of an answer; None where it holds none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
