"""The stand-in for D7's WhatsApp API as a web application: what it judges, in which order, and its routes."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route

from d7nb.errors import SandboxError
from d7nb.sandbox import answers
from d7nb.sandbox.faults import SEND_PATH
from d7nb.sandbox.parts import Part
from d7nb.sandbox.schema import PHONE_NUMBER
from d7nb.sandbox.templates import TemplateContent
from d7nb.sandbox.wire import Hangup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from d7nb.sandbox.faults import Faults
    from d7nb.sandbox.schema import Envelope, Reading
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
        return self.originators is None or originator.removeprefix("+") in self.originators

    def _miscounted(self, content: object) -> Response | None:
        if not isinstance(content, TemplateContent):
            return None
        template = content.template
        expected = (self.templates or {}).get(template.template_id, template.parameter_count)
        if template.parameter_count == expected:
            return None
        return answers.parameter_count_mismatch(template.template_id, expected, template.parameter_count)


class FaultOrder(Part):
    """The body of POST /_sandbox/faults."""

    kind: str
    times: int = 1
    options: dict[str, Any] = Field(default_factory=dict)


class Api:
    """The endpoints over one state. They run in the server's event loop; the state is open to any thread."""

    def __init__(self, reading: Reading, rules: Rules, state: State, faults: Faults) -> None:
        self.reading, self.rules, self.state, self.faults = reading, rules, state, faults
        self.closing = asyncio.Event()  # set in the server's loop: answers that wait go out at once

    def application(self) -> Starlette:
        """The web application."""
        report = "report/{request_id}"
        application = Starlette(
            routes=[
                Route(SEND_PATH, self.endpoint(self.send), methods=["POST"]),
                # The SDKs still ask v1 (section 8, row 16).
                Route(f"/whatsapp/v2/{report}", self.endpoint(self.report), methods=["GET"]),
                Route(f"/whatsapp/v1/{report}", self.endpoint(self.report), methods=["GET"]),
                Route("/_sandbox/messages", self.get_messages, methods=["GET"]),
                Route("/_sandbox/reset", self.post_reset, methods=["POST"]),
                Route("/_sandbox/faults", self.post_faults, methods=["POST"]),
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
                return Hangup()
            effect = self.faults.strike(request.scope["path"])
            response = answer(request, body) if effect.taken else Hangup()
            if effect.replace is not None:
                response = effect.replace(self.state.now())
            if pause := self.rules.latency + effect.seconds:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self.closing.wait()
            return response

        return respond

    def send(self, request: Request, body: bytes) -> Response:
        """POST /whatsapp/v2/send."""
        if not _is_authorized(request):
            return answers.unauthorized()
        if not _JSON.match(request.headers.get("content-type", "application/json")):
            return answers.invalid([{"loc": ["body"], "msg": "Content-Type is not JSON", "type": "dict_type"}])
        envelope = self.reading.envelope(body)
        if isinstance(envelope, list):
            return answers.invalid(envelope)
        refusal = self.rules.refusal(envelope) or self.faults.refusal(envelope)
        if refusal is not None:
            return refusal
        taken_in = self.state.take_in(envelope, body)
        return answers.send_reply("accepted", taken_in.created_at, taken_in.request_id)

    def report(self, request: Request, _: bytes) -> Response:
        """GET /whatsapp/v2/report/{request_id}."""
        if not _is_authorized(request):
            return answers.unauthorized()
        report = self.state.report(request.path_params["request_id"])
        return answers.unknown_request() if report is None else answers.as_json(report)

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
            order = FaultOrder.model_validate_json(await request.body())
            self.faults.add(order.kind, order.times, order.options)
        except ValidationError:
            form = '{"kind": "status", "times": 1, "options": {"code": 503}}'
            return answers.as_json({"detail": f"a fault should be asked for in this form: {form}"}, 400)
        except SandboxError as error:
            return answers.as_json({"detail": str(error)}, 400)
        return answers.as_json({"status": "added"})

    def reset(self) -> None:
        """Forget messages and faults."""
        self.faults.clear()
        self.state.reset()


def _is_authorized(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and token.strip() == TOKEN


async def _plain_error(_: Request, error: Exception) -> Response:
    """404 and 405 as FastAPI words them."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return answers.as_json({"detail": error.detail}, error.status_code, error.headers)
