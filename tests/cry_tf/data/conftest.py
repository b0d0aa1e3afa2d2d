"""Fixtures that write small labelled sets of recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, rng: np.random.Generator) -> Write:
    """Writes a sound file below tmp_path, noise unless a waveform is given."""

    def write_one(name, waveform=None, seconds=0.2, rate_hz=16_000, subtype=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if waveform is None:
            waveform = rng.uniform(-0.5, 0.5, round(seconds * rate_hz))
        soundfile.write(path, waveform, rate_hz, subtype=subtype)
        return path

    return write_one


@pytest.fixture
def make_dataset() -> Callable[[dict[str, list[str]]], Dataset]:
    """Makes a dataset without files: label -> groups, one clip for each."""

    def make(groups_by_label):
        clips = tuple(
            Clip(Path(f"{label}/{number}.wav"), label, group)
            for label, groups in groups_by_label.items()
            for number, group in enumerate(groups)
        )
        return Dataset(clips, tuple(groups_by_label))

    return make
