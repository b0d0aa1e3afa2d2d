"""Trains, distils and exports networks that hear babies cry.

Importing this package loads neither Keras nor TensorFlow: each name does when it
is first used. A model saved with Keras loads with
`import cry_tf; keras.saving.load_model("cry.keras")`.
"""

from typing import Any

from cry_hub.requirements import check_keras
from cry_lite import __version__
from cry_tf import registration

try:
    import lazy_loader
except ModuleNotFoundError:
    # The device runtime alone: `check_keras` has the words.
    _load, __dir__, __all__ = None, list, []
else:
    # The names are those that __init__.pyi imports.
    _load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]

# What is used without Keras too, say to look at data with another backend.
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
