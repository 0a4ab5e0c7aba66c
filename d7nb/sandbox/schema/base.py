"""The base model, field types and validators that the models of a request share.

Every model is strict (a number is no text, `"true"` is no boolean) and refuses unknown keys. Whether D7 refuses unknown
keys is not documented: the sandbox does, to catch a client's typing errors, except in lenient mode.

A null counts as absent wherever a part is optional, because D7's own SDKs send nulls.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

if TYPE_CHECKING:
    from collections.abc import Callable

# Pydantic puts the tag of the chosen union member into an error's `loc`. No JSON key of this API begins with this
# character, so that `clean_loc` can tell tags from keys.
_TAG_PREFIX = "\0"

_PLAIN_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def tag(values: str = "") -> Tag:
    """Tag a union's member with the values that select it, separated by spaces; none for the fallback member."""
    return Tag(_TAG_PREFIX + values)


def discriminator(key: str, *tags: str) -> Discriminator:
    """Select a union's member by the value under `key`; a tag is one value, or several that share a member."""
    member_tags = {value: _TAG_PREFIX + values for values in tags for value in values.split()}

    def tag_of(part: Any) -> str:
        value = part.get(key) if isinstance(part, dict) else None
        return member_tags.get(value, _TAG_PREFIX) if isinstance(value, str) else _TAG_PREFIX

    return Discriminator(tag_of)


def clean_loc(loc: tuple[int | str, ...]) -> list[int | str]:
    """Return an error's path as FastAPI reports it: the keys and positions in the body, without union tags."""
    return ["body", *(step for step in loc if not (isinstance(step, str) and step.startswith(_TAG_PREFIX)))]


def none_if_all_null(part: Any) -> Any:
    """Replace an object that holds only nulls by None: D7's SDKs send `{"type": null}` for no header."""
    return None if isinstance(part, dict) and part and not any(v is not None for v in part.values()) else part


def distinct(*paths: str) -> Callable[[list[Any]], list[Any]]:
    """Build a validator that refuses two items with the same value at one of the dotted attribute paths."""

    def check(items: list[Any]) -> list[Any]:
        for path in paths:
            values = [_attribute(item, path) for item in items]
            if len(set(values)) < len(values):
                raise ValueError(f"every {path.rpartition('.')[2]} should differ from the others")
        return items

    return check


def _attribute(item: Any, path: str) -> Any:
    for name in path.split("."):
        item = getattr(item, name)
    return item


def _parse_decimal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _PLAIN_DECIMAL.fullmatch(value):
        raise ValueError("a coordinate in text should be a plain decimal number")
    return float(value)


def _parse_digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value) else value


def _check_date(text: str) -> str:
    date.fromisoformat(text)
    return text


class StrictModel(BaseModel):
    """An object of a request: strict types, no unknown keys."""

    # from_attributes gives the same error message for a non-object as FastAPI does.
    model_config = ConfigDict(strict=True, extra="forbid", from_attributes=True)


def length(maximum: int, minimum: int = 1) -> Any:
    """Limit the length of a text, in characters."""
    return Field(min_length=minimum, max_length=maximum)


NonEmptyStr = Annotated[str, Field(min_length=1)]
HttpUrl = Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+\S*$")]
# Meta's page "Location messages" has coordinates as strings, D7's n8n node sends numbers: both are accepted.
Latitude = Annotated[float, BeforeValidator(_parse_decimal), Field(ge=-90, le=90)]
Longitude = Annotated[float, BeforeValidator(_parse_decimal), Field(ge=-180, le=180)]
# An index, or a time in milliseconds: D7's pages and SDKs write either as a number or as text.
NonNegativeInt = Annotated[int, BeforeValidator(_parse_digits), Field(ge=0)]
IsoDate = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_check_date)]
CountryCode = Annotated[str, Field(pattern="^[A-Za-z]{2}$")]
HomeOrWork = Literal["HOME", "WORK"]
