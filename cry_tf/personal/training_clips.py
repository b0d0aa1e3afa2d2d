"""The clips that a run was trained on, as far as they can be found again."""

from __future__ import annotations

from typing import Any

import numpy as np

from cry_tf import export_clips
from cry_tf.data.dataset import Dataset
from cry_tf.runs.provenance import short_digests
from cry_tf.runs.run_folder import RunFolder


def heard_before(run: RunFolder, dataset: Dataset) -> np.ndarray:
    """Returns which clips the run was trained on, bool `(clips,)`."""
    known = frozenset(run.config["data"].get("clip_digests", ()))
    return np.array([digest in known for digest in short_digests(dataset)], bool)


def find(run: RunFolder, why: str) -> Dataset:
    """Returns the clips of a run's training, by where they were.

    Args:
        run: The run.
        why: What they are needed for, and what else would do, for the error.

    Raises:
        ValueError: If most of them are gone or others stand in their place.
    """
    config: dict[str, Any] = run.config["data"]
    try:
        dataset = export_clips.run_clips(run)
    except ValueError as error:
        raise ValueError(f"{why} {error}") from error
    known = heard_before(run, dataset)
    if 2 * int(known.sum()) < config["clips"]:
        raise ValueError(
            f"{why} Of the {config['clips']} clips that {run.path} was trained on, "
            f"{int(known.sum())} are still at {config['origin']}."
        )
    return dataset.subset(np.flatnonzero(known))
