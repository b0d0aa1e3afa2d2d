"""Recordings that a small network can tell apart, and weights for it."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

RATE_HZ = 16_000


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """High and low tones of six infants each, two clips an infant."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    for label, pitch_hz in (("hungry", 500), ("tired", 2000)):
        for infant in range(6):
            for take in range(2):
                time_s = np.arange(RATE_HZ // (1 + take)) / RATE_HZ
                wave = 0.3 * np.sin(2 * np.pi * (pitch_hz + 20 * infant) * time_s)
                wave += rng.normal(0, 0.01, len(wave))
                path = folder / label / f"{label}{infant}" / f"{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, wave, RATE_HZ)
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Random weights of a small backbone: the quick recipe asks for a file."""
    import keras

    import cry_hub

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("weights") / "ds_cnn_s.npz"
    return cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), path)
