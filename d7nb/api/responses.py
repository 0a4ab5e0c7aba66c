"""Parsers of D7's responses: the HTTP status, the headers and the JSON become a `SendResponse` or an error.

The response to a send is a value and not an exception: the send loop goes on whatever it is, and no traceback can show
the body that was sent.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import orjson

from d7nb import errors
from d7nb.api.error_codes import ASK, meaning_of, with_advice
from d7nb.api.parsing import EARLIEST
from d7nb.hints import Hint, Option
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["accepted", "rejected", "refused", "limited", "unknown", "not_connected"]

AMBIGUOUS_STATUSES = frozenset({408, 409})
"""Statuses which, like every 5xx, do not say whether D7 took the messages. D7 does not document them."""


class Detail(NamedTuple):
    """One item of the ``detail`` in an error response.

    Attributes:
        message: D7's words, numbers masked.
        code: D7's code, or the type of a validation error; may be empty.
        loc: The path within the request, for a 422; empty elsewhere.
    """

    message: str
    code: str = ""
    loc: tuple[str | int, ...] = ()


class SendResponse(NamedTuple):
    """The result of one POST of messages.

    Attributes:
        kind: accepted, rejected (a 200 that says so), refused, limited (429), unknown (the messages may have been
            taken), not_connected.
        request_id: D7's id of the request, where it gave one.
        created_at: D7's time of it, as given.
        error: What is wrong; None where the messages were accepted.
    """

    kind: Kind
    request_id: str | None = None
    created_at: str | None = None
    error: errors.ApiError | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status; None where there was no response."""
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
"""Statuses whose meaning is added to the error: their bodies are not documented, or say less than `error_codes`."""


def parse_details(body: Any) -> list[Detail]:
    """Parse the ``detail`` of an error response, in each of the four shapes that D7 gives it.

    It is an object, a list of objects, a list of validation errors, or a text (D7, WhatsApp API reference, "Send
    Free-form Whatsapp Messages" and "Get Status"; the text is only in D7's older API guide).

    Args:
        body: The parsed JSON.

    Returns:
        The items; empty where the body is of no known shape.

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
    steps = [step for step in loc if isinstance(step, str | int)] if isinstance(loc, list) else []
    message = item.get("message") or item.get("msg") or ""
    return Detail(
        mask_text(str(message)),
        mask_text(str(item.get("code") or item.get("type") or "")),
        tuple(mask_text(step) if isinstance(step, str) else step for step in steps),
    )


def parse_send_response(status: int, headers: Mapping[str, str], content: bytes, now: datetime) -> SendResponse:
    """Parse the response to ``POST /whatsapp/v2/send``.

    Args:
        status: The HTTP status.
        headers: The headers.
        content: The body, as it came.
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
    verdict = str(body.get("status", "")).lower() if isinstance(body, dict) else ""
    request_id = body.get("request_id") if isinstance(body, dict) else None
    if verdict == "rejected":
        error = errors.Refused(f"D7 took the request and rejected it ({ASK})", status=status, code="rejected")
        return SendResponse("rejected", str(request_id) if request_id else None, error=error)
    if verdict != "accepted" or not isinstance(request_id, str):
        return SendResponse(
            "unknown", error=ambiguous(f"D7 answered {status} with something that can't be read", status)
        )
    created_at = body.get("created_at")
    return SendResponse("accepted", request_id, created_at if isinstance(created_at, str) else None)


def parse_error(status: int, headers: Mapping[str, str], body: Any, now: datetime) -> errors.Refused:
    """Return the error that a response other than 2xx and 5xx stands for.

    Args:
        status: The HTTP status.
        headers: The headers.
        body: The parsed JSON.
        now: The time, for a Retry-After that is a date.
    """
    if 300 <= status < 400:
        redirected = f"D7's address answered {status}, a redirect, which is not followed: check "
        return errors.Misdirected(Hint(redirected, Option("base_url")), status=status)
    details = parse_details(body)
    code = details[0].code if details else ""
    d7_message = "; ".join(dict.fromkeys(_sentence(detail) for detail in details[:3]))
    meaning = meaning_of(f"http_{status}") if status in _EXPLAINED else ""
    parts = [f"D7 answered {status}" + (f" {code}" if code else ""), d7_message, meaning]
    error_class = _CLASSES.get(status, errors.Refused)
    return error_class(
        with_advice(": ".join(part for part in parts if part)),
        status=status,
        code=code,
        details=details,
        retry_after=parse_retry_after(headers.get("Retry-After"), now),
    )


def _sentence(detail: Detail) -> str:
    steps = detail.loc[1:] if detail.loc[:1] == ("body",) else detail.loc
    field = ".".join(str(step) for step in steps)
    message = detail.message.rstrip(".")
    return f"{field}: {message}" if field else message


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Parse a Retry-After header, which holds seconds or a date, into seconds; None where it holds neither.

    Example:
        >>> from datetime import UTC, datetime
        >>> parse_retry_after("Mon, 23 Nov 2026 10:00:30 GMT", datetime(2026, 11, 23, 10, tzinfo=UTC))
        30.0
    """
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max((parsedate_to_datetime(header) - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def parse_date(header: str | None) -> datetime | None:
    """Parse a Date header, in UTC; None where there is none, or where the server's clock was never set."""
    try:
        moment = parsedate_to_datetime(header or "")
        zoned = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)  # HTTP knows no local times
    except (ValueError, OverflowError):
        return None
    return zoned if zoned >= EARLIEST else None


def ambiguous(message: str, status: int | None = None) -> errors.Ambiguous:
    """Return the error for a request that D7 may have taken."""
    return errors.Ambiguous(message, status=status)


def parse_json(content: bytes) -> Any:
    """Parse the JSON of a response; None where it holds none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
