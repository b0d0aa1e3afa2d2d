from .alarm_curve import AlarmCurve, AnnotatedRecording
from .detection import OperatingPoint, operating_point
from .event_figures import EventFigures, measure_events
from .event_judgement import EventEvaluation, judge_events
from .judgement import Evaluation, judge
from .metrics import Metrics, measure
from .report import Report, render
from .score_calibration import Calibration, calibrate
from .scorer import Scorer, load_scorer

__all__ = [
    "AlarmCurve",
    "AnnotatedRecording",
    "Calibration",
    "Evaluation",
    "EventEvaluation",
    "EventFigures",
    "Metrics",
    "OperatingPoint",
    "Report",
    "Scorer",
    "calibrate",
    "judge",
    "judge_events",
    "load_scorer",
    "measure",
    "measure_events",
    "operating_point",
    "render",
]
