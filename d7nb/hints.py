"""Hints: what to do about a problem, as data that a notebook, a shell and the form each say in their own language."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Surface = Literal["notebook", "shell", "form"]
"""Where a sentence is read."""

LABELS = {
    "campaign": "Campaign",
    "country": "Country",
    "key": "Row key",
    "originator": "Originator",
    "schedule": "Schedule",
    "to": "Recipient column",
}
"""The labels of the form's fields for these options."""
FLAGS = frozenset(
    {
        "base_url",
        "batch_size",
        "campaign",
        "canary",
        "confirm",
        "country",
        "force",
        "ledger",
        "originator",
        "rate",
        "resend",
        "schedule",
        "stop_if",
        "text",
        "to",
    }
)
"""The options that the command line has, too: ``--stop-if`` for ``stop_if=``, and ``--force`` for ``force=True``."""
_FLAG_VALUES = {("resend", True): "all"}


class Option(NamedTuple):
    """An option of `plan` or `Plan.send` that helps.

    Attributes:
        name: Its name in Python.
        value: The value that helps; None where only the user can know it.
    """

    name: str
    value: Any = None


class Call(NamedTuple):
    """A call that helps, or an attribute that shows more.

    Attributes:
        function: What is called, such as ``plan.release``.
        options: The options that it is called with.
        arguments: What stands before them, as it is written; None for an attribute.
    """

    function: str
    options: tuple[Option, ...] = ()
    arguments: tuple[str, ...] | None = ()


class Wording(NamedTuple):
    """A part of a sentence for which each surface has its own words; empty where it says nothing."""

    notebook: str = ""
    shell: str = ""
    form: str = ""


Part = str | Option | Call | Wording


class Hint(str):
    """A sentence with options and calls in it. As a text it speaks Python, which is what a notebook understands.

    Args:
        *parts: Texts, options, calls and wordings, in the order in which they are read.

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
    parts: tuple[Part, ...]

    def __new__(cls, *parts: Part) -> Self:
        """Write the sentence for a notebook, and keep its parts; those of a hint in it are among them."""
        flat = tuple(chain.from_iterable(part.parts if isinstance(part, Hint) else (part,) for part in parts))
        hint = super().__new__(cls, "".join(_write(part, "notebook") for part in flat))
        hint.parts = flat
        return hint

    def __reduce__(self) -> tuple[type[Self], tuple[Part, ...]]:
        """Pickle the parts."""
        return type(self), self.parts

    def map_texts(self, change: Callable[[str], str]) -> Hint:
        """Return the hint with its plain texts changed, such as masked."""
        return Hint(*(change(part) if type(part) is str else part for part in self.parts))


_surface: ContextVar[Surface] = ContextVar("d7nb_surface", default="notebook")


@contextmanager
def speaking(surface: Surface) -> Iterator[None]:
    """Render hints for a surface inside a ``with`` block: the command line and the form put their output into one."""
    token = _surface.set(surface)
    try:
        yield
    finally:
        _surface.reset(token)


def current_surface() -> Surface:
    """Return the surface of the `speaking` block around; a notebook outside of any."""
    return _surface.get()


def render(text: str, surface: Surface | None = None) -> str:
    """Write a sentence in the language of a surface; one that is no `Hint` is the same everywhere.

    Args:
        text: The sentence.
        surface: ``notebook``, ``shell`` or ``form``; unless given, that of the `speaking` block around.

    Example:
        >>> render("fill the cell in", "shell")
        'fill the cell in'
        >>> render(Hint("choose a number with ", Call("plan.release")), "shell")
        'choose a number with plan.release() in a notebook'
        >>> render(Hint("then ", Call("delivery.refresh")), "shell")
        'then plan.delivery(d7nb.Client()).refresh() in a notebook with the same plan'
    """
    surface = surface or _surface.get()
    return "".join(_write(part, surface) for part in text.parts) if isinstance(text, Hint) else str(text)


def _write(part: Part, surface: Surface) -> str:
    if isinstance(part, Option):
        return _WRITE_OPTION[surface](part)
    if isinstance(part, Wording):
        return str(getattr(part, surface))
    return _WRITE_CALL[surface](part) if isinstance(part, Call) else part


def _option_in_python(option: Option) -> str:
    if option.value is None:
        return f"{option.name}="
    return f'{option.name}="{option.value}"' if isinstance(option.value, str) else f"{option.name}={option.value!r}"


def _option_in_shell(option: Option) -> str:
    if option.name not in FLAGS:
        return f"{_option_in_python(option)} in a notebook"
    flag = f"--{option.name.replace('_', '-')}"
    value = _FLAG_VALUES.get((option.name, option.value), option.value)
    return flag if value is None or value is True else f"{flag} {shlex.quote(str(value))}"


def _option_in_form(option: Option) -> str:
    if option.name not in LABELS:
        return f"{_option_in_python(option)} in a notebook"
    label = LABELS[option.name]
    return label if option.value is None else f"{label}: {option.value}"


def _call_in_python(call: Call) -> str:
    if call.arguments is None:
        return call.function
    return f"{call.function}({', '.join([*call.arguments, *map(_option_in_python, call.options)])})"


def _call_in_shell(call: Call) -> str:
    if call.function in _SHELL_CALLS:
        return _SHELL_CALLS[call.function]
    arguments = [argument for argument in call.arguments or () if argument != "client"]
    is_same_command = call.function == "plan.send" and _SHELL_ARGUMENTS.keys() >= set(arguments)
    if is_same_command and FLAGS.issuperset(option.name for option in call.options):
        flags = [*map(_SHELL_ARGUMENTS.__getitem__, arguments), *map(_option_in_shell, call.options)]
        return f"the same command with {' '.join(flags)}" if flags else "the same command again"
    return _call_in_notebook(call)


def _call_in_notebook(call: Call) -> str:
    """Return a call for a reader of the shell, who has neither a client nor a delivery in a notebook yet."""
    client = _call_in_python(Call("d7nb.Client"))
    arguments = call.arguments and tuple(client if argument == "client" else argument for argument in call.arguments)
    place = "in a notebook"
    if call.function.startswith("delivery."):
        call = call._replace(function=f"plan.delivery({client}).{call.function.removeprefix('delivery.')}")
        place = "in a notebook with the same plan"
    return f"{_call_in_python(call._replace(arguments=arguments))} {place}"


def _call_in_form(call: Call) -> str:
    if call == SEND_AGAIN:
        return "the Send button"
    return f"{'' if call.function.startswith('d7nb.') else 'form.'}{_call_in_python(call)} in a cell"


SEND_AGAIN = Call("plan.send", arguments=("client",))
_SHELL_CALLS = {
    "d7nb.Ledger().aside": "python -m d7nb ledger aside",
    "delivery.frame": "--out FILE",
    "plan.problems": "python -m d7nb check TABLE --all",
}
_SHELL_ARGUMENTS = {"resend=rows": "--resend all"}  # the command line can't name single rows
_WRITE_OPTION: Mapping[Surface, Callable[[Option], str]] = {
    "notebook": _option_in_python,
    "shell": _option_in_shell,
    "form": _option_in_form,
}
_WRITE_CALL: Mapping[Surface, Callable[[Call], str]] = {
    "notebook": _call_in_python,
    "shell": _call_in_shell,
    "form": _call_in_form,
}
