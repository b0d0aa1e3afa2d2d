"""Trains, distils and exports models that detect a baby's crying.

Importing this package loads neither Keras nor TensorFlow; the first use of a name
loads what it needs. `import cry_tf` also registers the package's classes, so
`keras.saving.load_model("cry.keras")` reads a saved model.
"""

from cry_hub.requirements import lazy_names
from cry_lite import __version__
from cry_tf import registration

__getattr__, __dir__, __all__ = lazy_names(
    __name__, __file__, without_keras=("augment", "data", "evaluation", "synthesis")
)
__all__ += ["__version__"]

registration.install()
