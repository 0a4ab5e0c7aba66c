"""The built-in pre-send filters. Give them to ``filters=``; `Duplicates` is in every plan.

`people` has those that ask who it is, `times` those that ask when it is.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
