from .progress import NoProgress, Progress
from .run_folder import RunFolder

__all__ = ["Progress", "RunFolder", "NoProgress"]
