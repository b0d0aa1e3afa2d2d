"""Sets and a paper so small that a test can run its rows."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from cry_tf.papers import papers
from cry_tf.studies.reproduce.budget import TrainingBudget

RATE_HZ = 16_000


def write_tone(path, pitch_hz, rng):
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s) + rng.normal(
        0, 0.01, len(time_s)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE_HZ)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def betraying(tmp_path_factory):
    """Infants with a pitch and one label each: pitch says who, and so the label."""
    folder = tmp_path_factory.mktemp("betraying")
    rng = np.random.default_rng(0)
    pitches = rng.permutation(np.geomspace(300, 5000, 12))
    for infant, pitch_hz in enumerate(pitches):
        label = ("hunger", "tiredness")[infant % 2]
        for take in range(8):
            write_tone(folder / label / f"infant{infant:02d}/{take}.wav", pitch_hz, rng)
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory):
    """Two labels that a pitch tells apart, five infants each, two clips."""
    folder = tmp_path_factory.mktemp("few")
    rng = np.random.default_rng(1)
    for label, base_hz in (("hungry", 500), ("tired", 2000)):
        for infant in range(5):
            for take in range(2):
                path = folder / label / f"{label}{infant}/{take}.wav"
                write_tone(path, base_hz + 30 * infant, rng)
    return folder


@pytest.fixture
def tiny():
    """A budget for tests."""
    return TrainingBudget("small", epochs=1, folds=2, max_seconds=0.5)


@pytest.fixture
def vggish():
    """The paper with our smallest network, trained whole."""
    return papers.with_stand_in(papers.get("vggish"), "ds_cnn_s", "full")


@pytest.fixture
def infantcrynet():
    return papers.with_stand_in(papers.get("infantcrynet"), "ds_cnn_s", "full")


@pytest.fixture
def installed(tmp_path):
    """Random weights of ds_cnn_s, where installed ones are looked for."""
    import keras

    import cry_hub
    from cry_hub.weights import store

    keras.utils.set_random_seed(0)
    path = cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), tmp_path / "w.npz")
    return store.install("ds_cnn_s", path)
