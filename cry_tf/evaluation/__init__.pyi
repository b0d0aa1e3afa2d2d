from .calibration import Calibration, calibrate
from .detection import OperatingPoint, operating_point
from .judgement import Evaluation, judge
from .metrics import Metrics, measure
from .predictions import Predictions
from .report import Report, render
from .scorer import Scorer, load_scorer

__all__ = [
    "Calibration",
    "Evaluation",
    "Metrics",
    "OperatingPoint",
    "Predictions",
    "Report",
    "Scorer",
    "calibrate",
    "judge",
    "load_scorer",
    "measure",
    "operating_point",
    "render",
]
