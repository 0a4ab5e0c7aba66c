"""The sandbox's own reading of a send request (d7-api.md section 2), and of the variants it lets pass (section 8).

Nothing here is shared with the client side of d7nb: two independent readings of one API, which the tests hold against
each other. A request is taken in whole or not at all (inferred, section 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Required, cast

import orjson
from pydantic import (
    AfterValidator,
    AliasChoices,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    with_config,
)
from pydantic_core import PydanticKnownError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from d7nb.errors import SandboxError
from d7nb.sandbox.schema.base import Filled, HttpUrl, Part, chosen_by, clean_loc, tag
from d7nb.sandbox.schema.contents import (
    AttachmentContent,
    ContactsContent,
    Content,
    LocationContent,
    ReactionContent,
    TextContent,
)
from d7nb.sandbox.schema.interactive import InteractiveContent
from d7nb.sandbox.schema.templates import TemplateContent

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE_TYPES = ("TEXT", "REACTION", "ATTACHMENT", "LOCATION", "CONTACTS", "INTERACTIVE", "TEMPLATE")
REFERENCE_KEYS = ("cust_ref", *(f"message_tag{n}" for n in range(1, 6)), "conversation_id")

# Country code first, 15 digits at most (E.164); the least number of digits is invented.
PHONE_NUMBER = r"^\+?[1-9][0-9]{6,14}$"
# The forms of section 8, row 15. A time without an offset is refused.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)


def digits(number: str) -> str:
    """What numbers are compared by: a plus more or less makes no other number (d7-api.md section 8, row 6)."""
    return number.removeprefix("+")


def read_number(number: str) -> str:
    """The digits of a number that the sandbox's user gives.

    Raises:
        SandboxError: If it is no number.
    """
    text = str(number).strip()
    if not re.fullmatch(PHONE_NUMBER, text):
        raise SandboxError("a number should be its country code and the rest, 7 to 15 digits, with or without a plus")
    return digits(text)


def moment(text: str) -> datetime:
    """The time that a `schedule_time` names; ValueError when it is in none of the accepted forms."""
    if not _MOMENT.fullmatch(text):
        raise ValueError("schedule_time should look like 2021-08-05T12:52+05:30, with its offset from UTC")
    return datetime.fromisoformat(text)


def _readable_moment(text: str) -> str:
    moment(text)
    return text


def _known_to_a_plugin(message_type: str, info: ValidationInfo) -> str:
    if message_type not in cast("dict[str, frozenset[str]]", info.context)["extra_types"]:
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, MESSAGE_TYPES))})
    return message_type


class OtherContent(Content):
    """A content that D7 does not have: let by whole if the sandbox was told its type (`extra_types`)."""

    model_config = ConfigDict(extra="ignore")
    message_type: Annotated[str, AfterValidator(_known_to_a_plugin)]


AnyContent = Annotated[
    Annotated[TextContent, tag("TEXT")]
    | Annotated[ReactionContent, tag("REACTION")]
    | Annotated[AttachmentContent, tag("ATTACHMENT")]
    | Annotated[LocationContent, tag("LOCATION")]
    | Annotated[ContactsContent, tag("CONTACTS")]
    | Annotated[InteractiveContent, tag("INTERACTIVE")]
    | Annotated[TemplateContent, tag("TEMPLATE")]
    | Annotated[OtherContent, tag()],
    chosen_by("message_type", *MESSAGE_TYPES),
]


def _either(snake: str) -> Any:
    """Most of D7's samples write tags in camel case, its tables and reports in snake case (section 8, row 1)."""
    head, *rest = snake.split("_")
    return Field(validation_alias=AliasChoices(snake, head + "".join(word.capitalize() for word in rest)))


# A request has one content and a thousand recipients: these two are dicts, which pydantic makes faster than objects.
@with_config(Part.model_config)
class Reference(TypedDict, total=False):
    """The sender's own marks on a recipient. Lengths are not documented, so there is no limit."""

    cust_ref: str | None
    message_tag1: Annotated[str | None, _either("message_tag1")]
    message_tag2: Annotated[str | None, _either("message_tag2")]
    message_tag3: Annotated[str | None, _either("message_tag3")]
    message_tag4: Annotated[str | None, _either("message_tag4")]
    message_tag5: Annotated[str | None, _either("message_tag5")]
    conversation_id: Annotated[str | None, _either("conversation_id")]


class Recipient(Reference, total=False):
    """A recipient; being a reference too, it takes flat marks, which D7's table shows (section 8, row 2)."""

    recipient: Required[Annotated[str, Field(pattern=PHONE_NUMBER)]]
    recipient_type: Literal["individual"] | None  # the SDKs leave it out (section 8, row 5)
    reference: Reference | None


class Message(Part):
    """One content from one originator to some recipients. The originator's form is judged with its registration."""

    originator: Filled
    content: AnyContent
    recipients: Annotated[list[Recipient], Field(min_length=1)]
    report_url: HttpUrl | None = None


class Globals(Part):
    """What holds for all messages of a request. On WhatsApp only the time is documented."""

    schedule_time: Annotated[str, AfterValidator(_readable_moment)] | None = None


class Envelope(Part):
    """The body of a send request."""

    messages: Annotated[list[Message], Field(min_length=1)]
    message_globals: Globals | None = None

    @property
    def schedule_time(self) -> str | None:
        """When the messages should go, as it was sent."""
        return self.message_globals.schedule_time if self.message_globals else None

    @property
    def recipient_count(self) -> int:
        """How many rows this request makes."""
        return sum(len(message.recipients) for message in self.messages)


_ENVELOPE = TypeAdapter(Envelope)


class OneMessage(NamedTuple):
    """One message to one recipient, out of a request."""

    originator: str  # as it was sent
    recipient: str  # with a plus
    message_type: str
    content: dict[str, Any]  # the whole object, as it was sent
    reference: dict[str, str]  # what was given, in snake case
    report_url: str | None
    warnings: list[str]  # what was odd and yet accepted


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a request: what is let by beyond the strict reading."""

    lenient: bool = False
    extra_types: frozenset[str] = frozenset()

    def parse(self, body: bytes) -> Any:
        """The JSON of a body, in lenient mode with its loose variants rewritten into the strict form."""
        parsed = orjson.loads(body)
        return _tightened(parsed) if self.lenient else parsed

    def check(self, parsed: Any) -> Envelope:
        """The request, or pydantic's ValidationError."""
        return _ENVELOPE.validate_python(
            parsed, context={"extra_types": self.extra_types}, extra="ignore" if self.lenient else None
        )

    def envelope(self, body: bytes) -> Envelope | list[dict[str, Any]]:
        """The request in a body, or the items of the 422 that refuses it, in FastAPI's form."""
        if not body:
            return [{"loc": ["body"], "msg": "Field required", "type": "missing"}]
        try:
            return self.check(self.parse(body))
        except orjson.JSONDecodeError as error:
            return [{"loc": ["body", error.pos], "msg": "JSON decode error", "type": "json_invalid"}]
        except ValidationError as error:
            return [
                {"loc": clean_loc(item["loc"]), "msg": item["msg"], "type": item["type"]}
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]

    def messages(self, body: bytes) -> Iterator[OneMessage]:
        """What a body that was taken in says to whom, in the order of the request."""
        parsed = self.parse(body)
        for message, raw in zip(self.check(parsed).messages, parsed["messages"], strict=True):
            content, remarks = raw["content"], message.content.warnings()
            for recipient in message.recipients:
                reference, flat = _reference(recipient)
                yield OneMessage(
                    originator=message.originator,
                    recipient="+" + digits(recipient["recipient"]),
                    message_type=content["message_type"],
                    content=content,
                    reference=reference,
                    report_url=message.report_url,
                    warnings=remarks + flat,
                )


def _reference(recipient: Recipient) -> tuple[dict[str, str], list[str]]:
    """The marks of a recipient, nested ones before flat ones, and a warning if there are flat ones."""
    flat, nested = _marks(recipient), _marks(recipient.get("reference") or {})
    warnings = ["reference keys are flat on the recipient: they belong inside reference"] if flat else []
    return flat | nested, warnings


def _marks(reference: Reference) -> dict[str, str]:
    given = cast("dict[str, str | None]", reference)
    return {key: mark for key, mark in given.items() if mark is not None and key in REFERENCE_KEYS}


def _tightened(body: Any) -> Any:
    """Rewrite what only lenient mode accepts: one contact for an array, bare numbers, an array of numbers.

    Sections 8.3, 8.4 and 8.7 of d7-api.md. An array of numbers makes as many recipients, so positions in a later
    error count numbers, not the objects that were sent.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        content, recipients = message.get("content"), message.get("recipients")
        if isinstance(content, dict) and isinstance(content.get("contacts"), dict):
            content["contacts"] = [content["contacts"]]
        if isinstance(recipients, list):
            message["recipients"] = [one for recipient in recipients for one in _spread(recipient)]
    return body


def _spread(recipient: Any) -> list[Any]:
    match recipient:
        case str():
            return [{"recipient": recipient}]
        case {"recipient": list() as numbers}:
            return [{**recipient, "recipient": number} for number in numbers]
        case _:
            return [recipient]
