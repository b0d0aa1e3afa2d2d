"""Trains, distils and exports networks that hear babies cry.

Importing this package loads neither Keras nor TensorFlow: each name does when it
is first used. A model saved with Keras loads with
`import cry_tf; keras.saving.load_model("cry.keras")`.
"""

from cry_lite import __version__
from cry_tf import registration

try:
    import lazy_loader
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "cry_tf trains and exports models and needs more than the device runtime "
        '(cry_lite). Install it: pip install "cry-tf[train]"',
        name=error.name,
    ) from error

# The names are those that __init__.pyi imports.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]

registration.install()
