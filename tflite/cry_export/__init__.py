"""Writes TFLite files and checks that they give the same scores as the Keras model.

TensorFlow is imported when an export starts, not with this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
