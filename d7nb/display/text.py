"""Texts made ready for a display: numbers masked, long texts cut short, counts and durations in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.display.invisible import visible_text, without_invisible
from d7nb.privacy import mask_text, options

if TYPE_CHECKING:
    from collections.abc import Hashable

MAX_TEXT = 4096
"""Most characters of one text that a display shows: as many as a WhatsApp text may have."""
MAX_CELL = 300
"""Most characters that a display shows of a text in a table's cell, or of a label."""


def masked_text(text: object) -> str:
    r"""Mask the numbers in a text, also those whose digits are separated by invisible characters.

    Example:
        >>> masked_text("call +1202\ufeff555\ufeff0123")
        'call +120••••••23'
    """
    masked = mask_text(str(text))
    visible = without_invisible(masked)
    masked_visible = mask_text(visible)
    return masked if masked_visible == visible else masked_visible


def preview_text(text: object) -> str:
    """Return a text as a preview shows it: masked, unless ``d7nb.options.reveal`` is set."""
    return str(text) if options.reveal else masked_text(text)


def truncate(text: str, limit: int) -> tuple[str, str]:
    """Split a text into its beginning and a note on how much was left out.

    Returns:
        The first `limit` characters, and the note; the note is empty where nothing was left out.

    Example:
        >>> truncate("a" * 100_000, 2_000)[1]
        '… 98,000 more characters'
    """
    more = len(text) - limit
    return (text, "") if more <= 0 else (text[:limit], f"… {more:,} more character{'' if more == 1 else 's'}")


def normalize_newlines(text: str) -> str:
    """Replace the line ends of Windows and old Macs by a plain new line."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def in_terminal(text: object, limit: int = MAX_CELL, *, reveal: bool = False) -> str:
    """Return a text that is safe to print: masked, cut short, and without characters that act on a terminal.

    Args:
        text: Any text, from a user, a table or D7. It may have several lines.
        limit: Most characters of it that are shown.
        reveal: Whether numbers are shown where ``d7nb.options.reveal`` is set.
    """
    whole = normalize_newlines(preview_text(text) if reveal else masked_text(text))
    beginning, more = truncate(whole, limit)
    return visible_text(beginning) + more


def column_name(column: Hashable) -> str:
    """Return a column's name, in quotes if it is empty or invisible.

    Example:
        >>> column_name(""), column_name(7), column_name("phone")
        ("''", '7', 'phone')
    """
    name = str(column)
    return name if without_invisible(name).strip() else repr(name)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, in the singular or the plural.

    Example:
        >>> plural(1243, "row")
        '1,243 rows'
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def with_hint(sentence: str, hint: str) -> str:
    """Return a sentence with what to do: in brackets, or after a colon where the sentence ends with a bracket.

    Example:
        >>> with_hint("there is no number", "correct the number"), with_hint("it is too long (D7)", "shorten it")
        ('there is no number (correct the number)', 'it is too long (D7): shorten it')
        >>> with_hint("stopped", "")
        'stopped'
    """
    if not hint:
        return sentence
    return f"{sentence}: {hint}" if sentence.endswith(")") else f"{sentence} ({hint})"


def duration_text(seconds: float) -> str:
    """Return a duration in words.

    Example:
        >>> duration_text(15.5), duration_text(200), duration_text(11_000), duration_text(0.2)
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
