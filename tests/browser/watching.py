"""Keeps an eye on a browser: whom its pages ask, which dialogs open, what the console says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, WebError

LOCAL = {"127.0.0.1", "localhost", "::1"}
INLINE = {"about", "blob", "data"}


class Watch:
    """What the pages of a browser context did.

    The browser itself can't find any host but this one, so that what is asked elsewhere gets no answer; here it is
    noted that it was asked at all.

    Attributes:
        asked: The address of every request and web socket.
        dialogs: The text of every alert, question and prompt; each was dismissed.
        console: What the console said, as ``error: ...`` or ``warning: ...``, and errors that nothing caught.
        tolerated: Beginnings of addresses elsewhere that a page is known to ask for; they still get no answer.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        self.console: list[str] = []
        self.tolerated: tuple[str, ...] = ()
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("page", self._page)
        context.on("dialog", self._dialog)
        context.on("console", self._console)
        context.on("weberror", self._error)

    def _page(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.asked.append(socket.url))

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.console.append(f"{message.type}: {message.text}")

    def _error(self, error: WebError) -> None:
        self.console.append(f"uncaught: {error.error.message}")

    @property
    def strangers(self) -> list[str]:
        """Whom a page asked that is not on this machine, and not tolerated."""
        return [address for address in self.asked if not _is_local(address) and not address.startswith(self.tolerated)]

    def check(self) -> None:
        """Nothing left the machine, and nothing opened a dialog."""
        assert not self.strangers, f"a page asked beyond this machine: {self.strangers}"
        assert not self.dialogs, f"a page opened a dialog: {self.dialogs}"


def _is_local(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in INLINE or parts.hostname in LOCAL
