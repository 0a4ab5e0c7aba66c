"""The reading of options that the sandbox's user gives, with errors that name the choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from d7nb.errors import SandboxError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")


def choose(option: str, name: str, choices: Mapping[str, T]) -> T:
    """Return the value of an option that is chosen by its name.

    Raises:
        SandboxError: The name is none of the choices.

    Example:
        >>> choose("events", "nested", {"flat": 1, "nested": 2})
        2
    """
    if name not in choices:
        raise unknown_name(f"{option}={name!r}", name, choices)
    return choices[name]


def unknown_name(label: str, name: str, choices: Iterable[str]) -> SandboxError:
    """Return the error for a name that is none of the choices, with the closest of them.

    Args:
        label: What is unknown, with the name, as the sentence begins.
        name: The name alone.
        choices: The known names.

    Example:
        >>> str(unknown_name("fault 'stauts'", "stauts", ["status", "delay"]))
        "fault 'stauts' is not known: did you mean 'status'? There are: status, delay"
    """
    names = [*choices]
    guess = did_you_mean(name, names)
    return SandboxError(f"{label} is not known{f': {guess}' if guess else '.'} There are: {', '.join(names) or 'none'}")


def as_list(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list; a single text is a list of one.

    Example:
        >>> as_list("+12025550100")
        ['+12025550100']
    """
    return [texts] if isinstance(texts, str) else [*texts]
