"""Pretrained audio backbones as native Keras 3 models, with checked weights.

Importing this package loads no framework; the first use of a name does.
"""

from cry_hub.requirements import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__, __file__, without_keras=("Preset", "WeightsError", "presets")
)
