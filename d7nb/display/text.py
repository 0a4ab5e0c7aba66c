"""What happens to every text before a display shows it: numbers masked, endless ones cut short with a word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.display.invisible import visible_text, without_unseen
from d7nb.privacy import mask_text, options

if TYPE_CHECKING:
    from collections.abc import Hashable

LONGEST = 4096
"""Characters of one text that a display shows: as many as a WhatsApp text has at most."""
GLANCE = 300
"""Characters of a text that stands in a table's cell."""


def masked_text(text: object) -> str:
    r"""A text with its numbers masked, those too whose digits are kept apart by characters that nobody sees.

    Example:
        >>> masked_text("call +1202\ufeff555\ufeff0123")
        'call +120••••••23'
    """
    masked = mask_text(str(text))
    bare = without_unseen(masked)
    told = mask_text(bare)
    return masked if told == bare else told


def revealed(text: object) -> str:
    """A text as a preview shows it: masked, until the user asked to see numbers."""
    return str(text) if options.reveal else masked_text(text)


def cut(text: str, limit: int) -> tuple[str, str]:
    """The beginning of a text, and a word on how much more there is.

    Example:
        >>> cut("a" * 100_000, 2_000)[1]
        '… 98,000 more characters'
    """
    more = len(text) - limit
    return (text, "") if more <= 0 else (text[:limit], f"… {more:,} more character{'' if more == 1 else 's'}")


def with_newlines(text: str) -> str:
    """A text whose lines end in a plain new line."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def in_terminal(text: object, limit: int = GLANCE, *, reveal: bool = False) -> str:
    """A text for a terminal, on one line or several: masked, cut short, and nothing in it that acts on the terminal.

    Args:
        text: Whoever wrote it.
        limit: How much of it is shown.
        reveal: Whether ``d7nb.options.reveal`` counts.
    """
    whole = with_newlines(revealed(text) if reveal else masked_text(text))
    beginning, more = cut(whole, limit)
    return visible_text(beginning) + more


def name_of(column: Hashable) -> str:
    """A column's name, in quotes where nobody would see it.

    Example:
        >>> name_of(""), name_of(7), name_of("phone")
        ("''", '7', 'phone')
    """
    name = str(column)
    return name if without_unseen(name).strip() else repr(name)


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> plural(1243, "row")
        '1,243 rows'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def about(seconds: float) -> str:
    """A duration as people say it.

    Example:
        >>> about(15.5), about(200), about(11_000), about(0.2)
        ('about 16 s', 'about 3 min', 'about 3 h 3 min', 'less than a second')
    """
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"about {hours} h" + f" {rest} min" * bool(rest)
    return f"about {round(hours / 24)} days"
