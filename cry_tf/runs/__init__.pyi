from .predictions import Predictions
from .progress import NoProgress, Progress
from .run_folder import RunFolder

__all__ = ["Predictions", "Progress", "RunFolder", "NoProgress"]
