"""The hooks: functions that a plugin may have. d7nb decides when and in which order they are called.

A plugin is any object (a module, an instance) with functions of these names that are marked with ``@d7nb.hookimpl``.
Register it in a cell with ``d7nb.plugins.register(...)``, or ship it in a package with an entry point in the group
``d7nb``. A function may leave out arguments that it does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d7nb.content.schema.part import Content
    from d7nb.delivery.delivery import Delivery
    from d7nb.filters.base import RowFilter

GROUP = "d7nb"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def d7nb_content_types() -> Iterable[type[Content]]:
    """Offer content types. Each declares its fields; payload, checks, preview and form are made from that.

    Returns:
        Subclasses of `d7nb.content.Content` with a ``message_type``.

    Example:
        >>> import d7nb
        >>> from d7nb.content import Content, leaf
        >>> class Poll(Content, message_type="POLL", root="poll"):
        ...     question: str = leaf("question")
        >>> class PollPlugin:
        ...     @d7nb.hookimpl
        ...     def d7nb_content_types(self):
        ...         return [Poll]
        >>> with d7nb.plugins.register(PollPlugin()):
        ...     Poll in d7nb.plugins.content_types()
        True
    """
    return ()


@hookspec
def d7nb_filters() -> Iterable[RowFilter]:
    """Offer pre-send filters. Each runs once per plan, on the whole frame of the rows that are ready.

    Returns:
        Filters, such as ``row_filter`` makes of functions.

    Example:
        >>> import d7nb
        >>> @d7nb.row_filter(register=False)
        ... def no_minors(rows):
        ...     return (rows["age"] < 18).map({True: "under 18"})
        >>> class Policy:
        ...     @d7nb.hookimpl
        ...     def d7nb_filters(self):
        ...         return [no_minors]
        >>> with d7nb.plugins.register(Policy()):
        ...     [row_filter.name for row_filter in d7nb.plugins.filters()]
        ['duplicates', 'no_minors']
    """
    return ()


@hookspec
def d7nb_after_send(delivery: Delivery) -> None:
    """Look at a delivery when its send is over. An error that this raises becomes a warning of the delivery.

    Args:
        delivery: Every row with its outcome.

    Example:
        >>> import pandas as pd, d7nb
        >>> class Tally:
        ...     @d7nb.hookimpl
        ...     def d7nb_after_send(self, delivery):
        ...         self.accepted = delivery.summary["accepted"]
        >>> people = pd.DataFrame({"phone": ["+12025550123"]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
        >>> tally = Tally()
        >>> with d7nb.plugins.register(tally), d7nb.Sandbox() as sandbox:
        ...     _ = plan.send(sandbox.client(), progress=False)
        >>> tally.accepted
        1
    """
