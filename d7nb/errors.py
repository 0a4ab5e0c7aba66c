"""Everything that d7nb raises, in one tree.

Each error is also a fitting builtin, so that code which does not know d7nb still handles it sensibly.

    D7Error
    ├── TableError (ValueError)            a file can't be read as a table
    ├── PlanError (ValueError)             a plan can't be made at all; faults of single rows are problems instead
    │   ├── ColumnError (LookupError)      a column that the frame does not have
    │   └── ContentError                   a content that breaks a rule for every row
    │       └── TemplateError              a template string that can't be read
    ├── ConfirmError (ValueError)          ``confirm=`` is not the number of rows about to go
    ├── TokenError (PermissionError)       no API token was given, and none was found
    ├── SandboxError (RuntimeError)        the local stand-in for D7 could not start
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

    Interrupted (KeyboardInterrupt)        a send was interrupted; not a D7Error, so that it stops a notebook's queue

No message of any of them holds a token or an unmasked phone number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class D7Error(Exception):
    """The root of all errors of d7nb."""


class TableError(D7Error, ValueError):
    """A file can't be read as a table."""


class SandboxError(D7Error, RuntimeError):
    """The local stand-in for D7 could not start, or was asked for something it does not do."""
