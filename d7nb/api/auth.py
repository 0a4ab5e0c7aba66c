"""The API token: finding it, sending it, and never showing it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from requests.auth import AuthBase

from d7nb.errors import TokenError
from d7nb.hints import Hint, Wording

if TYPE_CHECKING:
    from requests import PreparedRequest

VARIABLE = "D7_API_TOKEN"
SERVICE, USER = "d7nb", "api-token"
"""Under these the keyring holds the token."""


class _HeaderValue(str):
    """The value of the Authorization header, whose repr hides the token.

    requests and urllib3 keep it in dicts and local variables, which tracebacks may show.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'Bearer •••'"


class Bearer(AuthBase):
    """The token as an auth object of requests, so that no entry in ``.netrc`` replaces it."""

    __slots__ = ("_token",)

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the Authorization header (D7, "Authentication")."""
        request.headers["Authorization"] = _HeaderValue(f"Bearer {self._token}")
        return request

    def __repr__(self) -> str:
        return "Bearer(•••)"

    def __reduce__(self) -> str:
        message = "a token can't be pickled: make a new client where you need it"
        raise TokenError(message)


def find_token(token: str | None, *, ask: bool = True) -> Bearer:
    """Take the token from the argument, ``D7_API_TOKEN``, the keyring, or the person at the keyboard, in that order.

    Args:
        token: The argument.
        ask: Whether to ask the person.

    Raises:
        TokenError: There is no token, or it has characters that no token has.
    """
    if token is None:
        token = os.environ.get(VARIABLE) or _from_keyring() or (_from_person() if ask else None)
    if not token or not token.strip():
        store_it = (
            f"no D7 token was found: set the environment variable {VARIABLE}, or run `keyring set d7nb api-token` "
            "in a shell, then try again"
        )
        raise TokenError(Hint(store_it, Wording(notebook="; or give Client(token=...)")))
    token = token.strip()
    is_valid = token.isascii() and token.isprintable() and " " not in token
    bearer = Bearer(token)
    del token  # a traceback that shows local variables must not show it
    if not is_valid:
        message = "the API token has a space, a line break or a character that no token has; copy it again"
        raise TokenError(message)
    return bearer


def token_source() -> str | None:
    """Return where `find_token` would find a token without asking anybody, in words; None where it would not."""
    if os.environ.get(VARIABLE):
        return f"the environment variable {VARIABLE}"
    return "the keyring" if _from_keyring() else None


def _from_keyring() -> str | None:
    try:
        import keyring  # noqa: PLC0415  (an extra)
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, USER)  # type: ignore[no-any-return,unused-ignore]
    except KeyringError:
        return None


def _from_person() -> str | None:
    """Ask for the token in a terminal, or in a notebook whose front end takes input; return None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    takes_input = getattr(getattr(shell, "kernel", None), "_allow_stdin", False)
    if not takes_input and not (sys.stdin and sys.stdin.isatty()):
        return None
    from getpass import getpass  # noqa: PLC0415  (seldom needed)

    return getpass("D7 API token: ")
