from .progress import Listener, Silence
from .run_folder import RunFolder

__all__ = ["Listener", "RunFolder", "Silence"]
