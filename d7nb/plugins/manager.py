"""The house of plugins: who is in it, where each came from, and what each offers."""

from __future__ import annotations

import inspect
import logging
import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pandas as pd
import pluggy

from d7nb.content.schema.part import Content
from d7nb.errors import PluginError, did_you_mean
from d7nb.filters.base import STAGES, RowFilter, checked_stage
from d7nb.plugins import hookspecs as hooks
from d7nb.plugins.builtins import PLUGINS
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from d7nb.delivery.delivery import Delivery

ALLOWED = "D7NB_PLUGINS"
"""Environment variable: names of the entry points that may load, with commas; empty: none; not set: all."""
TRACE = "D7NB_TRACE_PLUGINS"
"""Environment variable: set to 1, each call of a hook is logged."""

BUILT_IN = "built in"
HOOKS = tuple(name for name in vars(hooks) if name.startswith("d7nb_"))
COLUMNS = ("name", "version", "source", "hooks", "status")

log = logging.getLogger("d7nb.plugins")


class PluginInfo(NamedTuple):
    """A plugin in the house, or one that could not come in.

    Attributes:
        name: What it is called.
        source: ``built in``, ``this kernel``, or the distribution that it came with.
        version: That distribution's version.
        error: Why it is not in use; empty where it is.
    """

    name: str
    source: str
    version: str = ""
    error: str = ""


class FilterEntry(NamedTuple):
    """A filter, and where it is from in the words of an error."""

    row_filter: RowFilter
    source: str


class Registration:
    """What `register` gives back; as a context manager it takes the plugin out again at the end of the block."""

    def __init__(self, name: str, undo: Callable[[], None]) -> None:
        self.name = name
        self._undo = undo

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo()

    def __repr__(self) -> str:
        return f"<plugin {self.name!r} is registered>"


class Manager:
    """The plugins of one kernel.

    Args:
        discover: Whether packages with an entry point in the group ``d7nb`` are found, once, when first needed.
    """

    def __init__(self, *, discover: bool = True) -> None:
        self._pluggy = pluggy.PluginManager(hooks.GROUP)
        self._pluggy.add_hookspecs(hooks)
        self._guests: dict[str, PluginInfo] = {}
        self._discovered = not discover
        self._built_in = False

    def register(
        self, plugin: Any, name: str | None = None, *, source: str = "this kernel", version: str = ""
    ) -> Registration:
        """Take a plugin in; one of the same name that was registered in this kernel before is replaced.

        Args:
            plugin: An object whose functions bear the mark ``@d7nb.hookimpl``.
            name: What to call it; by its module and name unless given.
            source: Where it comes from.
            version: Its version, where it has one.

        Raises:
            PluginError: It is a class, has no hook or a misspelt one, asks for an unknown argument, or bears the
                name of a plugin that is not this kernel's to replace.
        """
        self._load()
        name = name or _name_of(plugin)
        _inspect(plugin, name)
        earlier = self._guests.get(name)
        if earlier is not None and (earlier.source, source) != ("this kernel", "this kernel"):
            message = (
                f"there is a plugin {name!r} already, from {earlier.source}; give this one, from {source}, another name"
            )
            raise PluginError(message)
        replaced = self._pluggy.unregister(name=name) if earlier is not None else None
        try:
            self._pluggy.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            if replaced is not None:
                self._pluggy.register(replaced, name)
            raise PluginError(f"the plugin {name!r} can't be registered: {_told(error)}") from None
        self._guests[name] = PluginInfo(name, source, version)
        return Registration(name, lambda: self._undo(name, plugin, replaced))

    def unregister(self, plugin: Any) -> None:
        """Take a plugin out.

        Args:
            plugin: The object, or the name it goes by.

        Raises:
            PluginError: It is not there, or it is built in.
        """
        name = plugin if isinstance(plugin, str) else self._pluggy.get_name(plugin) or _name_of(plugin)
        guest = self._guests.get(name)
        if guest is None or guest.error or guest.source == BUILT_IN:
            known = [each.name for each in self._guests.values() if each.source != BUILT_IN]
            why = "is built in" if guest is not None and guest.source == BUILT_IN else "is not registered"
            raise PluginError(f"the plugin {name!r} {why}; {did_you_mean(name, known) or f'registered are {known}'}")
        self._pluggy.unregister(name=name)
        del self._guests[name]

    def content_types(self) -> tuple[type[Content], ...]:
        """Every content type, the built-in ones first, then by name.

        Raises:
            PluginError: A plugin offers what is none, or two offer the same.
        """
        offered = [(kind, guest) for kind, guest in self._offers("d7nb_content_types") if _is_content(kind, guest)]
        _refuse_twins([(kind.__name__, guest) for kind, guest in offered], "content type")
        _refuse_twins([("/".join(filter(None, _wire_name(kind))), guest) for kind, guest in offered], "message_type")
        built_in = [kind for kind, guest in offered if guest.source == BUILT_IN]
        others = [kind for kind, guest in offered if guest.source != BUILT_IN]
        return (*built_in, *sorted(others, key=lambda kind: kind.__name__))

    def filters(self) -> tuple[FilterEntry, ...]:
        """Every registered filter and the plugin it is from, by stage and name.

        Raises:
            PluginError: A plugin offers what is none, or two offer the same name.
        """
        offered = [(each, guest) for each, guest in self._offers("d7nb_filters") if _is_filter(each, guest)]
        _refuse_twins([(each.name, guest) for each, guest in offered], "filter")
        return in_order([FilterEntry(each, f"plugin {guest.name} ({guest.source})") for each, guest in offered])

    def after_send(self, delivery: Delivery) -> list[str]:
        """Show a delivery to every observer; what one raises is returned as a sentence, and the others still see it."""
        told = []
        for impl, guest in self._impls("d7nb_after_send"):
            try:
                _call(impl, delivery=delivery)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (an observer must not lose a delivery)
                told.append(f"the plugin {guest.name!r} ({guest.source}) failed after the send: {_told(error)}")
                log.warning(told[-1])
        return told

    def table(self) -> pd.DataFrame:
        """Every plugin with name, version, source, hooks and status (active, or why it is not)."""
        self._load()
        rows = [
            {
                "name": guest.name,
                "version": guest.version,
                "source": guest.source,
                "hooks": ", ".join(sorted(_hooks_of(self._pluggy.get_plugin(guest.name)))),
                "status": guest.error or "active",
            }
            for guest in self._guests.values()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")

    def _offers(self, hook: str) -> Iterator[tuple[Any, PluginInfo]]:
        for impl, guest in self._impls(hook):
            try:
                offered = list(_call(impl))
            except Exception as error:
                message = f"the plugin {guest.name!r} ({guest.source}) failed in {hook}: {_told(error)}"
                raise PluginError(message) from error
            yield from ((each, guest) for each in offered)

    def _impls(self, hook: str) -> list[tuple[pluggy.HookImpl, PluginInfo]]:
        self._load()
        impls = getattr(self._pluggy.hook, hook).get_hookimpls()
        return sorted(((impl, self._guests[impl.plugin_name]) for impl in impls), key=lambda pair: pair[1].name)

    def _undo(self, name: str, plugin: Any, replaced: Any) -> None:
        if self._pluggy.get_plugin(name) is plugin:
            self.unregister(name)
            if replaced is not None:
                self.register(replaced, name)

    def _load(self) -> None:
        """Take the built-in plugins in, then those of packages; each once, and each by itself."""
        if not self._built_in:
            self._built_in = True
            for name, plugin in PLUGINS.items():
                self.register(plugin, name, source=BUILT_IN)
        if not self._discovered:
            self._discovered = True
            allowed = os.environ.get(ALLOWED)
            names = None if allowed is None else {name.strip() for name in allowed.split(",")}
            for point in sorted(entry_points(group=hooks.GROUP), key=lambda point: point.name):
                if names is None or point.name in names:
                    self._take_in(point)

    def _take_in(self, point: EntryPoint) -> None:
        source = point.dist.name if point.dist else point.value
        version = point.dist.version if point.dist else ""
        try:
            self.register(point.load(), point.name, source=source, version=version)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a broken package must not stop the others)
            name = point.name if point.name not in self._guests else f"{point.name} ({source})"
            self._guests[name] = PluginInfo(name, source, version, f"broken: {_told(error)}")
            log.warning("the plugin %r of %s can't be used: %s", point.name, source, _told(error))


def in_order(filters: list[FilterEntry]) -> tuple[FilterEntry, ...]:
    """Filters by stage and name, whatever order they came in."""
    return tuple(sorted(filters, key=lambda each: (STAGES.index(each.row_filter.stage), each.row_filter.name)))


def _name_of(plugin: Any) -> str:
    named = plugin if inspect.ismodule(plugin) or inspect.isclass(plugin) else type(plugin)
    return named.__name__ if inspect.ismodule(named) else f"{named.__module__}.{named.__qualname__}"


def _hooks_of(plugin: Any) -> list[str]:
    return [name for name in dir(plugin) if name.startswith("d7nb_")] if plugin is not None else []


def _inspect(plugin: Any, name: str) -> None:
    if inspect.isclass(plugin):
        message = f"{plugin.__qualname__} is a class; register an instance: {plugin.__qualname__}()"
        raise PluginError(message)
    found = _hooks_of(plugin)
    for hook in found:
        if hook not in HOOKS:
            raise PluginError(
                f"the plugin {name!r}: there is no hook {hook!r}; {did_you_mean(hook, HOOKS) or f'hooks are {HOOKS}'}"
            )
        if not hasattr(getattr(plugin, hook), f"{hooks.GROUP}_impl"):
            raise PluginError(f"the plugin {name!r}: mark {hook} with @d7nb.hookimpl")
    if not found:
        raise PluginError(f"the plugin {name!r} has no hook; hooks are {', '.join(HOOKS)}")


def _is_content(kind: Any, guest: PluginInfo) -> bool:
    if inspect.isclass(kind) and issubclass(kind, Content) and kind.message_type:
        return True
    wanted = "a content type is a subclass of Content with a message_type"
    raise PluginError(f"the plugin {guest.name!r} offers {kind!r}, but {wanted}")


def _is_filter(offered: Any, guest: PluginInfo) -> bool:
    if isinstance(offered, RowFilter) and offered.name:
        return bool(checked_stage(offered.name, offered.stage))
    wanted = "a filter is a RowFilter, or a function marked with d7nb.row_filter(register=False)"
    raise PluginError(f"the plugin {guest.name!r} offers {offered!r}, but {wanted}")


def _wire_name(kind: type[Content]) -> tuple[str, str]:
    return kind.message_type, str(kind.constants.get("type", ""))


def _refuse_twins(named: list[tuple[str, PluginInfo]], what: str) -> None:
    seen: dict[str, PluginInfo] = {}
    for name, guest in named:
        if name in seen:
            other = seen[name]
            sources = f"{other.name} ({other.source}) and {guest.name} ({guest.source})"
            raise PluginError(f"two plugins offer the {what} {name!r}: {sources}; take one of them out")
        seen[name] = guest


def _call(impl: pluggy.HookImpl, **given: Any) -> Any:
    if os.environ.get(TRACE) == "1":
        log.warning("%s of %s", impl.function.__name__, impl.plugin_name)
    return impl.function(*(given[name] for name in impl.argnames))


def _told(error: BaseException) -> str:
    return mask_text(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
