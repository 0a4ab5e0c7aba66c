"""The stand-in for D7's WhatsApp API as a web application: what it judges, in which order, and its routes."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from d7nb.errors import SandboxError
from d7nb.sandbox import responses as answers
from d7nb.sandbox.faults import SEND_PATH
from d7nb.sandbox.schema.base import StrictModel
from d7nb.sandbox.schema.request import PHONE_NUMBER, digits
from d7nb.sandbox.schema.templates import TemplateContent
from d7nb.sandbox.uvicorn_server import DroppedConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from d7nb.sandbox.events.scheduler import EventScheduler
    from d7nb.sandbox.faults import Faults
    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.schema.request import Envelope, RequestReader
    from d7nb.sandbox.state import State

TOKEN = "sandbox"  # noqa: S105 - the whole secret of the sandbox

_JSON = re.compile(r"application/([\w.-]+\+)?json\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rules:
    """What this sandbox knows beyond the schema. All but the originators is invented or optional."""

    originators: frozenset[str] | None = None  # their digits; None: any number is registered
    templates: Mapping[str, int] | None = None  # parameters by template; a template that is not listed is not counted
    max_recipients: int | None = None  # in one request
    latency: float = 0.0  # seconds before every answer of the API
    balance: float = 0.0  # of the account; sending does not change it

    def refusal(self, envelope: Envelope) -> Response | None:
        """The answer to a well-formed request that these rules refuse."""
        if self.max_recipients is not None and envelope.recipient_count > self.max_recipients:
            return answers.too_many_recipients(self.max_recipients)
        senders = dict.fromkeys(message.originator for message in envelope.messages)
        if unknown := [sender for sender in senders if not self._is_registered(sender)]:
            return answers.unknown_originators(unknown)
        return next(filter(None, (self._miscounted(message.content) for message in envelope.messages)), None)

    def _is_registered(self, originator: str) -> bool:
        """By digits, with or without a plus (d7-api.md section 8, row 6); what is no number can't be registered."""
        if not re.fullmatch(PHONE_NUMBER, originator):
            return False
        return self.originators is None or digits(originator) in self.originators

    def _miscounted(self, content: object) -> Response | None:
        if not isinstance(content, TemplateContent):
            return None
        template = content.template
        expected = (self.templates or {}).get(template.template_id, template.parameter_count)
        if template.parameter_count == expected:
            return None
        return answers.parameter_count_mismatch(template.template_id, expected, template.parameter_count)


class FaultBody(StrictModel):
    """The body of POST /_sandbox/faults."""

    kind: str
    times: int = 1
    options: dict[str, Any] = Field(default_factory=dict)


class ScriptBody(StrictModel):
    """The body of POST /_sandbox/scripts."""

    number: str
    kind: str | list[Any] | None


class Receipt(StrictModel):
    """The body of a read receipt, which may be left out."""

    typing: bool | None = None


class Api:
    """The endpoints over one state. They run in the server's event loop; the state is open to any thread."""

    def __init__(
        self,
        reading: RequestReader,
        rules: Rules,
        state: State,
        faults: Faults,
        *,
        inbox: Inbox,
        agenda: EventScheduler,
    ) -> None:
        self.reading, self.rules, self.state, self.faults = reading, rules, state, faults
        self.inbox, self.agenda = inbox, agenda
        self.closing = asyncio.Event()  # set in the server's loop: answers that wait go out at once

    def application(self) -> Starlette:
        """The web application."""
        api = [
            ("POST", SEND_PATH, self.send),
            # The SDKs still ask v1 (section 8, row 16).
            ("GET", "/whatsapp/v2/report/{request_id}", self.report),
            ("GET", "/whatsapp/v1/report/{request_id}", self.report),
            # The page's own sample drops the version (section 8, row 17).
            ("POST", "/whatsapp/v2/read-receipt/{message_id}", self.read_receipt),
            ("POST", "/whatsapp/read-receipt/{message_id}", self.read_receipt),
            ("GET", "/whatsapp/v2/download/{media_id}", self.download),
            ("GET", "/messages/v1/balance", self.balance),
            ("GET", "/auth/v1/authenticate/application/verify-token", self.verify_token),
        ]
        application = Starlette(
            routes=[
                *(Route(path, self.endpoint(answer), methods=[method]) for method, path, answer in api),
                Route("/_sandbox/messages", self.get_messages, methods=["GET"]),
                Route("/_sandbox/reset", self.post_reset, methods=["POST"]),
                Route("/_sandbox/faults", self.post_faults, methods=["POST"]),
                Route("/_sandbox/scripts", self.post_scripts, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _plain_error},
        )
        application.router.redirect_slashes = False
        return application

    def endpoint(self, answer: Callable[[Request, bytes], Response]) -> Callable[[Request], Any]:
        """Wrap what the API answers into what may go wrong before, after and instead."""

        async def respond(request: Request) -> Response:
            try:
                body = await request.body()
            except ClientDisconnect:
                return DroppedConnection()
            effect = self.faults.strike(request.scope["path"])
            if not effect.taken:
                response: Response = DroppedConnection()
            else:
                response = answer(request, body) if _is_authorized(request) else answers.unauthorized()
            if effect.replace is not None:
                response = effect.replace(self.state.now())
            if pause := self.rules.latency + effect.seconds:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self.closing.wait()
            response.headers["Date"] = format_datetime(self.state.now(), usegmt=True)
            return response

        return respond

    def send(self, request: Request, body: bytes) -> Response:
        """POST /whatsapp/v2/send."""
        if not _JSON.match(request.headers.get("content-type", "application/json")):
            return answers.invalid([{"loc": ["body"], "msg": "Content-Type is not JSON", "type": "dict_type"}])
        envelope = self.reading.parse(body)
        if isinstance(envelope, list):
            return answers.invalid(envelope)
        refusal = self.rules.refusal(envelope) or self.faults.refusal(envelope)
        if refusal is not None:
            return refusal
        taken_in = self.state.take_in(envelope, body)
        self.agenda.add(taken_in, {message.report_url for message in envelope.messages})
        return answers.send_reply("accepted", taken_in.created_at, taken_in.request_id)

    def report(self, request: Request, _: bytes) -> Response:
        """GET /whatsapp/v2/report/{request_id}."""
        report = self.state.report(request.path_params["request_id"])
        return answers.unknown_request() if report is None else answers.as_json(report)

    def read_receipt(self, request: Request, body: bytes) -> Response:
        """POST /whatsapp/v2/read-receipt/{message_id}."""
        try:
            receipt = Receipt.model_validate_json(body or b"{}")
        except ValidationError:
            return answers.invalid(
                [{"loc": ["body"], "msg": 'The body should be {"typing": true}', "type": "dict_type"}]
            )
        message_id = request.path_params["message_id"]
        if not self.inbox.mark_read(message_id, self.state.now(), typing=bool(receipt.typing)):
            return answers.unknown_message()
        return answers.as_json({"message": "The message is marked as read."})

    def download(self, request: Request, _: bytes) -> Response:
        """GET /whatsapp/v2/download/{media_id}. The file itself; D7 may as well answer JSON, which is not known."""
        media = self.inbox.media(request.path_params["media_id"])
        if media is None:
            return answers.unknown_media()
        return Response(media.content, headers={"Content-Type": media.content_type})

    def balance(self, _request: Request, _: bytes) -> Response:
        """GET /messages/v1/balance."""
        return answers.as_json({"balance": self.rules.balance})

    def verify_token(self, _request: Request, _: bytes) -> Response:
        """GET /auth/v1/authenticate/application/verify-token, for a good token; its words are invented."""
        return answers.as_json({"message": "The access token is valid."})

    async def get_messages(self, _: Request) -> Response:
        """GET /_sandbox/messages."""
        return answers.as_json({"messages": [row._asdict() for row in self.state.rows()]})

    async def post_reset(self, _: Request) -> Response:
        """POST /_sandbox/reset."""
        self.reset()
        return answers.as_json({"status": "reset"})

    async def post_faults(self, request: Request) -> Response:
        """POST /_sandbox/faults."""
        try:
            order = FaultBody.model_validate_json(await request.body())
            self.faults.add(order.kind, order.times, order.options)
        except ValidationError:
            form = '{"kind": "status", "times": 1, "options": {"code": 503}}'
            return answers.as_json({"detail": f"a fault should be asked for in this form: {form}"}, 400)
        except SandboxError as error:
            return answers.as_json({"detail": str(error)}, 400)
        return answers.as_json({"status": "added"})

    async def post_scripts(self, request: Request) -> Response:
        """POST /_sandbox/scripts."""
        try:
            order = ScriptBody.model_validate_json(await request.body())
            self.state.script(order.number, order.kind)
        except ValidationError:
            form = '{"number": "+...", "kind": "never_read"}'
            return answers.as_json({"detail": f"a script should be asked for in this form: {form}"}, 400)
        except SandboxError as error:
            return answers.as_json({"detail": str(error)}, 400)
        return answers.as_json({"status": "added"})

    def reset(self) -> None:
        """Forget all that came in and all that was asked for."""
        self.faults.clear()
        self.state.reset()
        self.inbox.clear()
        self.agenda.forget()


def _is_authorized(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and token.strip() == TOKEN


async def _plain_error(_: Request, error: Exception) -> Response:
    """404 and 405 as FastAPI words them."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return answers.as_json({"detail": error.detail}, error.status_code, error.headers)
