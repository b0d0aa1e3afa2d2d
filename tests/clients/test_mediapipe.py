"""MediaPipe's AudioClassifier reads our files and answers as Keras does.

The same C++ runs in apps for Android and iOS. This is not part of the default test
run: MediaPipe is in no environment with TensorFlow. `.ci/clients` runs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mediapipe.tasks.python import BaseOptions, audio
from mediapipe.tasks.python.components.containers import AudioData


def test_the_scores_of_every_window_are_those_of_keras(folder, exported):
    differences = []
    for clip, expected in exported["scores"].items():
        waveform = read(folder / clip, exported["sample_rate_hz"])
        with classifier(folder / exported["file"]) as mediapipe:
            for start, scores in zip(starts(waveform, exported), expected, strict=True):
                window = waveform[start : start + window_samples(exported)]
                (result,) = classify(mediapipe, window, exported)
                differences.append(np.abs(result - scores).max())
    print(f"{exported['file']}: at most {max(differences):.2g} from Keras")
    assert max(differences) <= exported["tolerance"]


def test_the_scores_differ_from_window_to_window(exported):
    """Or else the test above would prove nothing."""
    scores = np.concatenate([np.array(each) for each in exported["scores"].values()])
    assert scores.std(axis=0).max() > 0.1


def test_a_long_clip_is_heard_in_windows_end_to_end(folder, exported):
    clip, expected = next(iter(exported["scores"].items()))
    waveform = read(folder / clip, exported["sample_rate_hz"])
    windows_per_hop = round(exported["window_s"] / exported["hop_s"])
    whole = len(waveform) // window_samples(exported)
    with classifier(folder / exported["file"]) as mediapipe:
        found = classify(mediapipe, waveform, exported)
    np.testing.assert_allclose(
        found[:whole], expected[::windows_per_hop][:whole], atol=exported["tolerance"]
    )
    assert len(found) == whole + 1  # the rest, completed with zeros


def test_a_short_clip_is_completed_with_zeros(folder, exported):
    clip = next(iter(exported["scores"]))
    waveform = read(folder / clip, exported["sample_rate_hz"])
    short = waveform[: window_samples(exported) // 2]
    padded = np.pad(short, (0, window_samples(exported) - len(short)))
    with classifier(folder / exported["file"]) as mediapipe:
        (alone,) = classify(mediapipe, short, exported)
        (completed,) = classify(mediapipe, padded, exported)
    np.testing.assert_allclose(alone, completed, atol=1e-6)


def test_another_sample_rate_is_resampled_to_the_one_inside_the_file(folder, exported):
    clip = next(iter(exported["scores"]))
    waveform = read(folder / clip, exported["sample_rate_hz"])
    slow = {**exported, "sample_rate_hz": exported["sample_rate_hz"] // 2}
    with classifier(folder / exported["file"]) as mediapipe:
        windows = len(classify(mediapipe, waveform, exported))
        slow_windows = len(classify(mediapipe, waveform, slow))
    assert slow_windows == pytest.approx(2 * windows, abs=1)


def test_a_file_of_dynamic_length_is_refused(folder):
    with pytest.raises((ValueError, RuntimeError)):
        classifier(folder / "dynamic_length.tflite")


def classifier(path: Path) -> audio.AudioClassifier:
    options = audio.AudioClassifierOptions(BaseOptions(model_asset_path=str(path)))
    return audio.AudioClassifier.create_from_options(options)


def classify(
    mediapipe: audio.AudioClassifier, waveform: np.ndarray, exported: dict[str, Any]
) -> np.ndarray:
    """Returns the scores `(windows, labels)`, in the order of the labels."""
    data = AudioData.create_from_array(waveform, exported["sample_rate_hz"])
    rows = []
    for result in mediapipe.classify(data):
        categories = result.classifications[0].categories
        scores = {category.category_name: category.score for category in categories}
        assert set(scores) == set(exported["labels"])
        rows.append([scores[label] for label in exported["labels"]])
    return np.array(rows)


def read(path: Path, sample_rate_hz: int) -> np.ndarray:
    waveform, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == sample_rate_hz
    return waveform


def window_samples(exported: dict[str, Any]) -> int:
    return round(exported["window_s"] * exported["sample_rate_hz"])


def starts(waveform: np.ndarray, exported: dict[str, Any]) -> list[int]:
    """Windows every hop, and one at the end if the last does not reach it."""
    last = len(waveform) - window_samples(exported)
    hop_samples = round(exported["hop_s"] * exported["sample_rate_hz"])
    first = list(range(0, last + 1, hop_samples))
    return first if first[-1] == last else [*first, last]
