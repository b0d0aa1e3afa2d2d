"""Trains, distils and exports models that detect a baby's crying.

Importing this package loads neither Keras nor TensorFlow; the first use of a name
loads what it needs. `import cry_tf` also registers the package's classes, so
`keras.saving.load_model("cry.keras")` reads a saved model.
"""

from typing import Any

from cry_hub.requirements import check_keras
from cry_lite import __version__
from cry_tf import registration

try:
    import lazy_loader
except ModuleNotFoundError:
    # Only cry_lite's requirements are installed: `check_keras` says what to install.
    _load, __dir__, __all__ = None, list, []
else:
    # The names are those that __init__.pyi imports.
    _load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]

# Usable without Keras.
_WITHOUT_KERAS = ("augment", "data", "evaluation", "synthesis")


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    is_public = name in __all__ or (_load is None and not name.startswith("__"))
    if is_public and name not in _WITHOUT_KERAS:
        check_keras()
    if _load is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _load(name)


registration.install()
