"""The fine-tuning example, run on a small folder of generated clips."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile

from cry_lite.metadata import read_metadata

SCRIPT = Path(__file__).parents[2] / "examples" / "fine_tune.py"


@pytest.fixture(scope="module")
def fine_tune():
    spec = importlib.util.spec_from_file_location("fine_tune", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """Two labels, four infants of each, two clips of each infant."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("recordings")
    for label, frequency_hz in (("hungry", 400), ("tired", 1_500)):
        for infant in range(4):
            place = folder / label / f"{label}_{infant}"
            place.mkdir(parents=True)
            for clip in range(2):
                samples = rng.integers(8_000, 16_000)
                time_s = np.arange(samples) / 16_000
                waveform = 0.3 * np.sin(2 * np.pi * frequency_hz * time_s)
                waveform += 0.02 * rng.normal(size=samples)
                soundfile.write(place / f"{clip}.wav", waveform, 16_000)
    return folder


def test_it_trains_saves_and_exports(fine_tune, recordings, tmp_path, capsys):
    output, tflite = tmp_path / "cry.keras", tmp_path / "cry.tflite"
    arguments = [recordings, "--preset", "ds_cnn_s", "--weights", "none"]
    arguments += ["--output", output, "--tflite", tflite, "--test-size", 0.5]
    arguments += ["--epochs", 2, "--batch-size", 4, "--learning-rate", 0.01]
    assert fine_tune.main([str(argument) for argument in arguments]) == 0
    said = capsys.readouterr().out
    assert "accuracy on 8 clips of other sources" in said
    assert "always 'hungry': 0.500" in said
    model = keras.saving.load_model(output)
    assert model.labels == ("hungry", "tired")
    assert read_metadata(tflite).spec == model.spec


def test_an_existing_model_is_not_replaced(fine_tune, recordings, tmp_path, capsys):
    output = tmp_path / "cry.keras"
    output.write_text("precious")
    assert fine_tune.main([str(recordings), "--output", str(output)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert output.read_text() == "precious"


def test_a_folder_that_is_not_there_is_one_sentence(fine_tune, tmp_path, capsys):
    assert fine_tune.main([str(tmp_path / "nowhere")]) == 1
    assert "error: " in capsys.readouterr().err
