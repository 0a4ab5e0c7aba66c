"""Everything that d7nb raises, in one tree.

Each error is also a fitting builtin, so that code which does not know d7nb still handles it sensibly.

    D7Error
    ├── TableError (ValueError)            a file can't be read as a table
    ├── PlanError (ValueError)             a plan can't be made at all; faults of single rows are problems instead
    │   ├── ColumnError (LookupError)      a column that the frame does not have
    │   ├── ContentError                   a content that breaks a rule for every row
    │   │   └── TemplateError              a template string that can't be read
    │   └── PluginError                    a plugin can't be used as it is
    │       └── FilterError                a filter failed, or its answer does not fit
    ├── ConfirmError (ValueError)          ``confirm=`` is not the number of rows about to go
    ├── TokenError (PermissionError)       no API token was given, and none was found
    ├── LedgerError (OSError)              the ledger can't be used, or refuses what it is asked for
    ├── SandboxError (RuntimeError)        the local stand-in for D7 could not start
    ├── ReceiverError (RuntimeError)       the receiver of events could not start
    └── ApiError (OSError)                 the exchange with D7 went wrong
        ├── NotConnected (ConnectionError) the connection was never made: nothing can have been sent
        ├── Ambiguous (TimeoutError)       the request left, and no answer tells what became of it
        └── Refused                        D7 answered no
            ├── Unauthorized (PermissionError)      401
            ├── InsufficientCredit                  402
            ├── Forbidden (PermissionError)         403
            ├── NotFound (LookupError)              404
            ├── InvalidRequest (ValueError)         400, 413, 422
            ├── RateLimited                         429
            └── Misdirected                         a redirect: it is never followed

    LedgerWarning (UserWarning)            the ledger is where it may not last; said before the first real send
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

from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from types import TracebackType


P = ParamSpec("P")
T = TypeVar("T")


class D7Error(Exception):
    """The root of all errors of d7nb. Its message is masked, whatever it quotes."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*(mask_text(part) if isinstance(part, str) else part for part in parts))


class TableError(D7Error, ValueError):
    """A file can't be read as a table."""


class SandboxError(D7Error, RuntimeError):
    """The local stand-in for D7 could not start, or was asked for something it does not do."""


class ReceiverError(D7Error, RuntimeError):
    """The receiver of events could not start, or what it was given to start with will not do."""


class PlanError(D7Error, ValueError):
    """A plan can't be made at all; what is wrong with single rows is in ``plan.problems`` instead."""


class ColumnError(PlanError, LookupError):
    """A column is asked for that the frame does not have, or has twice."""


class ContentError(PlanError):
    """A content breaks a rule in a way that every row would share.

    Attributes:
        problems: Each rule that it breaks, as `d7nb.problems.Problem`.
    """

    def __init__(self, message: str, problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class TemplateError(ContentError):
    """A template string can't be read, or asks for more than a column's value."""


class PluginError(PlanError):
    """A plugin can't be used as it is; the message names it, where it is from, and the way out."""


class FilterError(PluginError):
    """A filter raised, or its answer does not fit the rows: the plan stops, since nobody knows whom it would spare."""


class ConfirmError(D7Error, ValueError):
    """``confirm=`` is not the number of rows about to go; nothing was sent."""


class TokenError(D7Error, PermissionError):
    """No API token was given, and none was found."""


class LedgerError(D7Error, OSError):
    """The ledger can't be used, or refuses what it is asked for; nothing goes out without its claim."""


class LedgerWarning(UserWarning):
    """The ledger is where it may not last, so that a later run may send again."""


class ApiError(D7Error, OSError):
    """The exchange with D7 went wrong.

    Attributes:
        message: What is wrong, in one sentence.
        status: The HTTP status, None where there was no answer.
        code: D7's word for it, such as ``INVALID_WHATSAPP_ORIGINATOR``; empty where it gave none.
        details: Everything that D7 said, as `d7nb.api.responses.Detail`.
        rows: Positions of the rows concerned, where the request was a plan's.
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
        self.message = mask_text(message)
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
    """The request left, and no answer tells what became of it: it may have gone out."""


class Refused(ApiError):
    """D7 answered no; nothing was sent."""


class Unauthorized(Refused, PermissionError):
    """401: the token is not valid."""


class InsufficientCredit(Refused):
    """402: the account has no credit left."""


class Forbidden(Refused, PermissionError):
    """403: the token may not do this."""


class NotFound(Refused, LookupError):
    """404: the originator, request or path is unknown to D7."""


class InvalidRequest(Refused, ValueError):
    """400, 413, 422: D7 does not take the request as it is."""


class RateLimited(Refused):
    """429: too many requests; ``retry_after`` says how long to wait."""


class Misdirected(Refused):
    """3xx: the address sends elsewhere; a message is never sent after it."""


class Interrupted(KeyboardInterrupt):
    """A send was interrupted. Requests in flight were finished and recorded; the rest is ``unsent``.

    Attributes:
        delivery: What came of it so far.
    """

    def __init__(self, message: str, delivery: Any) -> None:
        super().__init__(message)
        self.delivery = delivery


def hides_internals(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function of the public face: of our own errors and of interrupts, nobody sees what it worked on.

    A notebook, a log or an error tracker may show local variables with a traceback, and those of the rooms below are
    the numbers and messages of rows. So the traceback ends where the user called us, in the user's own code with the
    user's own variables. The message says all that we have to say, and a cause keeps its kind and words. Any other
    exception is a defect of ours, and keeps its traceback, for it will be needed.

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
    def closed(*args: P.args, **kwargs: P.kwargs) -> T:
        handled = sys.exception()
        try:
            return function(*args, **kwargs)
        except (D7Error, KeyboardInterrupt) as error:
            _close(error, handled)
            raise
        finally:
            del args, kwargs, handled  # this frame may be seen, too

    return closed


def _close(error: BaseException, handled: BaseException | None) -> None:
    """Take the traceback of an error of ours, and of all that led to it: a driver's frames know the ledger's password.

    Two keep theirs: what the user was just handling, and the exception of a filter, which begins in its author's code.
    """
    linked, seen = [error], {id(None), id(handled), id(error)}
    while linked:
        one = linked.pop()
        one.__traceback__ = None
        if one.__suppress_context__:
            one.__context__ = None  # nobody is told of it, and a decoder's error holds the whole file
        for other in (one.__cause__, one.__context__):
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                trace = other.__traceback__
                if one is not error or trace is None or is_of(trace, "d7nb"):
                    linked.append(other)


def is_of(trace: TracebackType, *packages: str) -> bool:
    """Whether a traceback begins in code of some packages."""
    return str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in packages


def did_you_mean(name: Hashable, known: Sequence[Hashable]) -> str:
    """A word on the name that was probably meant, empty where none is near."""
    close = difflib.get_close_matches(str(name), [str(other) for other in known], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


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
    """Say how to install an extra, where it is one of its modules that is missing.

    Args:
        error: What the import raised.
        needed_by: What can't work without it, as a sentence begins.
        extra: The extra's name.
        modules: What it installs.

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
