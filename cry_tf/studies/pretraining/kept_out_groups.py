"""Which clips a pretraining uses, and which it keeps out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from cry_tf.data.dataset import Dataset


def is_held_out(group: str, one_in: int) -> bool:
    """Returns whether a group is kept out; it depends on its name alone."""
    digest = hashlib.sha256(group.encode()).hexdigest()
    return int(digest[:12], 16) % one_in == 0


def parts(dataset: Dataset, one_in: int) -> tuple[Dataset, Dataset]:
    """Returns the clips to train on, and those kept out, by whole groups.

    Args:
        dataset: The clips.
        one_in: One group of so many is kept out, at least 2.

    Raises:
        ValueError: If `one_in` is less than 2 or a side is empty.
    """
    if one_in < 2:
        raise ValueError(f"hold_out must be at least 2. Received: {one_in}.")
    is_out = np.array([is_held_out(clip.group, one_in) for clip in dataset.clips])
    if is_out.all() or not is_out.any():
        raise ValueError(
            f"One group in {one_in} is kept out. Of {len(set(dataset.groups))} groups "
            "that leaves a side without clips: take more recordings."
        )
    return dataset.subset(np.flatnonzero(~is_out)), dataset.subset(
        np.flatnonzero(is_out)
    )


def names_sha256(names: Iterable[str]) -> str:
    """Returns one digest of the names of clips, whatever their order."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
