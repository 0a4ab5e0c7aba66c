"""Send WhatsApp messages from a pandas table through D7 Networks.

    import d7nb
    from d7nb import Text

    people = d7nb.read_table("customers.csv")
    plan = people.d7.plan(Text("Hi {name}"), to="phone", originator="+971500000000", campaign="hello")
    delivery = plan.send(d7nb.Client())
    delivery.frame

Names are imported when they are first used, so that importing d7nb costs little more than importing pandas. They are
declared in ``__init__.pyi``, once, for type checkers and for this file.
"""

from typing import Any

import lazy_loader

import d7nb.accessor  # noqa: F401  (registers frame.d7)

_ROOMS = {"content", "errors", "events", "filters", "plugins", "testing"}

_load, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [name for name in _names if name not in _ROOMS]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from d7nb.version import version  # noqa: PLC0415  (slow to import, seldom asked)

        return version()
    if name not in _names:
        message = f"module 'd7nb' has no attribute {name!r}"
        raise AttributeError(message)
    return _load(name)
