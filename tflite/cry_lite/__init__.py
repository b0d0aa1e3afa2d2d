"""Hears a baby cry on a small device: specs, decisions and the LiteRT runtime.

This floor needs numpy, LiteRT, soundfile and soxr. It never imports TensorFlow.
"""

__version__ = "0.1.0.dev0"
