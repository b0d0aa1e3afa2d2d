from . import (
    augment,
    compressing,
    data,
    evaluation,
    layers,
    losses,
    models,
    synthesis,
    training,
)
from .exporting import export
from .models.cry_classifier import CryClassifier
from .models.cry_detector import CryDetector

__version__: str

__all__ = [
    "CryClassifier",
    "CryDetector",
    "__version__",
    "augment",
    "compressing",
    "data",
    "evaluation",
    "export",
    "layers",
    "losses",
    "models",
    "synthesis",
    "training",
]
