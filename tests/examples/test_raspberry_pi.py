"""The script of the Raspberry Pi example, run as its README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_lite.metadata import pack
from cry_lite.spec import DecisionSpec, ModelSpec

SCRIPT = Path(__file__).parents[2] / "examples" / "raspberry_pi" / "analyze_file.py"


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    """A `.tflite` that takes any loud sound for a cry."""
    import tensorflow as tf

    class Loudness(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
        def __call__(self, waveform):
            cry = tf.sigmoid(200.0 * (tf.reduce_mean(tf.abs(waveform), -1) - 0.05))
            return tf.stack([1.0 - cry, cry], axis=-1)

    module = Loudness()
    content = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    ).convert()
    spec = ModelSpec(
        task="detect",
        labels=("no_cry", "cry"),
        front_end=YAMNET,
        decision=DecisionSpec(window_s=1.0, hop_s=1.0),
        positive_label="cry",
    )
    path = tmp_path_factory.mktemp("model") / "cry.tflite"
    path.write_bytes(pack(content, spec, {}))
    return path


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_crying_is_printed_with_its_times(model_path, tmp_path, rng):
    loud = rng.uniform(-0.4, 0.4, 5 * 16_000)
    soundfile.write(tmp_path / "clip.wav", loud, 16_000)
    done = run(model_path, tmp_path / "clip.wav")
    assert done.returncode == 0
    assert done.stdout == "cry 0.0-5.0 s (peak 1.00)\n"


def test_silence_is_said_to_be_nothing(model_path, tmp_path):
    soundfile.write(tmp_path / "clip.wav", np.zeros(16_000), 16_000)
    assert run(model_path, tmp_path / "clip.wav").stdout == "nothing in 1.0 s\n"


def test_a_missing_file_is_a_sentence(model_path, tmp_path):
    done = run(model_path, tmp_path / "none.wav")
    assert done.returncode == 1
    assert "none.wav does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_arguments_the_usage_is_shown():
    done = run()
    assert done.returncode == 1
    assert "usage:" in done.stderr
