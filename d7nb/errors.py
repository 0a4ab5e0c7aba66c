"""All errors and warnings of d7nb, in one tree.

Most are also a builtin error, so that code which does not know d7nb still handles them sensibly.

    D7Error
    ├── TableError (ValueError)            a file can't be read as a table
    ├── PlanError (ValueError)             a plan can't be made at all; faults of single rows are problems instead
    │   ├── ColumnError (LookupError)      a column that the frame does not have
    │   ├── ContentError                   a content breaks a rule for every row
    │   │   └── TemplateError              a template string can't be read
    │   └── PluginError                    a plugin can't be used as it is
    │       └── FilterError                a filter failed, or its result does not fit the rows
    ├── ConfirmError (ValueError)          ``confirm=`` is not the number of rows about to go
    ├── TokenError (PermissionError)       no API token was given, and none was found
    ├── LedgerError (OSError)              the ledger can't be used, or refuses an operation
    ├── SandboxError (RuntimeError)        the local stand-in for D7 could not start
    ├── ReceiverError (RuntimeError)       the receiver of events could not start
    └── ApiError (OSError)                 the exchange with D7 went wrong
        ├── NotConnected (ConnectionError) the connection was never made: nothing can have been sent
        ├── Ambiguous (TimeoutError)       the request left, and D7 may have taken the messages
        └── Refused                        D7 refused the request
            ├── Unauthorized (PermissionError)      401
            ├── InsufficientCredit                  402
            ├── Forbidden (PermissionError)         403
            ├── NotFound (LookupError)              404
            ├── InvalidRequest (ValueError)         400, 413, 422
            ├── RateLimited                         429
            └── Misdirected                         a redirect: it is never followed

    LedgerWarning (UserWarning)            the ledger is where it may not last; given before the first real send
    Interrupted (KeyboardInterrupt)        a send was interrupted; not a D7Error, so that it stops a notebook's queue

No message of any of them holds a token or an unmasked phone number.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from datetime import date
from functools import wraps
from numbers import Number
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from d7nb.hints import Hint, render
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from types import TracebackType


P = ParamSpec("P")
T = TypeVar("T")


class D7Error(Exception):
    """The root of all errors of d7nb. Its message is masked, whatever it quotes."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*map(_masked, parts))


def _masked(part: Any) -> Any:
    if isinstance(part, Hint):
        return part.map_texts(mask_text)
    return mask_text(part) if isinstance(part, str) else part


class TableError(D7Error, ValueError):
    """A file can't be read as a table."""


class SandboxError(D7Error, RuntimeError):
    """The local stand-in for D7 could not start, or does not do what it was asked for."""


class ReceiverError(D7Error, RuntimeError):
    """The receiver of events could not start, or its settings are not valid."""


class PlanError(D7Error, ValueError):
    """A plan can't be made at all; faults of single rows are in ``plan.problems`` instead."""


class ColumnError(PlanError, LookupError):
    """A column is needed that the frame does not have, or has twice."""


class ContentError(PlanError):
    """A content breaks a rule in a way that every row would share.

    Attributes:
        problems: A `d7nb.problems.Problem` for each rule that it breaks.
    """

    def __init__(self, message: str, problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class TemplateError(ContentError):
    """A template string can't be read, or asks for more than a column's value."""


class PluginError(PlanError):
    """A plugin can't be used as it is; the message names the plugin, its source, and what to do."""


class FilterError(PluginError):
    """A filter raised, or its result does not fit the rows: there is no plan, as nobody knows whom it would skip."""


class ConfirmError(D7Error, ValueError):
    """``confirm=`` is not the number of rows about to go; nothing was sent."""


class TokenError(D7Error, PermissionError):
    """No API token was given, and none was found."""


class LedgerError(D7Error, OSError):
    """The ledger can't be used, or refuses an operation; nothing is sent that it has not recorded first."""


class LedgerWarning(UserWarning):
    """The ledger is where it may not last, so that a later run may send again."""


class ApiError(D7Error, OSError):
    """The exchange with D7 went wrong.

    Attributes:
        message: What is wrong, in one sentence.
        status: The HTTP status, None where there was no response.
        code: D7's error code, such as ``INVALID_WHATSAPP_ORIGINATOR``; empty where it gave none.
        details: All items of D7's error response, each a `d7nb.api.responses.Detail`.
        rows: The positions of the rows in the request, where it was a plan's.
        retry_after: Seconds that D7 asked to wait, None where it asked for nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        details: Sequence[Any] = (),
        rows: Sequence[int] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message: str = _masked(message)
        self.status = status
        self.code = code
        self.details = tuple(details)
        self.rows = tuple(rows)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message


class NotConnected(ApiError, ConnectionError):
    """The connection was never made: nothing can have been sent."""


class Ambiguous(ApiError, TimeoutError):
    """The request left, and no response tells what became of it: D7 may have taken the messages."""


class Refused(ApiError):
    """D7 refused the request; nothing was sent."""


class Unauthorized(Refused, PermissionError):
    """401: the token is not valid."""


class InsufficientCredit(Refused):
    """402: the account has no credit left."""


class Forbidden(Refused, PermissionError):
    """403: the token may not do this."""


class NotFound(Refused, LookupError):
    """404: D7 does not know the originator, the request or the path."""


class InvalidRequest(Refused, ValueError):
    """400, 413, 422: D7 does not take the request as it is."""


class RateLimited(Refused):
    """429: too many requests; ``retry_after`` says how long to wait."""


class Misdirected(Refused):
    """3xx: the address redirects to another one; no message is ever sent there."""


class Interrupted(KeyboardInterrupt):
    """A send was interrupted. Requests in flight were finished and recorded; the rest is ``unsent``.

    Attributes:
        delivery: The delivery as far as it got.
    """

    def __init__(self, message: str, delivery: Any) -> None:
        super().__init__(message)
        self.delivery = delivery


def message_of(error: BaseException) -> str:
    """Return what an error says, in the language of the surface where it is shown: a notebook, a shell or the form.

    Example:
        >>> from d7nb.hints import Option, speaking
        >>> with speaking("shell"):
        ...     message_of(PlanError(Hint("give ", Option("country", "AE"))))
        'give --country AE'
    """
    return render(text_of(error))


def text_of(error: BaseException) -> str:
    """Return what an error says, as a `Hint` where it is one, so that whoever shows it later can `render` it."""
    message = error.args[0] if error.args else ""
    return message if isinstance(message, Hint) else str(error)


def hides_internals(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a public function so that tracebacks of our own errors and of interrupts end where the user called it.

    A notebook, a log or an error tracker may show local variables with a traceback, and d7nb's own are the numbers and
    messages of rows. The error's message and its cause are kept. Any other exception is a defect of d7nb, and keeps its
    traceback, for it will be needed.

    Example:
        >>> import traceback
        >>> @hides_internals
        ... def call(number):
        ...     raise PlanError("nobody is there")
        >>> try:
        ...     call("+12025550123")
        ... except PlanError as error:
        ...     len(traceback.extract_tb(error.__traceback__))
        1
    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except (D7Error, KeyboardInterrupt) as error:
            _strip_tracebacks(error, handled)
            raise
        finally:
            del args, kwargs, handled  # a traceback may show this frame, too

    return wrapper


def _strip_tracebacks(error: BaseException, handled: BaseException | None) -> None:
    """Remove the traceback of an error of ours and of its causes: a driver's frames hold the ledger's password.

    Two exceptions keep theirs: the one that the user was just handling, and the one of a filter, which begins in its
    author's code.
    """
    pending, seen = [error], {id(None), id(handled), id(error)}
    while pending:
        current = pending.pop()
        current.__traceback__ = None
        if current.__suppress_context__:
            current.__context__ = None  # it is never printed, and a decoder's error holds the whole file
        for linked in (current.__cause__, current.__context__):
            if linked is not None and id(linked) not in seen:
                seen.add(id(linked))
                trace = linked.__traceback__
                if current is not error or trace is None or begins_in(trace, "d7nb"):
                    pending.append(linked)


def begins_in(trace: TracebackType, *packages: str) -> bool:
    """Return whether a traceback begins in code of one of some packages."""
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in packages


def did_you_mean(name: Hashable, names: Sequence[Hashable]) -> str:
    """Suggest the name that was probably meant; return an empty text where none is similar."""
    similar = difflib.get_close_matches(str(name), [str(other) for other in names], n=1, cutoff=0.6)
    return f"did you mean {similar[0]!r}?" if similar else ""


def suggest(name: Hashable, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: the one that was probably meant, or all that there are.

    Example:
        >>> suggest("boddy", ["body", "footer"]), suggest("x", ["body", "footer"])
        ("did you mean 'body'?", 'use one of body, footer')
    """
    return did_you_mean(name, known) or f"use {'one of ' * (len(known) > 1)}{', '.join(known)}"


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article.

    Example:
        >>> with_article("list"), with_article("Attachment")
        ('a list', 'an Attachment')
    """
    return f"an {noun}" if noun[:1].lower() in {*"aeiou"} else f"a {noun}"


_TYPES_IN_WORDS: tuple[tuple[Any, str], ...] = (
    (str, "text"),
    (bool, "true/false value"),
    (Number, "number"),
    (date, "date"),
    (Mapping, "dict"),
    (type, "class"),
)


def type_in_words(value: object) -> str:
    """Return what a value is, for a message to somebody who may not know Python's types.

    Example:
        >>> type_in_words("Ali"), type_in_words(3.5), type_in_words(["Ali"]), type_in_words(None)
        ('a text', 'a number', 'a list', 'None')
    """
    if value is None:
        return "None"
    words = (word for kind, word in _TYPES_IN_WORDS if isinstance(value, kind))
    return with_article(next(words, type(value).__name__))


def missing_extra(error: ModuleNotFoundError, needed_by: str, extra: str, modules: Iterable[str]) -> ImportError:
    """Return an error that says how to install an extra, where one of the extra's modules is missing.

    Args:
        error: The error of the import.
        needed_by: What needs the extra, as the beginning of a sentence.
        extra: The extra's name.
        modules: The modules that it installs.

    Returns:
        The error to raise; the same one where another module is missing.

    Example:
        >>> missing_extra(ModuleNotFoundError(name="uvicorn"), "The sandbox", "sandbox", {"uvicorn"}).args[0]
        'The sandbox needs uvicorn, which is not installed: pip install "d7nb[sandbox]"'
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in modules:
        return error
    message = f'{needed_by} needs {missing}, which is not installed: pip install "d7nb[{extra}]"'
    return ImportError(message, name=missing)
