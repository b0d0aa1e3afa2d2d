"""A model on the program of a hub handle: the head learns, the rest stays."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

import cry_hub
import cry_tf
from cry_tf.data import EmbeddingCache
from cry_tf.models import CryClassifier

LABELS = ("low", "high")


class Spectra(tf.Module):
    """A VGGish whose embeddings are 8 broad bands of a patch."""

    def __init__(self, gain: float):
        super().__init__()
        self.gain = tf.Variable(gain)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        frames = tf.signal.frame(waveform, 400, 160)
        bins = tf.abs(tf.signal.rfft(frames, [512]))[:, :256]
        bands = tf.reduce_mean(tf.reshape(bins, (-1, 8, 32)), axis=2)
        patches = tf.signal.frame(tf.math.log(bands + 0.01), 96, 96, axis=0)
        return self.gain * tf.reduce_mean(patches, axis=1)


@pytest.fixture
def handle(tmp_path) -> str:
    tf.saved_model.save(Spectra(1.0), str(tmp_path / "program"))
    return str(tmp_path / "program")


@pytest.fixture
def tones(rng) -> tuple[np.ndarray, np.ndarray]:
    """16 tones of 400 Hz (0) or 3 kHz (1), of 0.5 to 3 s."""
    labels = np.arange(16) % 2
    waveforms = np.zeros((16, 48_000), "float32")
    for waveform, label in zip(waveforms, labels, strict=True):
        samples = rng.integers(8_000, 48_000)
        phase = 2 * np.pi * (400, 3_000)[label] * np.arange(samples) / 16_000
        waveform[:samples] = 0.1 * np.sin(phase) + rng.normal(0, 0.01, samples)
    return waveforms, labels


def build(handle: str) -> CryClassifier:
    keras.utils.set_random_seed(0)
    backbone = cry_hub.HubBackbone(handle, "vggish")
    model = CryClassifier(backbone, LABELS, pooling="max_average")
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    return model


def test_fit_trains_the_head_alone(handle, tones, tmp_path):
    waveforms, labels = tones
    model = build(handle)
    # This pooling has no weights: kernel and bias of the last layer are left.
    assert [each.name for each in model.trainable_weights] == ["kernel", "bias"]
    before = model.backbone.predict(waveforms, verbose=0)
    model.fit(waveforms, labels, batch_size=8, epochs=20, verbose=0)
    scores = model.predict(waveforms, verbose=0)
    np.testing.assert_array_equal(scores.argmax(axis=1), labels)
    np.testing.assert_array_equal(model.backbone.predict(waveforms, verbose=0), before)
    alone = model.predict(np.trim_zeros(waveforms[3], "b")[None], verbose=0)
    np.testing.assert_allclose(alone[0], scores[3], atol=1e-5)

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(waveforms, verbose=0), scores, atol=1e-6)


def test_its_embeddings_are_cached_until_the_program_changes(
    handle, tones, tmp_path, rng
):
    for number, (waveform, label) in enumerate(zip(*tones, strict=True)):
        if number < 4:
            folder = tmp_path / "clips" / LABELS[label]
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{number}.wav", waveform, 16_000, "FLOAT")
    dataset = cry_tf.data.load(tmp_path / "clips")
    cache = EmbeddingCache(tmp_path / "cache")

    def embed():
        return cache.embed(cry_hub.HubBackbone(handle, "vggish"), dataset)

    first, second = embed(), embed()
    assert "4 computed" in first.notes[0]
    assert "0 computed" in second.notes[0]
    for one, other in zip(first.values, second.values, strict=True):
        np.testing.assert_array_equal(one, other)

    # Another program under the same handle: what it makes of the probe tells.
    tf.saved_model.save(Spectra(2.0), handle)
    third = embed()
    assert "4 computed" in third.notes[0]
    np.testing.assert_allclose(third.values[0], 2 * first.values[0], rtol=1e-5)


def test_export_says_why_there_is_no_tflite(handle, tones, tmp_path):
    model = build(handle)
    with pytest.raises(ValueError, match="HubBackbone: its front end .* distil"):
        cry_tf.export(model, tmp_path / "model.tflite", check=list(tones[0]))
    assert not (tmp_path / "model.tflite").exists()
