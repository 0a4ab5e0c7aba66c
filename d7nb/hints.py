"""Hints: what to do about a problem, as data that a notebook, a shell and the form each say in their own language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Surface = Literal["notebook", "shell", "form"]
"""Where a sentence is read."""

LABELS = {
    "campaign": "Campaign",
    "confirm": "the number to type",
    "country": "Country",
    "key": "Key",
    "originator": "From",
    "schedule": "Schedule",
    "to": "Numbers in",
}
"""What the form calls the options that it has."""
FLAGS = frozenset(
    {"campaign", "canary", "confirm", "country", "ledger", "originator", "rate", "resend", "schedule", "stop_if", "to"}
)
"""The options that the command line has, too: ``--stop-if`` for ``stop_if=``."""


class Option(NamedTuple):
    """An option of `plan` or `Plan.send` that helps.

    Attributes:
        name: Its name in Python.
        value: The value that helps; None where only the user can know it.
    """

    name: str
    value: Any = None


class Call(NamedTuple):
    """A call that helps.

    Attributes:
        function: What is called, such as ``plan.release``.
        arguments: What it is called with, by name.
    """

    function: str
    arguments: Mapping[str, Any] = {}


class Hint(str):
    """A sentence with options and calls in it. As a text it speaks Python, which is what a notebook understands.

    Args:
        *parts: Texts, options and calls, in the order in which they are read.

    Example:
        >>> hint = Hint("write '+' and the country code, or give ", Option("country", "AE"))
        >>> print(hint)
        write '+' and the country code, or give country="AE"
        >>> print(render(hint, "shell"))
        write '+' and the country code, or give --country AE
        >>> print(render(hint, "form"))
        write '+' and the country code, or give Country: AE
    """

    __slots__ = ("parts",)
    parts: tuple[str | Option | Call, ...]

    def __new__(cls, *parts: str | Option | Call) -> Self:
        """Write the sentence for a notebook, and keep its parts."""
        hint = super().__new__(cls, "".join(_written(part, "notebook") for part in parts))
        hint.parts = tuple(parts)
        return hint

    def __reduce__(self) -> tuple[type[Self], tuple[str | Option | Call, ...]]:
        """Pickle the parts."""
        return type(self), self.parts

    def map_texts(self, change: Callable[[str], str]) -> Hint:
        """Return the hint with its plain texts changed, such as masked."""
        return Hint(*(change(part) if type(part) is str else part for part in self.parts))


def render(text: str, surface: Surface) -> str:
    """Write a sentence in the language of a surface; one that is no `Hint` is the same everywhere.

    Args:
        text: The sentence.
        surface: ``notebook``, ``shell`` or ``form``.

    Example:
        >>> render("fill the cell in", "shell")
        'fill the cell in'
        >>> render(Hint("choose a number with ", Call("plan.release")), "shell")
        'choose a number with plan.release() in a notebook'
    """
    return "".join(_written(part, surface) for part in text.parts) if isinstance(text, Hint) else text


def _written(part: str | Option | Call, surface: Surface) -> str:
    if isinstance(part, Option):
        return _WRITE_OPTION[surface](part)
    if isinstance(part, Call):
        call = f"{part.function}({', '.join(_in_python(Option(*item)) for item in part.arguments.items())})"
        return call if surface == "notebook" else f"{call} in a notebook"
    return part


def _in_python(option: Option) -> str:
    if option.value is None:
        return f"{option.name}="
    return f'{option.name}="{option.value}"' if isinstance(option.value, str) else f"{option.name}={option.value!r}"


def _in_shell(option: Option) -> str:
    if option.name not in FLAGS:
        return f"{_in_python(option)} in a notebook"
    flag = f"--{option.name.replace('_', '-')}"
    return flag if option.value is None else f"{flag} {option.value}"


def _in_form(option: Option) -> str:
    if option.name not in LABELS:
        return f"{_in_python(option)} in a notebook"
    label = LABELS[option.name]
    return label if option.value is None else f"{label}: {option.value}"


_WRITE_OPTION: Mapping[Surface, Callable[[Option], str]] = {
    "notebook": _in_python,
    "shell": _in_shell,
    "form": _in_form,
}
