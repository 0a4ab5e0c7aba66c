"""Send WhatsApp messages from a pandas table through D7 Networks.

    import d7nb
    from d7nb import Text

    people = d7nb.read_table("customers.csv")
    plan = people.d7.plan(Text("Hi {name}"), to="phone", originator="+971500000000", campaign="hello")
    delivery = plan.send(d7nb.Client())
    delivery.frame

Names are imported when they are first used, so that importing d7nb costs little more than importing pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from d7nb import accessor as _accessor  # noqa: F401  (registers frame.d7)

if TYPE_CHECKING:
    from d7nb.api.client import Client
    from d7nb.api.error_codes import reasons
    from d7nb.content import (
        AddressMessage,
        Attachment,
        Contact,
        Contacts,
        CtaUrl,
        Flow,
        Header,
        ListMessage,
        Location,
        LocationRequest,
        Reaction,
        ReplyButtons,
        Template,
        Text,
        col,
    )
    from d7nb.content.assignment import by_column
    from d7nb.delivery.delivery import Delivery
    from d7nb.errors import D7Error
    from d7nb.ledger import Ledger
    from d7nb.planning.plans import Plan, plan
    from d7nb.plugins.hookspecs import hookimpl
    from d7nb.plugins.row_filter import row_filter
    from d7nb.privacy import options
    from d7nb.recipients.check import check_numbers
    from d7nb.sandbox import Sandbox
    from d7nb.tables.reader import read_table

__all__ = [
    "AddressMessage",
    "Attachment",
    "Client",
    "Contact",
    "Contacts",
    "CtaUrl",
    "D7Error",
    "Delivery",
    "Flow",
    "Header",
    "Ledger",
    "ListMessage",
    "Location",
    "LocationRequest",
    "Plan",
    "Reaction",
    "ReplyButtons",
    "Sandbox",
    "Template",
    "Text",
    "by_column",
    "check_numbers",
    "col",
    "hookimpl",
    "options",
    "plan",
    "read_table",
    "reasons",
    "row_filter",
]

_HOMES = {
    "d7nb.api.client": "Client",
    "d7nb.content": "AddressMessage Attachment Contact Contacts CtaUrl Flow Header ListMessage Location "
    "LocationRequest Reaction ReplyButtons Template Text col",
    "d7nb.delivery.delivery": "Delivery",
    "d7nb.errors": "D7Error",
    "d7nb.ledger": "Ledger",
    "d7nb.content.assignment": "by_column",
    "d7nb.planning.plans": "Plan plan",
    "d7nb.plugins.hookspecs": "hookimpl",
    "d7nb.plugins.row_filter": "row_filter",
    "d7nb.tables.reader": "read_table",
    "d7nb.recipients.check": "check_numbers",
    "d7nb.sandbox": "Sandbox",
    "d7nb.privacy": "options",
    "d7nb.api.error_codes": "reasons",
}
_ROOMS = {"errors", "events", "filters", "plugins", "testing"}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from d7nb.version import version  # noqa: PLC0415

        return version()
    if name in _ROOMS:
        return import_module(f"d7nb.{name}")
    if name not in _HOME_OF:
        message = f"module 'd7nb' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__, *_ROOMS]
