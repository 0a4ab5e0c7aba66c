"""Watches the whole suite: nothing that d7nb shows, in any test, holds a token or a whole phone number.

Looked at while a test runs, and judged at its end:

- each record that any logger makes,
- each error of d7nb, with all that it carries, from the moment it is made,
- each error that a test catches, with the local variables of its traceback,
- each repr of d7nb's own objects, and each HTML that it makes,
- each line that d7nb prints.

Frames are the user's data, and so are the variables in the user's own stack frames; here, the tests are the user. A
preview shows whole numbers while ``d7nb.options.reveal`` is set, and nothing else does. A content's repr is d7nb's own,
so numbers are masked in it, too, although the user typed them. A token has no such exceptions, but for the sandbox's,
which is a word that everybody knows.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import logging
import pkgutil
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import jinja2
import pytest

import d7nb
from d7nb import errors
from d7nb.api import auth as tokens
from d7nb.display.previews import Preview

HOUSE, TESTS = Path(d7nb.__file__).parent, Path(__file__).parents[1]
LOUD = ("d7nb", "urllib3")
"""Loggers that are heard at every level; `tests/contract/test_privacy.py` listens to all of them."""
KNOWN = "sandbox"
SHORTEST = 8
"""What is shorter is no token, but a word that may stand anywhere."""

_DIGITS = {code: str(unicodedata.digit(chr(code))) for code in range(128, 0x1FFFF) if chr(code).isdecimal()}
_BETWEEN = re.compile(r"(?<=\d)[^\w+•:]{1,3}(?=\d)|(?<=\d)_(?=\d)")
_NUMBER = re.compile(r"[2-9]\d\d55501\d\d|491570(?:006|156)|7017406\d\d")
_JWT = re.compile(r"eyJ[\w-]{8,}")


def numbers_in(text: str) -> list[str]:
    """The whole numbers in a text, of those that are kept for fiction, however they are written.

    Example:
        >>> numbers_in("call +1 (202) 555-0123 or 0491.570.006, not +120••••••23"), numbers_in("٢٠٢٥٥٥٠١٢٣")
        (['2025550123', '491570006'], ['2025550123'])
    """
    plain = text if text.isascii() else text.translate(_DIGITS)
    return _NUMBER.findall(_BETWEEN.sub("", plain))


def tokens_in(text: str, known: set[str]) -> list[str]:
    """The tokens in a text: those that are known, and what looks like one."""
    return [*_JWT.findall(text), *(token for token in known if token in text)]


def shown_by(error: BaseException) -> str:
    """What an exception says of itself, wherever somebody looks."""
    return f"{error!s}\n{error!r}\n{error.args!r}\n{vars(error)!r}"


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """The stack frames of an error and of all that led to it."""
    linked, seen = [error], set()
    while linked:
        one = linked.pop()
        seen.add(id(one))
        trace = one.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next
        linked += [other for other in (one.__cause__, one.__context__) if other and id(other) not in seen]


def locals_of(frame: FrameType) -> str:
    """A frame's local variables, as a traceback shows them that shows them."""
    shown = []
    for name, value in list(frame.f_locals.items()):
        try:
            shown.append(f"{name} = {value!r}")
        except Exception:  # noqa: BLE001  (half-made objects are local variables, too)
            shown.append(f"{name}: no repr")
    return "\n".join(shown)


def is_in(frame: FrameType, folder: Path) -> bool:
    """Whether a frame's code is from a folder."""
    return frame.f_code.co_filename.startswith(f"{folder}/")


class Watch:
    """A plugin of pytest that fails a test in which something leaked."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, bool], str] = {}
        self.tokens: set[str] = set()

    def note(self, where: str, text: str, *, numbers: bool = True) -> None:
        """Take down a text that was shown.

        Args:
            where: What it was.
            text: The text.
            numbers: Whether numbers must be masked in it.
        """
        self.texts.setdefault((text, numbers), where)

    def leaks(self) -> list[str]:
        """What leaked since this was last asked."""
        noted, self.texts = self.texts, {}
        found = []
        for (text, numbers), where in noted.items():
            seen = tokens_in(text, self.tokens) + (numbers_in(text) if numbers else [])
            if seen:
                found.append(f"{where} shows {', '.join(dict.fromkeys(seen))}:\n{text[:2000]}")
        return found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Any:
        """Judge a test by all that it made d7nb show."""
        done = yield
        if leaks := self.leaks():
            pytest.fail("\n\n".join(leaks), pytrace=False)
        return done

    def install(self) -> None:
        """Begin to watch this process."""
        self._hear_logs()
        self._see_reprs()
        self._see_html()
        self._see_errors()
        self._see_prints()
        self._learn_tokens()

    def _hear_logs(self) -> None:
        make = logging.getLogRecordFactory()

        def heard(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            self.note(f"a record of the logger {record.name}", record.getMessage())
            return record

        logging.setLogRecordFactory(heard)
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.DEBUG)

    def _see_reprs(self) -> None:
        for kind in classes():
            for name in ("__repr__", "__str__", "_repr_html_"):
                own = vars(kind).get(name)
                if inspect.isfunction(own) and own.__code__.co_filename.startswith(f"{HOUSE}/"):
                    setattr(kind, name, self._seen(own, f"{name} of {kind.__name__}"))

    def _seen(self, function: Callable[[Any], str], where: str) -> Callable[[Any], str]:
        @wraps(function)
        def seen(this: Any) -> str:
            text = function(this)
            self.note(where, text, numbers=not (d7nb.options.reveal and isinstance(this, Preview)))
            return text

        return seen

    def _see_html(self) -> None:
        """What no object's repr tells, such as the parts of a form."""
        render = jinja2.Template.render

        def rendered(template: jinja2.Template, *args: Any, **kwargs: Any) -> str:
            html = render(template, *args, **kwargs)
            if is_in(sys._getframe(1), HOUSE):
                self.note("HTML that d7nb made", html, numbers=not d7nb.options.reveal)
            return html

        jinja2.Template.render = rendered

    def _see_errors(self) -> None:
        for kind in vars(errors).values():
            if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == errors.__name__:
                self._see_making(kind)
        leave = pytest.RaisesExc.__exit__
        watch = self

        def left(block: Any, kind: Any, error: BaseException | None, trace: Any) -> Any:
            if error is not None:
                watch.note_caught(error)
            return leave(block, kind, error, trace)

        pytest.RaisesExc.__exit__ = left

    def _see_making(self, kind: Any) -> None:
        make = kind.__init__

        @wraps(make)
        def made(error: BaseException, *args: Any, **kwargs: Any) -> None:
            make(error, *args, **kwargs)
            if type(error).__init__ is made:
                self.note(f"the error {type(error).__name__}", shown_by(error))

        kind.__init__ = made

    def note_caught(self, error: BaseException) -> None:
        """Take down what a traceback shows of an error that came out of d7nb.

        Numbers must be masked in our own frames, where the error is ours or an interrupt. Those of a defect stay as
        they are: somebody has to find it.
        """
        ours = isinstance(error, errors.D7Error | KeyboardInterrupt)
        for frame in frames_of(error):
            if not is_in(frame, TESTS):
                where = f"{type(error).__name__}: the frame {frame.f_code.co_qualname}"
                self.note(where, locals_of(frame), numbers=ours and is_in(frame, HOUSE))

    def _see_prints(self) -> None:
        write = builtins.print

        def printed(*args: Any, **kwargs: Any) -> None:
            if is_in(sys._getframe(1), HOUSE):
                self.note("what d7nb printed", " ".join(map(str, args)))
            write(*args, **kwargs)

        builtins.print = printed

    def _learn_tokens(self) -> None:
        hide = tokens.Bearer.__init__

        def hidden(bearer: tokens.Bearer, token: str) -> None:
            if token != KNOWN and len(token) >= SHORTEST:
                self.tokens.add(token)
            hide(bearer, token)

        tokens.Bearer.__init__ = hidden


def classes() -> list[type]:
    """Every class of d7nb."""
    names = [module.name for module in pkgutil.walk_packages(d7nb.__path__, "d7nb.") if "__main__" not in module.name]
    modules = [importlib.import_module(name) for name in names]
    found = (kind for module in modules for kind in vars(module).values() if inspect.isclass(kind))
    return list(dict.fromkeys(kind for kind in found if kind.__module__.startswith("d7nb")))
