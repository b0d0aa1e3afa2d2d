from __future__ import annotations

import keras
import numpy as np
import pytest

import cry_hub
import cry_tf
from cry_lite.detector import Analyzer
from cry_lite.spec import DecisionSpec
from cry_tf.models import CryDetector, bundled_detector

pytestmark = pytest.mark.usefixtures("shallow_student")

DECISION = DecisionSpec(onset_threshold=0.7, confirmation_s=2.0)


@pytest.fixture(scope="module")
def detector(shallow_student):
    keras.utils.set_random_seed(0)
    return CryDetector(
        cry_hub.load("ds_cnn_s", weights=None),
        pooling="max_average",
        decision=DECISION,
        dropout=0.2,
    )


@pytest.fixture
def folder(detector, tmp_path, monkeypatch):
    """That detector in place of the included one."""
    monkeypatch.setattr(bundled_detector, "FOLDER", tmp_path)
    bundled_detector.save(detector, tmp_path / "cry_detector.npz")
    return tmp_path


@pytest.fixture
def waveforms(rng):
    return rng.normal(0, 0.1, (3, 16_000)).astype(np.float32)


def test_a_preset_is_the_detector_that_was_saved(folder, detector, waveforms):
    model = CryDetector.from_preset("cry_detector")
    assert model.spec == detector.spec
    assert model.dropout == 0.2
    assert model.backbone.weights_source == "the included detector cry_detector"
    # float16 kernels: 2**-11 of each weight.
    np.testing.assert_allclose(
        model.predict(waveforms, verbose=0),
        detector.predict(waveforms, verbose=0),
        atol=2e-3,
    )
    for ours, theirs in zip(model.weights, detector.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2**-10, atol=1e-6)


def test_it_gives_the_scores_of_its_tflite(folder, waveforms, tmp_path):
    model = CryDetector.from_preset("cry_detector")
    path = tmp_path / "cry.tflite"
    cry_tf.export(model, path, "none", check=list(waveforms))
    analyzer = Analyzer(path)
    assert analyzer.spec == model.spec
    for waveform in waveforms:
        np.testing.assert_allclose(
            analyzer.model(waveform),
            model.predict(waveform[None], verbose=0)[0],
            atol=1e-4,
        )


def test_it_can_be_fine_tuned_and_saved(folder, waveforms, tmp_path):
    model = CryDetector.from_preset("cry_detector", trainable_backbone=False)
    assert not model.backbone.trainable
    before = [np.array(v) for v in model.backbone.variables]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(waveforms, np.array([0, 1, 0]), verbose=0)
    for now, was in zip(model.backbone.variables, before, strict=True):
        np.testing.assert_array_equal(now, was)
    model.save(tmp_path / "mine.keras")
    again = keras.saving.load_model(tmp_path / "mine.keras")
    np.testing.assert_allclose(
        again.predict(waveforms, verbose=0),
        model.predict(waveforms, verbose=0),
        atol=1e-6,
    )


def test_what_may_be_changed_is_and_what_may_not_is_refused(folder):
    other = DecisionSpec(onset_threshold=0.9)
    model = CryDetector.from_preset("cry_detector", decision=other, dropout=0.5)
    assert (model.decision, model.dropout) == (other, 0.5)
    same = CryDetector.from_preset("cry_detector", pooling="max_average")
    assert same.spec.labels == ("no_cry", "cry")
    for changes, message in (
        ({"labels": ("quiet", "cry")}, "trained with labels="),
        ({"pooling": "attention"}, "trained with pooling='max_average'"),
        ({"cutoff_hz": 4_000.0}, "trained with cutoff_hz=None"),
        ({"weights": "other.npz"}, "weights of its own"),
        ({"z_score": True}, "trained with z_score="),
    ):
        with pytest.raises(ValueError, match=message):
            CryDetector.from_preset("cry_detector", **changes)


def test_without_its_weights_it_starts_at_random(folder, detector):
    model = CryDetector.from_preset("cry_detector", weights=None)
    assert model.spec == detector.spec
    kernel, trained = (
        np.array(each.get_layer("logits").kernel) for each in (model, detector)
    )
    assert np.abs(kernel - trained).max() > 0.01


def test_a_damaged_file_is_not_used(folder):
    path = folder / "cry_detector.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(cry_hub.WeightsError, match="damaged: its sha256 is"):
        CryDetector.from_preset("cry_detector")
    path.unlink()
    with pytest.raises(cry_hub.WeightsError, match="is missing"):
        CryDetector.from_preset("cry_detector")
