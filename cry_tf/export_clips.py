"""The clips that a file is compared on, and those that `int8` learns ranges from."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset

if TYPE_CHECKING:
    from cry_tf.runs.run_folder import RunFolder

# Each clip runs through both models; more clips change the figures little.
MAX_CHECK_CLIPS = 100
MAX_CHECK_SECONDS = 30.0
# The fewest give ranges that change little; all say which layers stay float.
_FEWEST_REPRESENTATIVE, _MOST_REPRESENTATIVE = 64, 192
MAX_REPRESENTATIVE_SECONDS = 5.0


class SkippedClipsWarning(UserWarning):
    """Some of the clips to compare on could not be read."""


def run_clips(run: RunFolder) -> Dataset:
    """Returns the clips that a run was trained on, to compare a file on them.

    Args:
        run: A finished run.

    Raises:
        ValueError: If none of them is where it was.
    """
    predictions = run.predictions()
    data = run.config["data"]
    origin = Path(data["origin"]).expanduser()
    folder = origin if origin.is_dir() else origin.parent
    if data.get("folder"):
        # Told from the run, or absolute; a run behind a link keeps its neighbours.
        folder = Path(os.path.normpath(run.path.absolute() / data["folder"]))
    clips = tuple(
        Clip(folder / name, predictions.labels[label], group, name=name)
        for name, label, group in zip(
            predictions.files, predictions.truth, predictions.groups, strict=True
        )
        if (folder / name).is_file()
    )
    if not clips:
        raise ValueError(
            "The clips that the model was trained on must be there to compare it on. "
            f"Found none of {len(predictions.files)} at {folder}. Give others with "
            "--check DATA, and for int8 those that set its ranges with "
            "--representative DATA."
        )
    return Dataset(clips, predictions.labels)


def representative_clips(
    clips: Any, sample_rate_hz: int, seed: int
) -> tuple[Dataset | None, list[np.ndarray]]:
    """Draws the clips that `int8` learns from, if they are a dataset.

    Returns:
        The clips that were drawn, or None for waveforms, and the first seconds of
        each, float32 `(samples,)`.
    """
    if isinstance(clips, Dataset):
        # The rest is left to compare the file on.
        count = min(max(_FEWEST_REPRESENTATIVE, len(clips) // 3), _MOST_REPRESENTATIVE)
        return decode(clips, sample_rate_hz, count, MAX_REPRESENTATIVE_SECONDS, seed)
    samples = round(MAX_REPRESENTATIVE_SECONDS * sample_rate_hz)
    return None, [clip[:samples] for clip in clips]


def not_in(check: Dataset, drawn: Dataset) -> Dataset:
    """Leaves out the clips that the ranges come from, if as many others are left."""
    paths = {clip.path for clip in drawn.clips}
    rest = [i for i, clip in enumerate(check.clips) if clip.path not in paths]
    return check.subset(rest) if len(rest) >= len(drawn) else check


def decode(
    dataset: Dataset,
    sample_rate_hz: int,
    max_clips: int,
    max_seconds: float,
    seed: int = 0,
) -> tuple[Dataset, list[np.ndarray]]:
    """Draws clips and decodes them; warns of those that cannot be read."""
    chosen = dataset.subset(evenly(dataset.label_indices, max_clips, seed))
    pairs = list(
        chosen.waveforms(sample_rate_hz, on_error="skip", max_seconds=max_seconds)
    )
    if chosen.problems:
        warnings.warn(
            f"{len(chosen.problems)} of {len(chosen)} check clips were left out: "
            f"{chosen.problems[0].sentence}",
            SkippedClipsWarning,
            stacklevel=3,
        )
    read = chosen.without(problem.clip for problem in chosen.problems)
    return read, [waveform for _, waveform in pairs]


def evenly(label_indices: np.ndarray, limit: int, seed: int = 0) -> np.ndarray:
    """Draws clips label by label in turn, for one seed always the same ones."""
    rng = np.random.default_rng(seed)
    turn = np.empty(len(label_indices), int)
    for label in np.unique(label_indices):
        clips = rng.permutation(np.flatnonzero(label_indices == label))
        turn[clips] = np.arange(len(clips))
    return np.sort(np.argsort(turn, kind="stable")[:limit])
