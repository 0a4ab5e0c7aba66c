"""The stand-in for D7's WhatsApp API as a web application: its routes and the order of its checks."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from d7nb.errors import SandboxError
from d7nb.sandbox import responses
from d7nb.sandbox.faults import SEND_PATH
from d7nb.sandbox.responses import json_response, validation_error
from d7nb.sandbox.schema.base import StrictModel
from d7nb.sandbox.uvicorn_server import DroppedConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.sandbox.events.scheduler import EventScheduler
    from d7nb.sandbox.faults import Faults
    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.rules import Rules
    from d7nb.sandbox.schema.request import RequestReader
    from d7nb.sandbox.state import State

TOKEN = "sandbox"  # noqa: S105 - it is no secret

_JSON = re.compile(r"application/([\w.-]+\+)?json\b", re.IGNORECASE)


class FaultBody(StrictModel):
    """The body of POST /_sandbox/faults."""

    kind: str
    times: int = 1
    options: dict[str, Any] = Field(default_factory=dict)


class ScriptBody(StrictModel):
    """The body of POST /_sandbox/scripts."""

    number: str
    kind: str | list[Any] | None


class ReadReceiptBody(StrictModel):
    """The body of a read receipt, which may be left out."""

    typing: bool | None = None


class Api:
    """The endpoints of D7's API and of the sandbox itself. They run in the server's event loop.

    Args:
        reader: The parser of send requests.
        rules: The checks beyond it.
        state: Where accepted requests are stored; other threads may use it meanwhile.
        faults: What goes wrong on request.
        inbox: The customers' messages.
        scheduler: Schedules the events of accepted requests.
        latency: Seconds before every response of the API.
        balance: The balance of the account; sending does not change it.
    """

    def __init__(
        self,
        reader: RequestReader,
        rules: Rules,
        state: State,
        faults: Faults,
        *,
        inbox: Inbox,
        scheduler: EventScheduler,
        latency: float,
        balance: float,
    ) -> None:
        self.reader, self.rules, self.state, self.faults = reader, rules, state, faults
        self.inbox, self.scheduler = inbox, scheduler
        self._latency, self._balance = latency, balance
        self.closing = asyncio.Event()  # set in the server's loop: delayed responses go out at once

    def application(self) -> Starlette:
        """Build the web application."""
        endpoints = [
            ("POST", SEND_PATH, self.send),
            # D7's SDKs still use v1 for reports.
            ("GET", "/whatsapp/v2/report/{request_id}", self.report),
            ("GET", "/whatsapp/v1/report/{request_id}", self.report),
            # The sample on D7's page "Read Receipt" has no version.
            ("POST", "/whatsapp/v2/read-receipt/{message_id}", self.read_receipt),
            ("POST", "/whatsapp/read-receipt/{message_id}", self.read_receipt),
            ("GET", "/whatsapp/v2/download/{media_id}", self.download),
            ("GET", "/messages/v1/balance", self.balance),
            ("GET", "/auth/v1/authenticate/application/verify-token", self.verify_token),
        ]
        application = Starlette(
            routes=[
                *(Route(path, self._endpoint(respond), methods=[method]) for method, path, respond in endpoints),
                Route("/_sandbox/messages", self.get_messages, methods=["GET"]),
                Route("/_sandbox/reset", self.post_reset, methods=["POST"]),
                Route("/_sandbox/faults", self.post_faults, methods=["POST"]),
                Route("/_sandbox/scripts", self.post_scripts, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _http_error},
        )
        application.router.redirect_slashes = False
        return application

    def _endpoint(self, respond: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
        """Add authorization, faults, latency and the Date header to an endpoint of the API."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await request.body()
            except ClientDisconnect:
                return DroppedConnection()
            effect = self.faults.strike(request.scope["path"])
            if not effect.is_handled:
                response: Response = DroppedConnection()
            else:
                response = respond(request, body) if _is_authorized(request) else responses.unauthorized()
            if effect.replacement is not None:
                response = effect.replacement(self.state.now())
            if delay := self._latency + effect.delay:
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self.closing.wait()
            response.headers["Date"] = format_datetime(self.state.now(), usegmt=True)
            return response

        return endpoint

    def send(self, request: Request, body: bytes) -> Response:
        """Handle POST /whatsapp/v2/send."""
        if not _JSON.match(request.headers.get("content-type", "application/json")):
            return validation_error([{"loc": ["body"], "msg": "Content-Type is not JSON", "type": "dict_type"}])
        send_request = self.reader.parse(body)
        if isinstance(send_request, list):
            return validation_error(send_request)
        refusal = self.rules.refuse(send_request) or self.faults.refuse(send_request)
        if refusal is not None:
            return refusal
        accepted = self.state.add(send_request, body)
        self.scheduler.add(accepted, {message.report_url for message in send_request.messages})
        return responses.send_response("accepted", accepted.created_at, accepted.request_id)

    def report(self, request: Request, _: bytes) -> Response:
        """Handle GET /whatsapp/v2/report/{request_id}."""
        report = self.state.report(request.path_params["request_id"])
        return responses.unknown_request() if report is None else json_response(report)

    def read_receipt(self, request: Request, body: bytes) -> Response:
        """Handle POST /whatsapp/v2/read-receipt/{message_id}."""
        try:
            receipt = ReadReceiptBody.model_validate_json(body or b"{}")
        except ValidationError:
            return validation_error(
                [{"loc": ["body"], "msg": 'The body should be {"typing": true}', "type": "dict_type"}]
            )
        message_id = request.path_params["message_id"]
        if not self.inbox.mark_read(message_id, self.state.now(), typing=bool(receipt.typing)):
            return responses.unknown_message()
        return json_response({"message": "The message is marked as read."})

    def download(self, request: Request, _: bytes) -> Response:
        """Handle GET /whatsapp/v2/download/{media_id} with the file itself; D7's response is not documented."""
        file = self.inbox.file(request.path_params["media_id"])
        if file is None:
            return responses.unknown_file()
        return Response(file.content, headers={"Content-Type": file.content_type})

    def balance(self, _request: Request, _: bytes) -> Response:
        """Handle GET /messages/v1/balance."""
        return json_response({"balance": self._balance})

    def verify_token(self, _request: Request, _: bytes) -> Response:
        """Handle GET /auth/v1/authenticate/application/verify-token with a valid token; the body is not documented."""
        return json_response({"message": "The access token is valid."})

    async def get_messages(self, _: Request) -> Response:
        """Handle GET /_sandbox/messages."""
        return json_response({"messages": [row._asdict() for row in self.state.rows()]})

    async def post_reset(self, _: Request) -> Response:
        """Handle POST /_sandbox/reset."""
        self.reset()
        return json_response({"status": "reset"})

    async def post_faults(self, request: Request) -> Response:
        """Handle POST /_sandbox/faults."""
        try:
            fault = FaultBody.model_validate_json(await request.body())
            self.faults.add(fault.kind, fault.times, fault.options)
        except ValidationError:
            example = '{"kind": "status", "times": 1, "options": {"code": 503}}'
            return json_response({"detail": f"the body of a fault should look like this: {example}"}, 400)
        except SandboxError as error:
            return json_response({"detail": str(error)}, 400)
        return json_response({"status": "added"})

    async def post_scripts(self, request: Request) -> Response:
        """Handle POST /_sandbox/scripts."""
        try:
            script = ScriptBody.model_validate_json(await request.body())
            self.state.script(script.number, script.kind)
        except ValidationError:
            example = '{"number": "+...", "kind": "never_read"}'
            return json_response({"detail": f"the body of a script should look like this: {example}"}, 400)
        except SandboxError as error:
            return json_response({"detail": str(error)}, 400)
        return json_response({"status": "added"})

    def reset(self) -> None:
        """Remove all messages, events and faults, and all scripts but the initial ones."""
        self.faults.clear()
        self.state.reset()
        self.inbox.clear()
        self.scheduler.clear()


def _is_authorized(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and token.strip() == TOKEN


async def _http_error(_: Request, error: Exception) -> Response:
    """Return 404 and 405 with the texts of FastAPI."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return json_response({"detail": error.detail}, error.status_code, error.headers)
