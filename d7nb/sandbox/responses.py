"""The HTTP responses of the sandbox, in the shapes that D7 documents.

The shapes are from D7's pages "Send Free-form Whatsapp Messages", "Get Status" and "Read Receipt". The texts of the
messages, the bodies of 400, 402 and 413 and everything else that is not documented are the sandbox's own choice.
"""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


def format_time(at: datetime) -> str:
    """Format a time in UTC as D7 formats `created_at`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def mask_number(number: str) -> str:
    """Mask all but the last two characters of a number."""
    return "*" * (len(number) - 2) + number[-2:]


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def send_response(status: str, created_at: datetime, request_id: str | None = None) -> Response:
    """Return the 200 to a send: `accepted`, or `rejected` with a new request_id."""
    return json_response(
        {"request_id": request_id or str(uuid4()), "status": status, "created_at": format_time(created_at)}
    )


def coded_error(status: int, code: str, message: str) -> Response:
    """Return an error whose detail is an object with a code and a message."""
    return json_response({"detail": {"code": code, "message": message}}, status)


def unauthorized() -> Response:
    """Return the 401 to a wrong token."""
    return coded_error(
        401, "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "The access token is not one of this application."
    )


def unknown_originators(originators: Iterable[str]) -> Response:
    """Return the 404 to a send, the only error whose detail is a list of objects with a code."""
    return json_response(
        {
            "detail": [
                {"code": "INVALID_WHATSAPP_ORIGINATOR", "message": f"{mask_number(originator)} is not registered."}
                for originator in originators
            ]
        },
        404,
    )


def unknown_request() -> Response:
    """Return the 404 to a request for a report."""
    return coded_error(404, "WHATSAPP_LOG_NOT_EXISTS", "There is no message log for this request_id.")


def unknown_message() -> Response:
    """Return the 404 to a read receipt."""
    return coded_error(404, "WHATSAPP_MESSAGE_NOT_EXISTS", "There is no incoming message with this message_id.")


def unknown_file() -> Response:
    """Return the 404 to a download; its code is not documented."""
    return coded_error(404, "WHATSAPP_MEDIA_NOT_EXISTS", "There is no incoming file with this media_id.")


def validation_error(items: list[dict[str, Any]]) -> Response:
    """Return a 422 in FastAPI's form."""
    return json_response({"detail": items}, 422)


def parameter_count_mismatch(template_id: str, expected: int, actual: int) -> Response:
    """Return the 400 to a template with too few or too many parameters; the code is D7's, the shape not documented."""
    return coded_error(
        400, "TEMPLATE_PARAMETER_COUNT_MISMATCH", f"Template {template_id} takes {expected} parameters, not {actual}."
    )


def too_many_recipients(maximum: int) -> Response:
    """Return the 413 to a request with too many recipients; D7 documents no limit."""
    return coded_error(413, "TOO_MANY_RECIPIENTS", f"A request should have at most {maximum} recipients.")


def typical_response(status: int) -> Response:
    """Return a likely response with this status, in the documented shape where there is one."""
    match status:
        case 401:
            return unauthorized()
        case 402:
            return coded_error(402, "INSUFFICIENT_CREDIT", "The balance does not cover this request.")
        case 404:
            return unknown_originators(["+00000000000"])
        case 422:
            return validation_error([{"loc": ["body"], "msg": "The request can't be processed", "type": "value_error"}])
        case 204 | 304:
            return Response(status_code=status)
        case _:
            return json_response({"detail": http.client.responses.get(status, "Error")}, status)
