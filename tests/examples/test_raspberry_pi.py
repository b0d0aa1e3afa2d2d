"""The scripts of the Raspberry Pi example, run as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_lite.metadata import pack
from cry_lite.spec import DecisionSpec, ModelSpec

EXAMPLE = Path(__file__).parents[2] / "examples" / "raspberry_pi"

# In place of the real package: plays two seconds of silence and two of noise.
FAKE_SOUNDDEVICE = """
import numpy as np

class PortAudioError(Exception):
    pass

def check_input_settings(**_):
    pass

class InputStream:
    def __init__(self, samplerate, **_):
        noise = np.random.default_rng(0).uniform(-0.4, 0.4, 2 * samplerate)
        silence = np.zeros(2 * samplerate)
        self.waveform = np.concatenate([silence, noise]).astype(np.float32)

    def start(self):
        pass

    def close(self):
        pass

    def read(self, frames):
        if not len(self.waveform):
            raise PortAudioError("Device unavailable")
        block, self.waveform = self.waveform[:frames], self.waveform[frames:]
        return block[:, None], False
"""


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


def run(
    *args: object, script: str = "analyze_file.py", modules: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a script; `modules` is a folder to import from before any other."""
    paths = [str(modules)] if modules else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return subprocess.run(
        [sys.executable, str(EXAMPLE / script), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
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
    assert "none.wav" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_arguments_the_usage_is_shown():
    done = run()
    assert done.returncode == 1
    assert "usage:" in done.stderr


def test_listening_says_when_crying_starts_and_ends(model_path, tmp_path, rng):
    waveform = rng.uniform(-0.4, 0.4, 6 * 16_000)
    waveform[: 2 * 16_000] = waveform[4 * 16_000 :] = 0.0
    soundfile.write(tmp_path / "clip.wav", waveform, 16_000)
    done = run(model_path, tmp_path / "clip.wav", script="listen.py")
    assert done.returncode == 0
    assert done.stdout == "3.0 s: crying (1.00)\n5.0 s: quiet (0.00)\n"


def test_listening_hears_the_microphone(model_path, tmp_path):
    (tmp_path / "sounddevice.py").write_text(FAKE_SOUNDDEVICE)
    done = run(model_path, script="listen.py", modules=tmp_path)
    assert done.stdout == "listening, stop with Ctrl-C\n3.0 s: crying (1.00)\n"
    assert done.returncode == 1
    assert "has stopped (Device unavailable)" in done.stderr
    assert "Traceback" not in done.stderr


def test_installing_refuses_an_unknown_flag():
    done = subprocess.run(
        ["bash", str(EXAMPLE / "install.sh"), "--microphon"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "usage: install.sh [FOLDER] [--microphone]" in done.stderr
