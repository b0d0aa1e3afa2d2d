"""Distillation: a small student keeps what a large teacher knows.

`Distiller` trains, `TeacherCache` keeps on disk what a teacher makes of each clip
and augmented copy, `FeatureMatching` adds its embedding, `schedule` lets
temperature and alpha follow a course.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
