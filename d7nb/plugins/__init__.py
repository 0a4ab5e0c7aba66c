"""Plugins: content types, filters and observers, the built-in ones and everyone's.

    d7nb.plugins.register(obj)     take a plugin in; also as ``with d7nb.plugins.register(obj): ...``
    d7nb.plugins.unregister(obj)   take it out
    d7nb.plugins.table()           who is there, from where, and whether it works

The hooks and their examples are in `d7nb.plugins.hookspecs`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
