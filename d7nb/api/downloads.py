"""A download that is whole or not there: it grows beside its place, and takes it when all of it has come."""

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
"""Bytes of the largest file that WhatsApp carries, a document."""
CHUNK = 2**16
_SIZE = re.compile(r"\d{1,18}", re.ASCII)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Make sure that a file may take its place.

    Raises:
        FileExistsError: Something is there that may not be overwritten.
        FileNotFoundError: Its folder is not there.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder for {mask_text(path.name)}: make it, or correct the path")
    if path.is_dir():
        raise FileExistsError(f"{mask_text(path.name)} is a folder: name a file in it")
    if path.exists() and not path.is_file():  # a device, or a pipe: a file in its place would break it
        raise FileExistsError(f"{mask_text(path.name)} is there already, and no file: give another path")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{mask_text(path.name)} is there already: give another path, or overwrite=True")


def save(pieces: Iterable[bytes], path: Path, *, limit: int, overwrite: bool) -> Path:
    """Write what comes to a file that only its owner may read, which is there only when it is whole.

    Args:
        pieces: What comes; what they raise leaves nothing behind.
        path: The file.
        limit: Bytes that it may have at most.
        overwrite: Whether it may take another's place.

    Raises:
        ApiError: More than that came.
        FileExistsError: There is a file already.
        OSError: It can't be written.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save([b"a", b"b"], Path(folder, "letter.txt"), limit=2, overwrite=False).read_bytes()
        b'ab'
    """
    part = path.with_name(f".d7nb-{secrets.token_hex(8)}.part")  # known before it is there: an interrupt may come now
    try:
        with open(part, "xb", opener=_private) as file:
            size = 0
            for piece in pieces:
                size += len(piece)
                check_size(size, limit)
                file.write(piece)
        check_target(path, overwrite=overwrite)  # somebody else may have been faster
        return part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def check_size(size: int, limit: int) -> None:
    """Refuse what is too large.

    Raises:
        ApiError: It is.
    """
    if size > limit:
        raise ApiError(f"the file is larger than {limit:,} bytes, so it was not kept: say limit= to allow more")


def declared_size(headers: Mapping[str, str]) -> int:
    """How many bytes an answer says that it has; 0 where it does not say, or packed them."""
    length = headers.get("Content-Length", "")
    return int(length) if _SIZE.fullmatch(length) and "Content-Encoding" not in headers else 0


def split_error(headers: Mapping[str, str], pieces: Iterator[bytes]) -> tuple[Any, Iterator[bytes]]:
    """An answer that could be words on an error instead of a file, and all its pieces.

    Nobody has published what a download looks like, and errors could come with any status: JSON that has ``detail`` is
    one, and any other JSON is somebody's file.

    Args:
        headers: The answer's headers.
        pieces: What comes.

    Returns:
        The parsed error, None where it is none; and the pieces.
    """
    if "json" not in headers.get("Content-Type", "").lower():
        return None, pieces
    head = b""
    for piece in pieces:
        head += piece
        if len(head) > CHUNK:
            break
    try:
        body = orjson.loads(head)
    except orjson.JSONDecodeError:
        body = None
    return body if isinstance(body, dict) and "detail" in body else None, chain([head], pieces)
