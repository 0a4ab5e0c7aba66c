"""The body of a send request, after D7's page "Send Free-form Whatsapp Messages", and the variants that are accepted.

Nothing here is shared with the client side of d7nb: the tests compare two independent readings of one API. A request
is accepted or refused as a whole; whether D7 does so is not documented.
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
from d7nb.sandbox.schema.base import HttpUrl, NonEmptyStr, StrictModel, clean_loc, discriminator, tag
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

# Country code first, 15 digits at most (E.164). The minimum of 7 digits is the sandbox's own choice.
PHONE_NUMBER = r"^\+?[1-9][0-9]{6,14}$"
# The forms on D7's page and in its samples. A time without an offset is refused.
_SCHEDULE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:?[0-9]{2})", re.ASCII
)


def digits(number: str) -> str:
    """Return the digits of a number: D7 is reported to accept numbers with and without a plus."""
    return number.removeprefix("+")


def parse_number(number: str) -> str:
    """Return the digits of a phone number that the sandbox's user gave.

    Raises:
        SandboxError: If it is not a phone number.
    """
    text = str(number).strip()
    if not re.fullmatch(PHONE_NUMBER, text):
        raise SandboxError(
            "a phone number should begin with its country code and have 7 to 15 digits, with or without a plus"
        )
    return digits(text)


def parse_schedule_time(text: str) -> datetime:
    """Parse a `schedule_time`; a ValueError tells that it has none of the accepted forms."""
    if not _SCHEDULE_TIME.fullmatch(text):
        raise ValueError("schedule_time should look like 2021-08-05T12:52+05:30, with its offset from UTC")
    return datetime.fromisoformat(text)


def _check_schedule_time(text: str) -> str:
    parse_schedule_time(text)
    return text


def _check_extra_type(message_type: str, info: ValidationInfo) -> str:
    if message_type not in cast("dict[str, frozenset[str]]", info.context)["extra_types"]:
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, MESSAGE_TYPES))})
    return message_type


class OtherContent(Content):
    """A content of one of the `extra_types`, whose fields are not checked."""

    model_config = ConfigDict(extra="ignore")
    message_type: Annotated[str, AfterValidator(_check_extra_type)]


AnyContent = Annotated[
    Annotated[TextContent, tag("TEXT")]
    | Annotated[ReactionContent, tag("REACTION")]
    | Annotated[AttachmentContent, tag("ATTACHMENT")]
    | Annotated[LocationContent, tag("LOCATION")]
    | Annotated[ContactsContent, tag("CONTACTS")]
    | Annotated[InteractiveContent, tag("INTERACTIVE")]
    | Annotated[TemplateContent, tag("TEMPLATE")]
    | Annotated[OtherContent, tag()],
    discriminator("message_type", *MESSAGE_TYPES),
]


def _snake_or_camel(name: str) -> Any:
    """Accept a key in snake case, as in D7's tables and reports, and in camel case, as in most of its samples."""
    first, *others = name.split("_")
    return Field(validation_alias=AliasChoices(name, first + "".join(part.capitalize() for part in others)))


# A request may have thousands of recipients: pydantic makes dicts faster than objects.
@with_config(StrictModel.model_config)
class Reference(TypedDict, total=False):
    """The sender's reference for a recipient. Its lengths are not documented, so there is no limit."""

    cust_ref: str | None
    message_tag1: Annotated[str | None, _snake_or_camel("message_tag1")]
    message_tag2: Annotated[str | None, _snake_or_camel("message_tag2")]
    message_tag3: Annotated[str | None, _snake_or_camel("message_tag3")]
    message_tag4: Annotated[str | None, _snake_or_camel("message_tag4")]
    message_tag5: Annotated[str | None, _snake_or_camel("message_tag5")]
    conversation_id: Annotated[str | None, _snake_or_camel("conversation_id")]


class Recipient(Reference, total=False):
    """A recipient; it is a reference too, because D7's table lists the reference keys directly on the recipient."""

    recipient: Required[Annotated[str, Field(pattern=PHONE_NUMBER)]]
    recipient_type: Literal["individual"] | None  # D7's SDKs leave it out
    reference: Reference | None


class Message(StrictModel):
    """One content from one originator to some recipients. `Rules` checks the originator."""

    originator: NonEmptyStr
    content: AnyContent
    recipients: Annotated[list[Recipient], Field(min_length=1)]
    report_url: HttpUrl | None = None


class MessageGlobals(StrictModel):
    """The options for all messages of a request; D7 documents only the time."""

    schedule_time: Annotated[str, AfterValidator(_check_schedule_time)] | None = None


class SendRequest(StrictModel):
    """The body of a send request."""

    messages: Annotated[list[Message], Field(min_length=1)]
    message_globals: MessageGlobals | None = None

    @property
    def schedule_time(self) -> str | None:
        """The time at which the messages should go, as it was sent."""
        return self.message_globals.schedule_time if self.message_globals else None

    @property
    def recipient_count(self) -> int:
        """The number of messages to single recipients in this request."""
        return sum(len(message.recipients) for message in self.messages)


_SEND_REQUEST = TypeAdapter(SendRequest)


class RecipientMessage(NamedTuple):
    """A message to one of a request's recipients."""

    originator: str  # as it was sent
    recipient: str  # with a plus
    message_type: str
    content: dict[str, Any]  # the whole object, as it was sent
    reference: dict[str, str]  # the keys that were sent, in snake case
    report_url: str | None
    warnings: list[str]  # what is wrong although it was accepted


@dataclass(frozen=True, slots=True)
class RequestReader:
    """The parser of send requests, and the variants that it accepts."""

    lenient: bool = False
    extra_types: frozenset[str] = frozenset()

    def _parse_json(self, body: bytes) -> Any:
        parsed = orjson.loads(body)
        return _rewrite_lenient(parsed) if self.lenient else parsed

    def _validate(self, parsed: Any) -> SendRequest:
        return _SEND_REQUEST.validate_python(
            parsed, context={"extra_types": self.extra_types}, extra="ignore" if self.lenient else None
        )

    def parse(self, body: bytes) -> SendRequest | list[dict[str, Any]]:
        """Parse the body of a request; where it is invalid, return the items of FastAPI's 422."""
        if not body:
            return [{"loc": ["body"], "msg": "Field required", "type": "missing"}]
        try:
            return self._validate(self._parse_json(body))
        except orjson.JSONDecodeError as error:
            return [{"loc": ["body", error.pos], "msg": "JSON decode error", "type": "json_invalid"}]
        except ValidationError as error:
            return [
                {"loc": clean_loc(item["loc"]), "msg": item["msg"], "type": item["type"]}
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]

    def iter_messages(self, body: bytes) -> Iterator[RecipientMessage]:
        """Yield the messages to each recipient of an accepted request, in its order."""
        parsed = self._parse_json(body)
        for message, raw_message in zip(self._validate(parsed).messages, parsed["messages"], strict=True):
            content, content_warnings = raw_message["content"], message.content.warnings()
            for recipient in message.recipients:
                reference, reference_warnings = _merge_references(recipient)
                yield RecipientMessage(
                    originator=message.originator,
                    recipient="+" + digits(recipient["recipient"]),
                    message_type=content["message_type"],
                    content=content,
                    reference=reference,
                    report_url=message.report_url,
                    warnings=content_warnings + reference_warnings,
                )


def _merge_references(recipient: Recipient) -> tuple[dict[str, str], list[str]]:
    """Return the reference of a recipient, nested keys before flat ones, and a warning about flat ones."""
    flat, nested = _reference_values(recipient), _reference_values(recipient.get("reference") or {})
    warnings = ["reference keys are flat on the recipient: they belong inside reference"] if flat else []
    return flat | nested, warnings


def _reference_values(reference: Reference) -> dict[str, str]:
    values = cast("dict[str, str | None]", reference)
    return {key: value for key, value in values.items() if value is not None and key in REFERENCE_KEYS}


def _rewrite_lenient(body: Any) -> Any:
    """Rewrite the variants of lenient mode: one contact for an array, bare numbers, an array of numbers.

    An array of numbers becomes as many recipients, so that positions in a later error count numbers.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, dict):
            continue
        content, recipients = message.get("content"), message.get("recipients")
        if isinstance(content, dict) and isinstance(content.get("contacts"), dict):
            content["contacts"] = [content["contacts"]]
        if isinstance(recipients, list):
            message["recipients"] = [single for recipient in recipients for single in _split_recipient(recipient)]
    return body


def _split_recipient(recipient: Any) -> list[Any]:
    match recipient:
        case str():
            return [{"recipient": recipient}]
        case {"recipient": list() as numbers}:
            return [{**recipient, "recipient": number} for number in numbers]
        case _:
            return [recipient]
