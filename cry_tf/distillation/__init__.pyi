from . import schedule
from .distiller import Distiller
from .features import FeatureMatching
from .teacher_cache import TeacherCache, TeacherLogits

__all__ = [
    "Distiller",
    "FeatureMatching",
    "TeacherCache",
    "TeacherLogits",
    "schedule",
]
