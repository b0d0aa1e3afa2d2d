from .detection import OperatingPoint, operating_point
from .judgement import Evaluation, judge
from .metrics import Metrics, measure
from .report import Report, render
from .score_calibration import Calibration, calibrate
from .scorer import Scorer, load_scorer

__all__ = [
    "Calibration",
    "Evaluation",
    "Metrics",
    "OperatingPoint",
    "Report",
    "Scorer",
    "calibrate",
    "judge",
    "load_scorer",
    "measure",
    "operating_point",
    "render",
]
