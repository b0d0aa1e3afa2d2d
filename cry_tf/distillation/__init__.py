"""Distillation: a large teacher trains a small student.

`Distiller` trains, `TeacherCache` keeps on disk the logits of a teacher for each clip
and augmented copy, `FeatureMatching` adds its embedding, `schedule` lets
temperature and alpha follow a schedule.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
