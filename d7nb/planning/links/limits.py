"""The files that WhatsApp takes as image, video, audio, document or sticker, and the faults of a file that it does not.

Everything here is pure: `probe.py` makes the requests. The limits are those of D7's page "Media Message" where it shows
them (images), and of Meta's table "Supported media types" for all else.
"""

from __future__ import annotations

import math
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from d7nb.content.rules import D7, META, URL
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

KB, MB = 1024, 1024**2  # the limits may mean 1,000: a size between the two is accepted


class FileResponse(NamedTuple):
    """The answer of an address.

    Attributes:
        fault: Why there was no answer, a key of `FAULTS`; empty where there was one.
        status: The HTTP status, 0 where there was no answer.
        type: The media type in lower case, without parameters; empty where the answer names none.
        size: The size in bytes; None where the answer does not say.
        at: The last address that was requested: another than the first, where that redirects.
    """

    fault: str = ""
    status: int = 0
    type: str = ""
    size: int | None = None
    at: str = ""


_UNREACHABLE = (
    "unreachable",
    "can't be reached: {}",
    "check the address for typing errors; if it is right, check again later",
)
_REDIRECT = ("bad_redirect", "does not lead to a file: {}", "give the address of the file itself")
FAULTS = {
    "no_address": ("bad_url", "can't be used: {}", URL.hint, "it is not a valid web address"),
    "no_host": (*_UNREACHABLE, "there is no host of that name"),
    "no_connection": (*_UNREACHABLE, "no connection could be made"),
    "no_tls": (*_UNREACHABLE, "no secure connection could be made"),
    "timeout": (*_UNREACHABLE, "there was no answer in time"),
    "broken": (*_UNREACHABLE, "the connection broke before there was an answer"),
    "certificate": (
        "bad_certificate",
        "can't be trusted: {}",
        "renew the certificate, or put the file on another host",
        "its certificate is not valid for it",
    ),
    "redirects": (*_REDIRECT, "there are too many redirects"),
    "bad_redirect": (*_REDIRECT, "it redirects to an address that is not http or https"),
    "inward": (
        "private_address",
        "does not lead to a file: {}",
        "put the file on a host that everybody can reach",
        "it redirects to an address inside a private network, and was not followed there",
    ),
}
"""Problem code, message, hint and cause for each way in which an address gives no answer."""


class Limit(NamedTuple):
    """The limits of a kind of file.

    Attributes:
        types: The media types that are accepted.
        max_size: The largest size in bytes.
        source: Whose rule the size is; the types are Meta's.
        doubtful: Media types of which it is not certain that they are refused.
    """

    types: tuple[str, ...]
    max_size: int
    source: str
    doubtful: tuple[str, ...] = ()


_OFFICE = "application/vnd.openxmlformats-officedocument"
LIMITS = {
    "image": Limit(("image/jpeg", "image/png"), 5 * MB, f"{D7}, {META}", ("image/webp", "image/jpg", "image/pjpeg")),
    "audio": Limit(
        ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"),
        16 * MB,
        META,
        ("audio/mp3", "audio/x-m4a", "audio/m4a", "audio/opus", "application/ogg"),
    ),
    "video": Limit(("video/mp4", "video/3gp", "video/3gpp"), 16 * MB, META),
    "document": Limit(
        (
            *("text/plain", "application/pdf", "application/msword"),
            *("application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
            f"{_OFFICE}.wordprocessingml.document",
            f"{_OFFICE}.spreadsheetml.sheet",
            f"{_OFFICE}.presentationml.presentation",
        ),
        100 * MB,
        META,
    ),
    "sticker": Limit(("image/webp",), 500 * KB, META),
}
"""The limits by D7's name of the kind; other kinds have no documented limits."""

STILL_STICKER = 100 * KB
"""The largest size of a sticker that is not animated; only the file itself says whether it is."""
UNTYPED = (
    "",
    "application/octet-stream",
    "binary/octet-stream",
    "application/force-download",
    "application/x-download",
)
"""The media types that hosts send for a file whose type they don't know."""
PAGES = ("text/html", "application/xhtml+xml")


def shown_url(url: str) -> str:
    """Shorten an address for a message: without user and query, which may hold secrets, and not too long.

    Example:
        >>> shown_url("https://ali:secret@example.com/a.png?token=abc")
        'https://example.com/a.png'
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # it can't be read
        return "the address"
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return bare if len(bare) <= 120 else f"{bare[:119]}…"


def is_private(url: str) -> bool:
    """Tell whether an address is this machine's, or one that only a local network knows.

    Example:
        >>> is_private("http://localhost:8888/a.png"), is_private("http://192.168.1.4/a.png")
        (True, True)
        >>> is_private("https://example.com/a.png")
        False
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))


def faults_of_answer(url: str, response: FileResponse, *, local: bool = False) -> Iterator[Problem]:
    """Yield the problems with an address, whatever kind of file it is to offer.

    Args:
        url: The address.
        response: Its answer.
        local: Whether messages go to a server on this machine, which can read this machine's addresses.
    """
    name, status = _name(url, response), response.status
    if response.fault:
        code, message, hint, cause = FAULTS[response.fault]
        yield Problem(code, f"{name} {message.format(cause)}", hint)
    elif status in {401, 403}:
        message = f"{name} needs a login or a permission ({status})"
        yield Problem("needs_login", message, "make the file public: WhatsApp downloads it without a login")
    elif status in {404, 410}:
        yield Problem("not_found", f"there is no file at {name} ({status})", "correct the address, or upload the file")
    elif status == 429:
        message = f"{name} could not be checked: its host reports too many requests ({status})"
        yield Problem("busy", message, "check again later", "warning")
    elif status not in {200, 203, 206}:
        message = f"{name} answers with status {status} instead of a file"
        yield Problem("bad_answer", message, "open it in a browser; if there is a file, check again later")
    elif not local and is_private(response.at or url):
        message = f"{name} can be reached from this network only, so WhatsApp can't download it"
        yield Problem("private_address", message, "put the file on a host that everybody can reach")


def faults_of_file(url: str, kind: str, response: FileResponse) -> Iterator[Problem]:
    """Yield the problems with the file that an address offers, as a file of its kind.

    Args:
        url: The address.
        kind: D7's name of the kind.
        response: The answer of the address.
    """
    limit, name, size = LIMITS.get(kind), _name(url, response), response.size
    if size == 0:
        yield Problem("empty_file", f"the file at {name} is empty", "upload it again")
    if limit is None:
        return
    if size and size > limit.max_size:
        message = (
            f"the file at {name} is {_size(size)}; {_as(kind)} may be at most {_size(limit.max_size)} ({limit.source})"
        )
        yield Problem("too_large", message, "make it smaller")
    elif size and kind == "sticker" and size > STILL_STICKER:
        message = f"the file at {name} is {_size(size)}; a sticker that is not animated may be at most 100 KB ({META})"
        yield Problem("too_large", message, "make it smaller, unless it is animated", "warning")
    accepted = f"{_as(kind)} may be {', '.join(limit.types)} ({META})"
    if response.type in PAGES:
        message = f"{name} leads to a web page, not to a file"
        yield Problem("wrong_type", message, "give the address of the file itself; a link for sharing leads to a page")
    elif response.type in UNTYPED:
        message = f"the host of {name} does not say what type of file it is; {accepted}"
        hint = "ask whoever runs the website to send the file with its type (Content-Type), such as image/png"
        yield Problem("unknown_type", message, hint, "warning")
    elif response.type not in limit.types:
        message = f"the file at {name} is {response.type[:60]}; {accepted}"
        # No page says that all other documents are refused, and another spelling of a type may be accepted.
        uncertain = kind == "document" or response.type in limit.doubtful
        yield Problem(
            "wrong_type",
            message,
            "convert the file, or send it as the kind that it is",
            "warning" if uncertain else "error",
        )


def _name(url: str, response: FileResponse) -> str:
    first, last = shown_url(url), shown_url(response.at or url)
    return first if first == last else f"{first} (which redirects to {last})"


def _as(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}{' file' * (kind == 'audio')}"


def _size(count: int) -> str:
    """Write a size to read, rounded up, so that it is never shown as the limit that it exceeds."""
    if count < MB:
        return f"{math.ceil(count / KB):,} KB"
    return f"{math.ceil(count / MB * 10) / 10:,g} MB"
