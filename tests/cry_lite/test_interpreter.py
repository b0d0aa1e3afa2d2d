from __future__ import annotations

import numpy as np
import pytest

from cry_lite.errors import ModelFileError
from cry_lite.interpreter import LiteRTModel


def expected_scores(waveform: np.ndarray) -> np.ndarray:
    """The network of conftest in NumPy."""
    cry = 1 / (1 + np.exp(-200 * (np.abs(waveform).mean(dtype=np.float64) - 0.05)))
    return np.array([1 - cry, cry])


def test_a_waveform_of_any_length_is_scored(dynamic_network, rng):
    model = LiteRTModel(dynamic_network)
    assert model.input_samples is None
    assert model.num_outputs == 2
    for samples in (16_000, 1, 100, 16_000):
        waveform = rng.uniform(-0.1, 0.1, samples).astype(np.float32)
        scores = model(waveform)
        assert scores.shape == (2,)
        assert scores.dtype == np.float32
        # Float32 sums of 16,000 terms inside a sigmoid of slope 50.
        np.testing.assert_allclose(scores, expected_scores(waveform), atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1000), (1000,)])
def test_a_static_network_takes_its_length_in_rank_1_and_2(network, rng, shape):
    model = LiteRTModel(network(*shape))
    assert model.input_samples == 1000
    waveform = rng.uniform(-0.1, 0.1, 1000).astype(np.float32)
    np.testing.assert_allclose(model(waveform), expected_scores(waveform), atol=1e-3)


def test_a_shorter_waveform_is_completed_with_zeros(network, rng):
    model = LiteRTModel(network(1, 1000))
    waveform = rng.uniform(-0.1, 0.1, 600).astype(np.float32)
    padded = np.concatenate([waveform, np.zeros(400, np.float32)])
    np.testing.assert_array_equal(model(waveform), model(padded))


def test_a_longer_waveform_is_refused_by_a_static_network(network):
    with pytest.raises(ValueError, match="at most 1000. Received: 1001"):
        LiteRTModel(network(1, 1000))(np.zeros(1001, np.float32))


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((1, 10))])
def test_what_is_no_waveform_is_refused(dynamic_network, waveform):
    with pytest.raises(ValueError, match="Received"):
        LiteRTModel(dynamic_network)(waveform)


@pytest.mark.parametrize("threads", [0, -1, 1.5])
def test_threads_must_be_a_positive_number(dynamic_network, threads):
    with pytest.raises(ValueError, match="num_threads must be a positive int"):
        LiteRTModel(dynamic_network, num_threads=threads)


def test_several_threads_give_the_same_scores(dynamic_network, rng):
    waveform = rng.uniform(-0.1, 0.1, 5000).astype(np.float32)
    np.testing.assert_allclose(
        LiteRTModel(dynamic_network, num_threads=2)(waveform),
        LiteRTModel(dynamic_network)(waveform),
        atol=1e-6,
    )


def test_scores_stay_when_the_next_waveform_is_scored(dynamic_network):
    model = LiteRTModel(dynamic_network)
    silence = model(np.zeros(100, np.float32))
    model(np.ones(100, np.float32))
    assert silence[1] < 0.01


def test_a_file_is_run_as_its_bytes_are(dynamic_network, tmp_path, rng):
    path = tmp_path / "ein Netz ü.tflite"
    path.write_bytes(dynamic_network)
    waveform = rng.uniform(-0.1, 0.1, 500).astype(np.float32)
    np.testing.assert_array_equal(
        LiteRTModel(path)(waveform), LiteRTModel(dynamic_network)(waveform)
    )


def test_a_packed_file_runs(model_file):
    assert LiteRTModel(model_file)(np.ones(100, np.float32))[1] > 0.99


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ModelFileError, match="not a TFLite model"):
        LiteRTModel(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="File not found"):
        LiteRTModel(tmp_path / "none.tflite")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_network_that_was_cut_short_is_refused(dynamic_network, part):
    with pytest.raises(ModelFileError, match="cannot be loaded") as caught:
        LiteRTModel(dynamic_network[: int(part * len(dynamic_network))])
    assert "\n" not in str(caught.value)


def test_a_network_of_images_is_refused(network):
    with pytest.raises(ModelFileError, match=r"must take one float32 waveform"):
        LiteRTModel(network(1, 8, 8))


def test_a_network_of_integers_is_refused():
    import tensorflow as tf

    class Doubled(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.int32)])
        def __call__(self, values):
            return 2 * values

    module = Doubled()
    content = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    ).convert()
    with pytest.raises(ModelFileError, match="numbers of type int32"):
        LiteRTModel(content)


@pytest.mark.assets
def test_yamnet_of_google_takes_a_waveform_of_rank_1(assets):
    path = assets / "weights/yamnet/yamnet_official_dynamic_range_int8.tflite"
    model = LiteRTModel(path)
    assert (model.input_samples, model.num_outputs) == (15_600, 521)
    names = (assets / "weights/yamnet/yamnet_521_labels.txt").read_text().splitlines()
    silence = model(np.zeros(15_600, np.float32))
    assert names[silence.argmax()] == "Silence"
