"""Plugins: content types, filters and observers of deliveries, built in or from anyone.

    d7nb.plugins.register(obj)     register a plugin; also as ``with d7nb.plugins.register(obj): ...``
    d7nb.plugins.unregister(obj)   remove it
    d7nb.plugins.table()           list the plugins, where they come from, and whether they work

The hooks and their examples are in `d7nb.plugins.hookspecs`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
