"""``frame.d7``: the functions of d7nb as methods of a DataFrame. It holds nothing but the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from d7nb.errors import closed_book

if TYPE_CHECKING:
    from d7nb.api.client import Client
    from d7nb.content.assignment import ByColumn
    from d7nb.content.schema.part import Content
    from d7nb.planning.plans import Plan
    from d7nb.widgets.form import ComposeForm


@pd.api.extensions.register_dataframe_accessor("d7")
class Accessor:
    """What d7nb does with a frame.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123"]})
        >>> people.d7.plan(d7nb.Text("Hello"), to="phone", originator="+12025550100").summary["ready"]
        1
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    @closed_book
    def plan(self, content: Content | ByColumn | None = None, **options: Any) -> Plan:
        """The same as ``d7nb.plan(frame, content, **options)``."""
        from d7nb.planning.plans import plan  # noqa: PLC0415  (a frame that is never planned needs none of it)

        return plan(self._frame, content, **options)

    @closed_book
    def compose(self, client: Client | None = None, content: Content | None = None, **options: Any) -> ComposeForm:
        """A form that composes a mailing from this table, see `d7nb.widgets.form.ComposeForm`.

        Args:
            client: Where to send.
            content: What to begin with.
            **options: ``to``, ``originator``, ``campaign``, ``country``, ``key``, ``schedule``, ``filters``,
                ``ledger``.
        """
        from d7nb.widgets.form import ComposeForm  # noqa: PLC0415  (nothing else needs ipywidgets)

        return ComposeForm(self._frame, client, content, **options)

    def __repr__(self) -> str:
        rows, columns = self._frame.shape
        return f"d7nb accessor of {rows:,} rows and {columns:,} columns: .plan(content, to=..., originator=...)"
