"""Training: recipes, cross-validation by group, and the run folder it ends in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
