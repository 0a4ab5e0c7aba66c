"""Downloads: a file is written under another name, and renamed when all of it has come."""

from __future__ import annotations

import os
import re
import secrets
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from d7nb.errors import ApiError
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

LARGEST = 100 * 2**20
"""Bytes of the largest file that WhatsApp carries, a document (Meta, "Cloud API: Media")."""
CHUNK = 2**16
"""Bytes that are read at once."""
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Make sure that a download may be written to a path.

    Raises:
        FileExistsError: Something is there that may not be overwritten.
        FileNotFoundError: The path's folder does not exist.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder for {mask_text(path.name)}: make it, or correct the path")
    if path.is_dir():
        raise FileExistsError(f"{mask_text(path.name)} is a folder: name a file in it")
    if path.exists() and not path.is_file():  # a device or a pipe
        raise FileExistsError(f"{mask_text(path.name)} exists already and is not a file: give another path")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{mask_text(path.name)} exists already: give another path, or overwrite=True")


def save(chunks: Iterable[bytes], path: Path, *, limit: int, overwrite: bool) -> Path:
    """Write a download to a file that only its owner may read; if anything fails, no file is left behind.

    Args:
        chunks: The download; iterating it may raise.
        path: The file.
        limit: Bytes that it may have at most.
        overwrite: Whether it may replace a file.

    Raises:
        ApiError: It has more bytes than `limit`.
        FileExistsError: There is a file already.
        OSError: It can't be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save([b"a", b"b"], Path(folder, "letter.txt"), limit=2, overwrite=False).read_bytes()
        b'ab'
    """
    part = path.with_name(f".d7nb-{secrets.token_hex(8)}.part")  # named before it exists: an interrupt may come at once
    try:
        with open(part, "xb", opener=_open_private) as file:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                check_size(size, limit)
                file.write(chunk)
        check_target(path, overwrite=overwrite)  # another program may have made the file meanwhile
        return part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def check_size(size: int, limit: int) -> None:
    """Refuse a download that is too large.

    Raises:
        ApiError: It has more bytes than `limit`.
    """
    if size > limit:
        raise ApiError(
            f"the file is larger than {limit:,} bytes, so it was not saved: give a larger limit= to allow it"
        )


def declared_size(headers: Mapping[str, str]) -> int:
    """Return the bytes that a response declares for its body; 0 where it does not, or where the body is compressed."""
    length = headers.get("Content-Length", "")
    return int(length) if _INTEGER.fullmatch(length) and "Content-Encoding" not in headers else 0


def split_error(headers: Mapping[str, str], chunks: Iterator[bytes]) -> tuple[Any, Iterator[bytes]]:
    """Tell an error apart from a file, where D7 might send either with a success.

    What a download looks like is not documented, so an error could come with any status: JSON that has ``detail`` is
    taken for one, and any other JSON for a file that a person sent.

    Args:
        headers: The response's headers.
        chunks: The response's body.

    Returns:
        The error's parsed JSON, None for a file; and the whole body again.
    """
    if "json" not in headers.get("Content-Type", "").lower():
        return None, chunks
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > CHUNK:
            break
    try:
        body = orjson.loads(head)
    except orjson.JSONDecodeError:
        body = None
    return body if isinstance(body, dict) and "detail" in body else None, chain([head], chunks)
