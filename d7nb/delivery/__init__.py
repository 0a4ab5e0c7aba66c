"""What became of a plan: send it, ask D7 about it, join the answers back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
