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
        raise unknown_name(f"{option}={name!r} is not a choice", name, choices)
    return choices[name]


def unknown_name(sentence: str, name: str, choices: Iterable[str]) -> SandboxError:
    """Return the error for a name that is none of the choices, with the closest of them.

    Args:
        sentence: The beginning of the message, which quotes the name.
        name: The name alone.
        choices: The known names.

    Example:
        >>> str(unknown_name("there is no fault 'stauts'", "stauts", ["status", "delay"]))
        "there is no fault 'stauts': did you mean 'status'? Choose from: status, delay"
    """
    names = [*choices]
    guess = did_you_mean(name, names)
    return SandboxError(f"{sentence}{f': {guess}' if guess else '.'} Choose from: {', '.join(names)}")


def as_list(texts: Iterable[str]) -> list[str]:
    """Return the texts as a list; a single text is a list of one.

    Example:
        >>> as_list("+12025550100")
        ['+12025550100']
    """
    return [texts] if isinstance(texts, str) else [*texts]
