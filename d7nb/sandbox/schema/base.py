"""The small pieces that the request models are built of.

Every model is strict (a number is no text, `"true"` is no boolean) and refuses keys it does not know. Whether D7
refuses unknown keys is not documented; the sandbox takes the stricter reading, because it catches a client's typing
errors, and gives it up in lenient mode.

A null stands for an absent part wherever the part is optional: D7's own SDKs send it so (d7-api.md section 8, row 10).
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

if TYPE_CHECKING:
    from collections.abc import Callable

# Pydantic puts the tag of a chosen union member into an error's `loc`. Ours all begin with a character that no JSON key
# of this API has, so that they can be told from real keys and left out (`clean_loc`).
_MARK = "\0"

_PLAIN_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def tag(words: str = "") -> Tag:
    """Mark the member of a union for these words; without words, the member for everything unknown."""
    return Tag(_MARK + words)


def chosen_by(key: str, *tags: str) -> Discriminator:
    """Choose the member of a union by the word under `key`; each tag is one word, or several that share a member."""
    members = {word: _MARK + words for words in tags for word in words.split()}

    def tag_of(value: Any) -> str:
        word = value.get(key) if isinstance(value, dict) else None
        return members.get(word, _MARK) if isinstance(word, str) else _MARK

    return Discriminator(tag_of)


def clean_loc(loc: tuple[int | str, ...]) -> list[int | str]:
    """An error's path as FastAPI would give it: keys and positions of the request's body, no tags of ours."""
    return ["body", *(step for step in loc if not (isinstance(step, str) and step.startswith(_MARK)))]


def absent_if_hollow(part: Any) -> Any:
    """Read an object that holds nothing but nulls as absent: the SDKs send `{"type": null}` for no header."""
    return None if isinstance(part, dict) and part and not any(v is not None for v in part.values()) else part


def distinct(*paths: str) -> Callable[[list[Any]], list[Any]]:
    """A check that no two items have the same value at one of the dotted attribute paths."""

    def check(items: list[Any]) -> list[Any]:
        for path in paths:
            values = [_at(item, path) for item in items]
            if len(set(values)) < len(values):
                raise ValueError(f"every {path.rpartition('.')[2]} should differ from the others")
        return items

    return check


def _at(item: Any, path: str) -> Any:
    for name in path.split("."):
        item = getattr(item, name)
    return item


def _number_in_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _PLAIN_DECIMAL.fullmatch(value):
        raise ValueError("a coordinate in text should be a plain decimal number")
    return float(value)


def _digits_in_text(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) else value


def _existing_day(text: str) -> str:
    date.fromisoformat(text)
    return text


class Part(BaseModel):
    """An object of the request: strict, and no keys but the known ones."""

    # FastAPI reads from attributes too; here that only makes the words about a non-object the same as FastAPI's.
    model_config = ConfigDict(strict=True, extra="forbid", from_attributes=True)


def chars(most: int, least: int = 1) -> Any:
    """How long a text may be, in characters."""
    return Field(min_length=least, max_length=most)


Filled = Annotated[str, Field(min_length=1)]
HttpUrl = Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+\S*$")]
# Meta types coordinates as strings, N8N sends numbers (d7-api.md section 8, row 8). The ranges are geography.
Latitude = Annotated[float, BeforeValidator(_number_in_text), Field(ge=-90, le=90)]
Longitude = Annotated[float, BeforeValidator(_number_in_text), Field(ge=-180, le=180)]
# An index, or a time in milliseconds: D7's pages and SDKs write either as a number or as text (section 1.7).
Count = Annotated[int, BeforeValidator(_digits_in_text), Field(ge=0)]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_existing_day)]
CountryCode = Annotated[str, Field(pattern="^[A-Za-z]{2}$")]
Place = Literal["HOME", "WORK"]
