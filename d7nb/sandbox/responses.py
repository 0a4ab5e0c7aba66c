"""Every answer the sandbox gives, in the shape that d7-api.md documents (sections 3, 4 and 6).

The words of the messages are ours. So are the bodies of 400, 402, 413 and of everything that is not documented.
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


def timestamp(moment: datetime) -> str:
    """A time in UTC as D7 writes `created_at`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def masked(number: str) -> str:
    """A number of which only the end can be read."""
    return "*" * (len(number) - 2) + number[-2:]


def as_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def send_reply(status: str, created_at: datetime, request_id: str | None = None) -> Response:
    """The 200 to a send: `accepted`, or `rejected` with a request_id of its own."""
    return as_json({"request_id": request_id or str(uuid4()), "status": status, "created_at": timestamp(created_at)})


def coded(status: int, code: str, message: str) -> Response:
    """A refusal whose detail is an object."""
    return as_json({"detail": {"code": code, "message": message}}, status)


def unauthorized() -> Response:
    """401."""
    return coded(401, "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "The access token is not one of this application.")


def unknown_originators(originators: Iterable[str]) -> Response:
    """404 to a send: the one refusal whose detail is a list of objects."""
    return as_json(
        {
            "detail": [
                {"code": "INVALID_WHATSAPP_ORIGINATOR", "message": f"{masked(originator)} is not registered."}
                for originator in originators
            ]
        },
        404,
    )


def unknown_request() -> Response:
    """404 to a report."""
    return coded(404, "WHATSAPP_LOG_NOT_EXISTS", "There is no message log for this request_id.")


def unknown_message() -> Response:
    """404 to a read receipt (section 6)."""
    return coded(404, "WHATSAPP_MESSAGE_NOT_EXISTS", "There is no incoming message with this message_id.")


def unknown_media() -> Response:
    """404 to a download; its code is invented."""
    return coded(404, "WHATSAPP_MEDIA_NOT_EXISTS", "There is no incoming file with this media_id.")


def invalid(items: list[dict[str, Any]]) -> Response:
    """422 in FastAPI's form."""
    return as_json({"detail": items}, 422)


def parameter_count_mismatch(template_id: str, expected: int, found: int) -> Response:
    """400: a template was given more or fewer parameters than it has (the code is seen in the field, the shape not)."""
    return coded(
        400, "TEMPLATE_PARAMETER_COUNT_MISMATCH", f"Template {template_id} takes {expected} parameters, not {found}."
    )


def too_many_recipients(most: int) -> Response:
    """413, an invention: D7 documents no limit."""
    return coded(413, "TOO_MANY_RECIPIENTS", f"A request should have at most {most} recipients.")


def stock(status: int) -> Response:
    """A likely answer with this status: the documented shape where there is one."""
    match status:
        case 401:
            return unauthorized()
        case 402:
            return coded(402, "INSUFFICIENT_CREDIT", "The balance does not cover this request.")
        case 404:
            return unknown_originators(["+00000000000"])
        case 422:
            return invalid([{"loc": ["body"], "msg": "The request can't be processed", "type": "value_error"}])
        case 204 | 304:
            return Response(status_code=status)
        case _:
            return as_json({"detail": http.client.responses.get(status, "Error")}, status)
