from . import recipe, train
from .recipe import Recipe
from .settings import Settings

__all__ = ["Recipe", "Settings", "recipe", "train"]
