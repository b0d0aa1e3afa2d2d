from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest
import soundfile

import cry_export.checked_export
import cry_hub
from cry_export.convert import to_tflite
from cry_lite.detector import Analyzer
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import read_metadata
from cry_tf import exporting
from cry_tf.data import load
from cry_tf.models.cry_classifier import CryClassifier

pytestmark = pytest.mark.usefixtures("shallow_student")

LABELS = ("hungry", "tired")


@pytest.fixture(scope="module")
def model() -> CryClassifier:
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    return CryClassifier(backbone, LABELS, pooling="average")


@pytest.fixture(autouse=True)
def _convert_once(model, monkeypatch, request):
    """Each recipe and length is converted once: seconds each."""
    done = request.config.stash.setdefault(_DONE, {})

    def convert(given, recipe, samples):
        if given is not model:
            return to_tflite(given, recipe, samples)
        key = (recipe.name, samples)
        if key not in done:
            done[key] = to_tflite(given, recipe, samples)
        return done[key]

    monkeypatch.setattr(cry_export.checked_export, "to_tflite", convert)


_DONE: pytest.StashKey[dict] = pytest.StashKey()


@pytest.fixture
def recordings(tmp_path, rng):
    """Three clips a label, 0.5 to 1 s at 8 kHz."""
    for label in LABELS:
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            noise = 0.1 * rng.standard_normal(4000 + 2000 * number)
            path = tmp_path / "data" / label / f"infant{number}.wav"
            soundfile.write(path, noise, 8000)
    return tmp_path / "data"


def test_a_dataset_proves_the_file(model, recordings, tmp_path):
    data = load(recordings)
    made = exporting.export(model, tmp_path / "cry.tflite", check=data)
    assert made.parity.clips == 6
    report = json.loads(made.parity_path.read_text())
    assert report["check_clips"] == [clip.name for clip in data.clips]
    metadata = read_metadata(made.path)
    assert metadata.spec == model.spec
    assert metadata.provenance["check_data_sha256"] == data.sha256


def test_the_file_answers_as_the_model_at_any_length(model, recordings, tmp_path, rng):
    made = exporting.export(
        model, tmp_path / "cry.tflite", "none", check=load(recordings)
    )
    runtime = LiteRTModel(made.path)
    for samples in (1, 8_000, 40_001):
        waveform = (0.1 * rng.standard_normal(samples)).astype(np.float32)
        expected = np.asarray(model(waveform[None]))[0]
        np.testing.assert_allclose(runtime(waveform), expected, atol=1e-5)


def test_the_z_score_travels_into_the_file(tmp_path, rng):
    given = {"pre_emphasis": 0.97, "z_score": True}
    keras.utils.set_random_seed(0)
    model = CryClassifier.from_preset("ds_cnn_s", LABELS, weights=None, **given)
    # Noise: the bands that a tone leaves empty are rounding, which z-score amplifies.
    clips = [0.1 * rng.standard_normal(16_000) for _ in range(3)]
    made = exporting.export(model, tmp_path / "cry.tflite", "none", check=clips)
    analyzer = Analyzer(made.path)
    assert analyzer.spec.front_end == model.backbone.front_end_spec
    night = 0.2 + 0.05 * rng.standard_normal(5 * 16_000).astype(np.float32)
    night *= np.linspace(0.01, 1.0, len(night), dtype=np.float32)
    _, _, scores = analyzer.scores(night)
    # Each window of 3 s has a mean and a deviation of its own.
    windows = np.stack([night[s * 16_000 : (s + 3) * 16_000] for s in range(3)])
    expected = model.predict(windows, verbose=0)
    np.testing.assert_allclose(scores[: len(windows)], expected, atol=1e-4)


# Shorter than the windows of the spec, which export says.
@pytest.mark.filterwarnings("ignore:The input takes:cry_export.errors.FallbackWarning")
def test_waveforms_prove_the_file_too_and_a_length_is_in_seconds(model, tmp_path, rng):
    waveforms = 0.1 * rng.standard_normal((2, 16_000))
    made = exporting.export(model, tmp_path / "cry.tflite", check=waveforms, length=0.5)
    assert made.parity.clips == 2
    assert LiteRTModel(made.path).input_samples == 8_000


@pytest.mark.parametrize("check", [None, "recordings/"])
def test_without_real_clips_nothing_is_written(model, tmp_path, check):
    with pytest.raises(ValueError, match="check must hold real clips"):
        exporting.export(model, tmp_path / "cry.tflite", check=check)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_another_kind_is_refused(tmp_path):
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    with pytest.raises(ValueError, match="must be a CryClassifier or a CryDetector"):
        exporting.export(backbone, tmp_path / "a.tflite", check=[np.ones(9)])


@pytest.mark.parametrize("length", ["long", None, True])
def test_a_length_that_is_no_number_is_refused(model, tmp_path, length):
    with pytest.raises(ValueError, match="seconds or 'dynamic'"):
        exporting.export(
            model, tmp_path / "a.tflite", check=[np.ones(9)], length=length
        )


def test_a_clip_that_cannot_be_read_is_left_out_with_a_warning(
    model, recordings, tmp_path
):
    data = load(recordings)
    (recordings / "tired" / "infant1.wav").write_bytes(b"no sound")
    with pytest.warns(exporting.SkippedClipsWarning, match="1 of 6.*infant1"):
        made = exporting.export(model, tmp_path / "cry.tflite", check=data)
    assert made.parity.clips == 5


def test_the_source_of_pretrained_weights_is_inside(model, recordings, tmp_path):
    kwargs = {"check": load(recordings), "overwrite": True}
    path = tmp_path / "cry.tflite"
    exporting.export(model, path, **kwargs)
    assert "weights_source" not in read_metadata(path).provenance
    model.backbone.weights_source, model.backbone.weights_sha256 = "a.npz", "ab12"
    try:
        exporting.export(model, path, **kwargs, provenance={"seed": 3})
    finally:
        model.backbone.weights_sha256 = None
    provenance = read_metadata(path).provenance
    assert provenance["weights_source"] == "a.npz"
    assert provenance["weights_sha256"] == "ab12"
    assert provenance["seed"] == 3


@pytest.mark.parametrize("limit", [1, 7, 30, 500])
def test_check_clips_are_drawn_evenly_over_the_labels(limit):
    counts = (382, 27, 8)
    indices = np.repeat(np.arange(3), counts)
    drawn = exporting.evenly(indices, limit)
    assert len(drawn) == len(set(drawn)) == min(limit, len(indices))
    assert np.all(np.diff(drawn) > 0)
    share = math.ceil(limit / 3)
    found = np.bincount(indices[drawn], minlength=3)
    for label, count in enumerate(counts):
        assert found[label] >= min(count, share - 1)
    np.testing.assert_array_equal(drawn, exporting.evenly(indices, limit))
