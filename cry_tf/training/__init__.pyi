from . import recipe
from .experiment import train
from .listener import Listener, Silence
from .recipe_record import Recipe
from .run import RunFolder
from .settings import Settings

__all__ = [
    "Listener",
    "Recipe",
    "RunFolder",
    "Settings",
    "Silence",
    "recipe",
    "train",
]
