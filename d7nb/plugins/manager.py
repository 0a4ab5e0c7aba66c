"""The plugin manager: it registers plugins, knows where each comes from, and calls their hooks."""

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
from d7nb.plugins import hookspecs
from d7nb.plugins.builtins import PLUGINS
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from d7nb.delivery.delivery import Delivery

ALLOWED = "D7NB_PLUGINS"
"""Environment variable: names of the entry points that may be loaded, with commas; empty: none; not set: all."""
TRACE = "D7NB_TRACE_PLUGINS"
"""Environment variable: where it is 1, each call of a hook is logged."""

BUILT_IN = "built in"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("d7nb_"))
COLUMNS = ("name", "version", "source", "hooks", "status")

log = logging.getLogger("d7nb.plugins")


class PluginInfo(NamedTuple):
    """A plugin that is registered, or one that could not be.

    Attributes:
        name: Its name.
        source: ``built in``, ``this kernel``, or the distribution that it comes from.
        version: That distribution's version.
        error: Why it is not in use; empty where it is.
    """

    name: str
    source: str
    version: str = ""
    error: str = ""


class FilterEntry(NamedTuple):
    """A filter, and where it comes from, as error messages say it."""

    row_filter: RowFilter
    source: str


class Registration:
    """The registration of a plugin; as a context manager it removes the plugin at the end of the block."""

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
        discover: Whether to load the plugins of packages with an entry point in the group ``d7nb``, when first needed.
    """

    def __init__(self, *, discover: bool = True) -> None:
        self._pluggy = pluggy.PluginManager(hookspecs.GROUP)
        self._pluggy.add_hookspecs(hookspecs)
        self._plugins: dict[str, PluginInfo] = {}
        self._discovered = not discover
        self._built_in = False

    def register(
        self, plugin: Any, name: str | None = None, *, source: str = "this kernel", version: str = ""
    ) -> Registration:
        """Register a plugin; one of the same name that was registered in this kernel before is replaced.

        Args:
            plugin: An object with functions marked with ``@d7nb.hookimpl``.
            name: Its name; that of its module and class unless given.
            source: Where it comes from.
            version: Its version, where it has one.

        Raises:
            PluginError: It is a class, has no hook or a misspelt one, has an argument that the hook does not have, or
                bears the name of a plugin that was not registered in this kernel.
        """
        self._load()
        name = name or _name_of(plugin)
        _check_hooks(plugin, name)
        earlier = self._plugins.get(name)
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
            raise PluginError(f"the plugin {name!r} can't be registered: {_sentence(error)}") from None
        self._plugins[name] = PluginInfo(name, source, version)
        return Registration(name, lambda: self._undo(name, plugin, replaced))

    def unregister(self, plugin: Any) -> None:
        """Remove a plugin.

        Args:
            plugin: The object, or its name.

        Raises:
            PluginError: It is not registered, or it is built in.
        """
        name = plugin if isinstance(plugin, str) else self._pluggy.get_name(plugin) or _name_of(plugin)
        info = self._plugins.get(name)
        if info is None or info.error or info.source == BUILT_IN:
            names = [other.name for other in self._plugins.values() if other.source != BUILT_IN]
            why = "is built in" if info is not None and info.source == BUILT_IN else "is not registered"
            hint = did_you_mean(name, names) or f"registered: {', '.join(names) or 'none'}"
            raise PluginError(f"the plugin {name!r} {why}; {hint}")
        self._pluggy.unregister(name=name)
        del self._plugins[name]

    def content_types(self) -> tuple[type[Content], ...]:
        """Return every content type, the built-in ones first, then by name.

        Raises:
            PluginError: A plugin offers something else, or two offer the same.
        """
        offered = [(kind, info) for kind, info in self._offers("d7nb_content_types") if _is_content(kind, info)]
        _refuse_equal_names([(kind.__name__, info) for kind, info in offered], "content type")
        _refuse_equal_names([(_message_type(kind), info) for kind, info in offered], "message_type")
        built_in = [kind for kind, info in offered if info.source == BUILT_IN]
        others = [kind for kind, info in offered if info.source != BUILT_IN]
        return (*built_in, *sorted(others, key=lambda kind: kind.__name__))

    def filters(self) -> tuple[FilterEntry, ...]:
        """Return every registered filter and the plugin that it comes from, by stage and name.

        Raises:
            PluginError: A plugin offers something else, or two offer the same name.
        """
        offered = [(offer, info) for offer, info in self._offers("d7nb_filters") if _is_filter(offer, info)]
        _refuse_equal_names([(row_filter.name, info) for row_filter, info in offered], "filter")
        entries = [FilterEntry(row_filter, f"plugin {info.name} ({info.source})") for row_filter, info in offered]
        return in_order(entries)

    def after_send(self, delivery: Delivery) -> list[str]:
        """Call every plugin's ``d7nb_after_send``, and return a sentence for each that raised an error."""
        failures = []
        for impl, info in self._impls("d7nb_after_send"):
            try:
                _call(impl, delivery=delivery)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (an observer must not lose a delivery)
                failures.append(f"the plugin {info.name!r} ({info.source}) failed after the send: {_sentence(error)}")
                log.warning(failures[-1])
        return failures

    def table(self) -> pd.DataFrame:
        """List every plugin with name, version, source, hooks and status (active, or why it is not)."""
        self._load()
        rows = [
            {
                "name": info.name,
                "version": info.version,
                "source": info.source,
                "hooks": ", ".join(sorted(_hooks_of(self._pluggy.get_plugin(info.name)))),
                "status": info.error or "active",
            }
            for info in self._plugins.values()
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS), dtype="str")

    def _offers(self, hook: str) -> Iterator[tuple[Any, PluginInfo]]:
        """Yield everything that the plugins offer through a hook, with the plugin that it comes from."""
        for impl, info in self._impls(hook):
            try:
                offers = list(_call(impl))
            except Exception as error:
                message = f"the plugin {info.name!r} ({info.source}) failed in {hook}: {_sentence(error)}"
                raise PluginError(message) from error
            yield from ((offer, info) for offer in offers)

    def _impls(self, hook: str) -> list[tuple[pluggy.HookImpl, PluginInfo]]:
        self._load()
        impls = getattr(self._pluggy.hook, hook).get_hookimpls()
        return sorted(((impl, self._plugins[impl.plugin_name]) for impl in impls), key=lambda pair: pair[1].name)

    def _undo(self, name: str, plugin: Any, replaced: Any) -> None:
        if self._pluggy.get_plugin(name) is plugin:
            self.unregister(name)
            if replaced is not None:
                self.register(replaced, name)

    def _load(self) -> None:
        """Register the built-in plugins, then those of packages, once; one that fails does not stop the others."""
        if not self._built_in:
            self._built_in = True
            for name, plugin in PLUGINS.items():
                self.register(plugin, name, source=BUILT_IN)
        if not self._discovered:
            self._discovered = True
            allowed = os.environ.get(ALLOWED)
            names = None if allowed is None else {name.strip() for name in allowed.split(",")}
            for point in sorted(entry_points(group=hookspecs.GROUP), key=lambda point: point.name):
                if names is None or point.name in names:
                    self._load_package(point)

    def _load_package(self, point: EntryPoint) -> None:
        source = point.dist.name if point.dist else point.value
        version = point.dist.version if point.dist else ""
        try:
            self.register(point.load(), point.name, source=source, version=version)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a broken package must not stop the others)
            name = point.name if point.name not in self._plugins else f"{point.name} ({source})"
            self._plugins[name] = PluginInfo(name, source, version, f"broken: {_sentence(error)}")
            log.warning("the plugin %r of %s can't be used: %s", point.name, source, _sentence(error))


def in_order(filters: list[FilterEntry]) -> tuple[FilterEntry, ...]:
    """Sort filters by stage and name."""
    return tuple(sorted(filters, key=lambda entry: (STAGES.index(entry.row_filter.stage), entry.row_filter.name)))


def _name_of(plugin: Any) -> str:
    if inspect.ismodule(plugin):
        return plugin.__name__
    plugin_class = plugin if inspect.isclass(plugin) else type(plugin)
    return f"{plugin_class.__module__}.{plugin_class.__qualname__}"


def _hooks_of(plugin: Any) -> list[str]:
    return [name for name in dir(plugin) if name.startswith("d7nb_")] if plugin is not None else []


def _check_hooks(plugin: Any, name: str) -> None:
    if inspect.isclass(plugin):
        message = f"{plugin.__qualname__} is a class; register an instance: {plugin.__qualname__}()"
        raise PluginError(message)
    plugin_hooks = _hooks_of(plugin)
    for hook in plugin_hooks:
        if hook not in HOOKS:
            hint = did_you_mean(hook, HOOKS) or f"hooks are {', '.join(HOOKS)}"
            raise PluginError(f"the plugin {name!r}: there is no hook {hook!r}; {hint}")
        if not hasattr(getattr(plugin, hook), f"{hookspecs.GROUP}_impl"):
            raise PluginError(f"the plugin {name!r}: mark {hook} with @d7nb.hookimpl")
    if not plugin_hooks:
        raise PluginError(f"the plugin {name!r} has no hook; hooks are {', '.join(HOOKS)}")


def _is_content(kind: Any, info: PluginInfo) -> bool:
    if inspect.isclass(kind) and issubclass(kind, Content) and kind.message_type:
        return True
    wanted = "a content type is a subclass of Content with a message_type"
    raise PluginError(f"the plugin {info.name!r} offers {kind!r}, but {wanted}")


def _is_filter(offer: Any, info: PluginInfo) -> bool:
    if isinstance(offer, RowFilter) and offer.name:
        return bool(checked_stage(offer.name, offer.stage))
    wanted = "a filter is a RowFilter, or a function marked with d7nb.row_filter(register=False)"
    raise PluginError(f"the plugin {info.name!r} offers {offer!r}, but {wanted}")


def _message_type(kind: type[Content]) -> str:
    """Return D7's message type, and the type below it where the content has one: ``INTERACTIVE/button``."""
    return "/".join(filter(None, (kind.message_type, str(kind.constants.get("type", "")))))


def _refuse_equal_names(offers: list[tuple[str, PluginInfo]], what: str) -> None:
    offered_by: dict[str, PluginInfo] = {}
    for name, info in offers:
        if name in offered_by:
            other = offered_by[name]
            sources = f"{other.name} ({other.source}) and {info.name} ({info.source})"
            raise PluginError(f"two plugins offer the {what} {name!r}: {sources}; remove one of them")
        offered_by[name] = info


def _call(impl: pluggy.HookImpl, **given: Any) -> Any:
    if os.environ.get(TRACE) == "1":
        log.warning("%s of %s", impl.function.__name__, impl.plugin_name)
    return impl.function(*(given[name] for name in impl.argnames))


def _sentence(error: BaseException) -> str:
    return mask_text(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
