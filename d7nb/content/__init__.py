"""The content types, one file each, and what a plugin's own type is declared with.

Subclass `Content`, and give each field with `leaf`, `nested`, `items` or `free`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
