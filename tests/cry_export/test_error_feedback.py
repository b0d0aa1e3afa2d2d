from __future__ import annotations

import numpy as np
import pytest

from cry_export.error_feedback import Probes, channel_moments, round_with_feedback
from cry_export.operators import read_graph
from cry_export.probe_sounds import probe_sounds
from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import get
from cry_lite.interpreter import LiteRTModel


@pytest.fixture
def loud_and_alike(rng):
    """Inputs behind a ReLU: positive, of very different sizes, rising together."""
    common = rng.uniform(0.5, 1.5, (400, 1))
    sizes = np.geomspace(1e-2, 10, 48)
    return common * sizes * (1 + 0.1 * rng.standard_normal((400, 48)))


def plainly(weights, scale):
    return np.clip(np.rint(weights / scale[:, None]), -127, 127)


def test_the_errors_of_a_sum_make_up_for_each_other(rng, loud_and_alike):
    weights = rng.standard_normal((32, 48)).astype(np.float32)
    scale = np.abs(weights).max(axis=1) / 127
    moments = loud_and_alike.T @ loud_and_alike / len(loud_and_alike)
    levels = round_with_feedback(weights, scale, moments)
    exact = loud_and_alike @ weights.T

    def error(found):
        return np.sqrt(
            np.mean((loud_and_alike @ (found * scale[:, None]).T - exact) ** 2)
        )

    assert levels.dtype == np.int8
    assert error(levels) < error(plainly(weights, scale)) / 5


def test_inputs_that_have_nothing_to_do_with_each_other_are_rounded_plainly(rng):
    weights = rng.standard_normal((8, 40)).astype(np.float32)
    scale = np.abs(weights).max(axis=1) / 127
    levels = round_with_feedback(weights, scale, np.eye(40))
    np.testing.assert_array_equal(levels, plainly(weights, scale))


def test_a_weight_of_zero_stays_zero_and_kernels_keep_their_shape(rng, loud_and_alike):
    weights = rng.standard_normal((6, 3, 2, 48)).astype(np.float32)
    weights[:, 1, :, ::5] = 0
    scale = np.abs(weights).max(axis=(1, 2, 3)) / 127
    levels = round_with_feedback(weights, scale, loud_and_alike.T @ loud_and_alike)
    assert levels.shape == weights.shape
    assert not levels[weights == 0].any()
    # Another place of the kernel is rounded as if it were alone.
    alone = round_with_feedback(
        weights[:, 2:, :1], scale, loud_and_alike.T @ loud_and_alike
    )
    np.testing.assert_array_equal(levels[:, 2:, :1], alone)


def test_silent_inputs_are_rounded_too(rng):
    weights = rng.standard_normal((4, 10)).astype(np.float32)
    scale = np.abs(weights).max(axis=1) / 127
    levels = round_with_feedback(weights, scale, np.zeros((10, 10)))
    np.testing.assert_array_equal(levels, plainly(weights, scale))


def test_every_sound_counts_the_same_in_the_moments(tflite, clips):
    graph = read_graph(tflite["none"]).subgraphs[0]
    index = next(
        int(operator.inputs[0])
        for operator in graph.operators
        if b"pointwise" in graph.tensors[operator.outputs[0]].name
    )
    each = [channel_moments(tflite["none"], [clip], [index])[index] for clip in clips]
    together = channel_moments(tflite["none"], clips, [index])[index]
    np.testing.assert_allclose(together, sum(each), rtol=1e-6)
    assert [np.trace(one) / len(one) for one in each] == pytest.approx([1.0] * 4)


def test_probe_sounds_are_the_same_every_time_and_fit_any_rate():
    for rate_hz in (8_000, 16_000, 32_000):
        sounds = probe_sounds(rate_hz)
        for sound, again in zip(sounds, probe_sounds(rate_hz), strict=True):
            assert sound.dtype == np.float32
            assert 0 < len(sound) <= 2 * rate_hz
            assert np.abs(sound).max() <= 1
            np.testing.assert_array_equal(sound, again)
        assert not sounds[0].any()


def test_a_file_with_feedback_answers_nearer_to_the_float_one(tflite, clips):
    """On sounds that are no probes."""
    wanted = LiteRTModel(tflite["none"])
    plain = apply_recipe(tflite["none"], get("dynamic"))
    probes = Probes(probe_sounds(16_000))
    better = apply_recipe(tflite["none"], get("dynamic"), probes=probes)
    again = apply_recipe(tflite["none"], get("dynamic"), probes=probes)
    assert better == again
    assert len(better) == len(plain)
    means = [
        np.mean([np.abs(LiteRTModel(file)(clip) - wanted(clip)) for clip in clips])
        for file in (plain, better)
    ]
    assert means[1] < 0.7 * means[0]
