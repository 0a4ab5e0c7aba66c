"""A record of what a browser's pages do: their requests, their dialogs, and the console's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError

LOCAL = {"127.0.0.1", "localhost", "::1"}
INLINE = {"about", "blob", "data"}


class Watch:
    """A record of what the pages of a browser context did.

    The browser can't reach any other host, so requests elsewhere get no response; here they are recorded.

    Attributes:
        requested: The address of every request and web socket.
        dialogs: The text of every alert, question and prompt; each was dismissed.
        console: The console's errors and warnings, as ``error: ...`` or ``warning: ...``, and uncaught errors.
        tolerated: Beginnings of addresses elsewhere that a page may request; these get no response either.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.requested: list[str] = []
        self.dialogs: list[str] = []
        self.console: list[str] = []
        self.tolerated: tuple[str, ...] = ()
        self._context = context
        self._handlers: dict[str, Callable[[Any], None]] = {
            "request": self._request,
            "page": self._page,
            "dialog": self._dialog,
            "console": self._console,
            "weberror": self._error,
        }
        for event, handler in self._handlers.items():
            context.on(event, handler)

    def end(self) -> None:
        """Record no more."""
        for event, handler in self._handlers.items():
            self._context.remove_listener(event, handler)

    def _request(self, request: Request) -> None:
        self.requested.append(request.url)

    def _page(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.requested.append(socket.url))

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.console.append(f"{message.type}: {message.text}")

    def _error(self, error: WebError) -> None:
        self.console.append(f"uncaught: {error.error.message}")

    @property
    def foreign_requests(self) -> list[str]:
        """Addresses requested that are not on this machine and not tolerated."""
        return [
            address for address in self.requested if not _is_local(address) and not address.startswith(self.tolerated)
        ]

    def check(self) -> None:
        """Fail if a page sent a request beyond this machine, or opened a dialog."""
        assert not self.foreign_requests, f"a page sent a request beyond this machine: {self.foreign_requests}"
        assert not self.dialogs, f"a page opened a dialog: {self.dialogs}"


def _is_local(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in INLINE or parts.hostname in LOCAL
