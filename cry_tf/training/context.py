"""Progress, caches, checkpoint and devices of a run; none of them changes a figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cry_tf.data import EmbeddingCache
from cry_tf.runs.checkpoint import Checkpoint
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.training.devices import ONE_DEVICE, Devices


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What every step of a run gets besides the result of the step before.

    Attributes:
        progress: Takes lines, warnings, tables and progress bars. Default: ignores
            them.
        embeddings: Cache of what frozen backbones compute. Default: the user's.
        checkpoint: Keeps finished folds and epochs, so that a killed run can
            continue. None keeps nothing.
        devices: Where layers are trained. Default: one device.
        maps_dir: Where feature maps are kept. Default: beside the checkpoint, or in a
            temporary folder without one.
        tensorboard: Folder for TensorBoard's logs, or None.
        origin: Where the data came from, for the record.
    """

    progress: Progress = field(default_factory=NoProgress)
    embeddings: EmbeddingCache = field(default_factory=EmbeddingCache)
    checkpoint: Checkpoint | None = None
    devices: Devices = ONE_DEVICE
    maps_dir: Path | None = None
    tensorboard: Path | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        """Keeps feature maps beside the checkpoint if no folder is given."""
        if self.maps_dir is None and self.checkpoint is not None:
            object.__setattr__(self, "maps_dir", self.checkpoint.maps)
