from .artefact import Artefact
from .checked_export import export
from .errors import ConversionError, FallbackWarning
from .parity import ParityError, ParityReport
from .quantization_recipe import RECIPES, QuantizationRecipe

__all__ = [
    "RECIPES",
    "Artefact",
    "ConversionError",
    "FallbackWarning",
    "ParityError",
    "ParityReport",
    "QuantizationRecipe",
    "export",
]
