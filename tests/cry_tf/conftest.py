"""Recordings that a small network can tell apart, and that network made smaller."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE_HZ = 16_000

# Three blocks for the six of DS-CNN s. Tracing a training step takes as long as
# there are layers, and most of the time of a short training.
_SHALLOW = (16, ((2, 32), (2, 64), (2, 192)))
_COMMAND = (
    "import sys; from cry_hub.ds_cnn import ds_cnn;"
    f"ds_cnn.SIZES['s'] = {_SHALLOW};"
    "from cry_tf.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def write_tones(
    folder: Path, pitches_hz: dict[str, int], sources: int, takes: int
) -> Path:
    """Writes a tone in noise for each label, source and take, 1 s or less.

    The pitch of a source is 20 Hz above that of the one before it.
    """
    rng = np.random.default_rng(0)
    for label, pitch_hz in pitches_hz.items():
        for source in range(sources):
            for take in range(takes):
                time_s = np.arange(RATE_HZ // (1 + take)) / RATE_HZ
                wave = 0.3 * np.sin(2 * np.pi * (pitch_hz + 20 * source) * time_s)
                wave += rng.normal(0, 0.01, len(wave))
                path = folder / label / f"{label}{source}" / f"{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, wave, RATE_HZ)
    return folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """High and low tones of six infants each, two clips an infant; not to change."""
    folder = tmp_path_factory.mktemp("recordings")
    return write_tones(folder, {"hungry": 500, "tired": 2000}, sources=6, takes=2)


@pytest.fixture(scope="session")
def cries_and_rain(tmp_path_factory) -> Path:
    """Eight clips for a detector, each of a source of its own; not to change."""
    folder = tmp_path_factory.mktemp("cries_and_rain")
    return write_tones(folder, {"hungry": 500, "rain": 2000}, sources=4, takes=1)


@pytest.fixture(scope="module")
def shallow_student() -> Iterator[None]:
    """DS-CNN s with half its layers, for modules that train it or convert it."""
    from cry_hub.ds_cnn import ds_cnn

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ds_cnn.SIZES, "s", _SHALLOW)
        yield


@pytest.fixture(scope="module")
def weights(shallow_student, tmp_path_factory) -> Path:
    """Random weights of that network: the quick recipe asks for a file."""
    import keras

    import cry_hub

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("weights") / "ds_cnn_s.npz"
    return cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), path)


@pytest.fixture
def start_command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `cry-tf` with that network in a process of its own.

    It has as many threads as this one: with fewer, sums are rounded otherwise. What
    still runs when the test ends is killed.
    """
    with contextlib.ExitStack() as started:

        def start(
            argv: list[str], first: str = "", **options: Any
        ) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", f"{first}\n{_COMMAND}", *argv],
                **{"stderr": subprocess.DEVNULL, **options},
                stdout=subprocess.DEVNULL,
                text=True,
            )
            started.enter_context(process)  # closes its pipes
            started.callback(process.kill)
            return process

        yield start
