from . import schedule
from .distiller import Distiller
from .tap import FeatureMatching
from .teacher_cache import TeacherCache, TeacherLogits

__all__ = [
    "Distiller",
    "FeatureMatching",
    "TeacherCache",
    "TeacherLogits",
    "schedule",
]
