from . import (
    augment,
    compressing,
    data,
    distillation,
    evaluation,
    layers,
    losses,
    models,
    synthesis,
    training,
)
from .distillation.distiller import Distiller
from .exporting import export
from .models.cry_classifier import CryClassifier
from .models.cry_detector import CryDetector
from .tagging import Tagger

__version__: str

__all__ = [
    "CryClassifier",
    "CryDetector",
    "Distiller",
    "Tagger",
    "__version__",
    "augment",
    "compressing",
    "data",
    "distillation",
    "evaluation",
    "export",
    "layers",
    "losses",
    "models",
    "synthesis",
    "training",
]
