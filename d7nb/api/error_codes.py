"""The error codes of D7 and Meta: what each means, and the advice what to do about it.

d7nb was written without an account at D7, so each entry says where its meaning is from, and whether D7 documents it.
That D7 passes Meta's codes on, and in which words, is not documented. The advice is our own judgement of the meanings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

FIX = "fix the data"
"""The row's number, text, template or file is wrong: correct it, then send."""
WAIT = "wait"
"""Nothing is wrong with the row: try again in minutes."""
DAY = "wait a day"
"""Nothing is wrong with the row, but a try before tomorrow only makes it worse."""
NEVER = "never again"
"""This person must not get this message from this number: they or Meta said so, and another try changes nothing."""
ASK = "ask D7"
"""The account, the token or the business number must be put right, or only D7 knows what became of the message: see
D7's dashboard, or write to its support."""
ADVICE = (FIX, WAIT, DAY, NEVER, ASK)


class ErrorCode(NamedTuple):
    """One error code.

    Attributes:
        code: As D7 or Meta writes it; ``http_404`` is an HTTP status.
        by: Whose code it is, D7's or Meta's.
        meaning: What it means, in our words.
        advice: What to do about it, one of `ADVICE`.
        source: Where the meaning is from, and how sure it is.
    """

    code: str
    by: str
    meaning: str
    advice: str
    source: str


_SEND = 'D7, WhatsApp API reference, "Send Free-form Whatsapp Messages"'
_REPORT = 'D7, WhatsApp API reference, "Get Status"'
_RECEIPT = 'D7, WhatsApp API reference, "Read Receipt"'
_SDK = "not documented: in the code of D7's own SDKs"
_THIRD = "not documented: in a third party's code for D7's WhatsApp API"
_SMS = "not documented: in a third party's code for D7's SMS API"
_INFERRED = "not documented: our inference"
_D7 = (
    ("ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "the token is not one of D7's", ASK, _SEND),
    ("ACCESS_TOKEN_EXPIRED", "the token is too old", ASK, _SMS),
    ("APPLICATION_NOT_EXISTS", "the token's application was deleted", ASK, _SMS),
    ("MESSAGE_LOG_NOT_EXISTS", "D7 has no record of the message, or not yet", WAIT, _SMS),
    ("INVALID_WHATSAPP_ORIGINATOR", "the originator is not registered with D7, or misspelt", ASK, _SEND),
    ("TEMPLATE_PARAMETER_COUNT_MISMATCH", "the template takes another number of parameters", FIX, _THIRD),
    ("WHATSAPP_LOG_NOT_EXISTS", "D7 has no report on the request, or not yet", WAIT, _REPORT),
    ("WHATSAPP_MESSAGE_NOT_EXISTS", "no message came in that has this id", FIX, _RECEIPT),
    ("rejected", "D7 took the request and rejected it, and does not say why", ASK, _SEND),
    ("http_400", "D7 does not take the request as it is", FIX, _THIRD),
    ("http_401", "the token is not valid; make a new one in D7's dashboard", ASK, _SEND),
    ("http_402", "the account has no credit left; top it up and send again", ASK, _SDK),
    ("http_403", "this token may not send; look at its rights in D7's dashboard", ASK, _SDK),
    ("http_404", "D7 does not know the originator, the id or the address", ASK, _SEND),
    ("http_408", "D7 gave up; it does not say whether it took the messages", ASK, _INFERRED),
    ("http_409", "something else was under way; D7 does not say whether it took the messages", ASK, _INFERRED),
    ("http_413", "the request is too large; choose a smaller batch size", FIX, _INFERRED),
    ("http_422", "a field is missing or breaks a rule; D7's words name it", FIX, _SEND),
    ("http_429", "too many requests at once", WAIT, _SDK),
    ("http_5xx", "D7 failed; it does not say whether it took the messages", ASK, _SDK),
)

_PYWA = 'Meta, "Cloud API error codes", as david-lev/pywa on GitHub has them'
_NODE = 'Meta, "Cloud API error codes", titles only, as great-detail/WhatsApp-Nodejs-SDK on GitHub has them'
_NISWEY = 'Meta, "Cloud API error codes", as the copy on niswey.com has them'
_LITE = 'Meta, "Marketing Messages API", as docs.360dialog.com has it'
_META = (
    ("0", "Meta does not accept D7's own token for this number", ASK, _PYWA),
    ("1", "the request is wrong in a way that Meta does not name, or its server failed", ASK, _NISWEY),
    ("2", "Meta's service is down or overloaded", WAIT, _NISWEY),
    ("3", "D7's application lacks a permission that this needs", ASK, _PYWA),
    ("4", "D7's application called Meta too often", WAIT, _PYWA),
    ("10", "a permission was not granted, or was taken away", ASK, _PYWA),
    ("33", "the business number was deleted", ASK, _NISWEY),
    ("100", "a field is unknown, misspelt or invalid, or the recipient is not on WhatsApp", FIX, _NISWEY),
    ("190", "D7's own token for this number is too old", ASK, _PYWA),
    ("200-299", "a permission was not granted, or was taken away", ASK, _PYWA),
    ("368", "the business account is restricted for breaking a policy", ASK, _PYWA),
    ("80007", "the business account called Meta too often", WAIT, _PYWA),
    ("130429", "the business number sends faster than Meta allows", WAIT, _PYWA),
    ("130472", "Meta withholds this marketing message, as an experiment with some people", NEVER, _PYWA),
    ("130497", "the business may not write to people in this country", NEVER, _PYWA),
    ("131000", "Meta failed, and does not say why", WAIT, _PYWA),
    ("131001", "the message is too long", FIX, _NODE),
    ("131002", "the kind of recipient is not one that Meta knows", FIX, _NODE),
    ("131005", "a permission was not granted, or was taken away", ASK, _PYWA),
    ("131006", "something that the message refers to is not there", FIX, _NODE),
    ("131008", "a field that must be there is missing", FIX, _PYWA),
    ("131009", "a field's value is not valid", FIX, _PYWA),
    ("131016", "Meta's service is not available at the moment", WAIT, _PYWA),
    ("131021", "the recipient is the business number itself", FIX, _PYWA),
    ("131026", "not deliverable: not on WhatsApp, an old app, or WhatsApp's terms not accepted", FIX, _PYWA),
    ("131030", "a test number, and the recipient is not on its list", ASK, _PYWA),
    ("131031", "the business account is locked, for a policy or a wrong PIN", ASK, _PYWA),
    ("131037", "the business number has no approved display name", ASK, _PYWA),
    ("131042", "the business account has a problem with its payment", ASK, _PYWA),
    ("131043", "the message got too old before it could be delivered", DAY, _NODE),
    ("131045", "the business number is not registered as it should be", ASK, _PYWA),
    ("131047", "the person wrote more than 24 hours ago: only a template may go", FIX, _PYWA),
    ("131048", "too many people blocked this number or called it spam", DAY, _PYWA),
    ("131049", "this person got enough marketing for now", DAY, _PYWA),
    ("131050", "this person wants no marketing from this business", NEVER, _PYWA),
    ("131051", "this kind of message is not supported", FIX, _PYWA),
    ("131052", "the file could not be downloaded", FIX, _PYWA),
    ("131053", "the file could not be uploaded: its address, type or size is not valid", FIX, _PYWA),
    ("131055", "this way of sending takes marketing templates only", FIX, _LITE),
    ("131056", "too many messages to one person in a short time", WAIT, _PYWA),
    ("131057", "the business number is under maintenance", WAIT, _PYWA),
    ("131062", "this message must go to a phone number, not to a user's id", FIX, _PYWA),
    ("131063", "marketing templates are switched off for this way of sending", ASK, _PYWA),
    ("131064", "the account's limit is used up, after templates of the wrong category", DAY, _PYWA),
    ("132000", "the template takes another number of parameters", FIX, _PYWA),
    ("132001", "there is no such approved template in this language", FIX, _PYWA),
    ("132005", "the template is too long once it is filled", FIX, _PYWA),
    ("132007", "the template's content breaks a policy", FIX, _PYWA),
    ("132008", "a parameter has the wrong form", FIX, _PYWA),
    ("132012", "a parameter has the wrong form", FIX, _PYWA),
    ("132015", "the template is paused, since people do not like it", DAY, _PYWA),
    ("132016", "the template is disabled for good, since people did not like it: take another", FIX, _PYWA),
    ("132068", "the Flow is blocked: take another, or none", FIX, _PYWA),
    ("132069", "the Flow is throttled to ten messages an hour", WAIT, _PYWA),
    ("133000", "the business number was not fully deregistered", ASK, _NODE),
    ("133004", "Meta's server is not available at the moment", WAIT, _NODE),
    ("133005", "the business number's PIN is wrong", ASK, _NODE),
    ("133006", "the business number must be verified again", ASK, _NODE),
    ("133008", "the business number's PIN was guessed too often", ASK, _NODE),
    ("133009", "the business number's PIN was guessed too fast", ASK, _NODE),
    ("133010", "the business number is not registered with WhatsApp", ASK, _NODE),
    ("133015", "the business number can't be registered for some minutes", WAIT, _NODE),
    ("133016", "the business number was registered too often in a short time", ASK, _PYWA),
    ("135000", "the request is wrong in a way that Meta does not name", ASK, _PYWA),
    ("137000", "the check of the person's identity failed: they may have a new phone or app", ASK, _PYWA),
)

ERROR_CODES = (
    *(ErrorCode(code, "D7", *fields) for code, *fields in _D7),
    *(ErrorCode(code, "Meta", *fields) for code, *fields in _META),
)
_BY_CODE = {entry.code: entry for entry in ERROR_CODES}
_NAMED_CODE = re.compile(rf"(?<!\w)({'|'.join(entry.code for entry in ERROR_CODES if entry.code.isupper())})(?!\w)")
_CLOUD_API_CODE = re.compile(r"(?<![\w•+])(?<!\d[.,])(13\d{4})(?![\w•]|[.,]\d)")
"""Six digits that stand alone: the Cloud API's own codes, which hardly anything else looks like."""
_LABELLED_CODE = re.compile(
    r"\(#(\d{1,6})\)"
    r"|(?:^|[^\w\s]\s*|\b(?:error|failure|reason|meta|with)[\s_-]*)codes?\b\W{0,4}(\d{1,6})(?![\w•]|[.,]\d)",
    re.IGNORECASE,
)
"""Numbers labelled as a code: the Graph API's short codes are only read so, for a bare 4 or 100 could be anything."""
_PERMISSION_CODE = re.compile(r"2\d\d", re.ASCII)
_HTTP_STATUS = re.compile(r"(?:\bD7 answered|\bHTTP(?: status)?)\W{1,2}([45]\d\d)(?![\w•])")
_ADVICE_AT_END = re.compile(rf"\(({'|'.join(ADVICE)})\)$")


def reasons() -> pd.DataFrame:
    """List every code of D7 and Meta that a reason can hold, with its meaning and what to do about it.

    Returns:
        A row for each code: ``code`` (``http_404`` is an HTTP status), ``by`` (D7 or Meta), ``meaning``, ``verb`` (fix
        the data, wait, wait a day, never again, ask D7) and ``source`` (where the meaning is from, and whether it is
        documented).

    Example:
        >>> import d7nb
        >>> table = d7nb.reasons().set_index("code")
        >>> table.loc["131047", ["by", "meaning", "verb"]].tolist()
        ['Meta', 'the person wrote more than 24 hours ago: only a template may go', 'fix the data']
        >>> sorted(table["verb"].unique())
        ['ask D7', 'fix the data', 'never again', 'wait', 'wait a day']
    """
    return pd.DataFrame(list(ERROR_CODES), columns=["code", "by", "meaning", "verb", "source"], dtype="str")


def find_error_code(text_or_code: str | int | None) -> ErrorCode | None:
    """Find the first known code in a reason; None where it holds none. For a column, look up its distinct reasons.

    Args:
        text_or_code: A reason in whatever words, or a code alone.

    Example:
        >>> find_error_code('{"code": 4, "title": "API Too Many Calls"}').meaning
        "D7's application called Meta too often"
    """
    if not isinstance(text_or_code, str | int):  # a missing value of pandas
        return None
    text = str(text_or_code).strip()
    return next((entry for code in _candidates(text) if (entry := _look_up(code))), None)


def advice_for(text_or_code: str | int | None) -> str | None:
    """Return what to do about a reason; None where it holds no known code. For a column, look up its distinct reasons.

    Args:
        text_or_code: A reason in whatever words, or a code alone.

    Example:
        >>> advice_for("131047: Re-engagement message"), advice_for("(#131049) not delivered"), advice_for(131056)
        ('fix the data', 'wait a day', 'wait')
        >>> advice_for("4 people of 131047.50 AED") is None
        True
    """
    entry = find_error_code(text_or_code)
    if entry is not None:
        return entry.advice
    match = _ADVICE_AT_END.search(text_or_code) if isinstance(text_or_code, str) else None
    return match[1] if match else None


def with_advice(sentence: str) -> str:
    """Add to a sentence what to do, where it holds a known code.

    Example:
        >>> with_advice("D7 answered 429: slow down")
        'D7 answered 429: slow down (wait)'
    """
    entry = find_error_code(sentence)
    return f"{sentence} ({entry.advice})" if entry else sentence


def without_advice(sentence: str) -> str:
    """Take away what `with_advice` added, for a display that shows the advice elsewhere."""
    return _ADVICE_AT_END.sub("", sentence).rstrip()


def meaning_of(code: str) -> str:
    """Return what a code means; empty where it is not known."""
    entry = _look_up(code)
    return entry.meaning if entry else ""


def _look_up(code: str) -> ErrorCode | None:
    if _PERMISSION_CODE.fullmatch(code):
        code = "200-299"
    elif code.startswith("http_5"):
        code = "http_5xx"
    return _BY_CODE.get(code)


def _candidates(text: str) -> Iterator[str]:
    """Yield what could be a code, the surest first."""
    yield text
    yield from _NAMED_CODE.findall(text)
    for in_parentheses, labelled in _LABELLED_CODE.findall(text):
        yield in_parentheses or labelled
    yield from _CLOUD_API_CODE.findall(text)
    yield from (f"http_{status}" for status in _HTTP_STATUS.findall(text))
