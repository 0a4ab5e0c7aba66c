"""The built-in pre-send filters. Give them to ``filters=``; `Duplicates` is in every plan.

`people` has the filters by recipient, `times` those by time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
