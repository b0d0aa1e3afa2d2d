"""Files that version 0.1.0 wrote load, and score as they did when they were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cry_tf.evaluation.scorer import load_scorer

FOLDER = Path(__file__).parents[1] / "fixtures" / "before_rebuild"
EXPECTED = json.loads((FOLDER / "expected.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def waveforms() -> dict[str, np.ndarray]:
    """Three seconds at 16 kHz, one window of every model, loud to the end."""
    seconds = np.arange(48_000) / 16_000
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, 48_000)
    chirp = 0.4 * np.sin(2 * np.pi * (300 * seconds + 150 * seconds**2))
    return {"noise": noise.astype(np.float32), "chirp": chirp.astype(np.float32)}


def test_every_file_of_the_folder_has_expected_scores():
    written = {path.name for path in FOLDER.iterdir()} - {"expected.json", "README.md"}

    assert written == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_earlier_file_scores_as_when_it_was_written(name, waveforms):
    scorer = load_scorer(FOLDER / name)

    assert list(scorer.spec.labels) == EXPECTED[name]["labels"]
    # Other processors and library versions round float32 sums differently; int8
    # weights quantise their inputs on the fly, which can turn one such rounding
    # into a step of 1/255.
    tolerance = 0.01 if name.endswith("dynamic.tflite") else 1e-4
    for sound, expected in EXPECTED[name]["scores"].items():
        scores = np.asarray(scorer.score(waveforms[sound]))
        np.testing.assert_allclose(scores, expected, atol=tolerance, err_msg=sound)


@pytest.mark.parametrize(
    "name", [name for name in EXPECTED if not name.endswith(".tflite")]
)
def test_an_earlier_run_says_how_it_was_trained(name):
    from cry_tf.runs.run_folder import RunFolder

    run = RunFolder.open(FOLDER / name)

    assert run.config["settings"]["backbone"] == "ds_cnn_s"
    assert run.config["data"]["clips"] > 0
