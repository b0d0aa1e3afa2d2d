"""The layers that decide segment by segment, beside NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_hub.panns import segments


def test_neighbours_see_nothing_beyond_the_real_steps(rng):
    lengths = (6, 1, 3)
    x = rng.normal(-5, 1, (3, 6, 2)).astype("float32")
    is_real = np.arange(6) < np.array(lengths)[:, None]
    found = np.asarray(segments.NeighbourMaxPlusMean()(x, is_real))
    for row, length in enumerate(lengths):
        for step in range(length):
            near = x[row, max(0, step - 1) : min(length, step + 2)]
            # A third of the sum, however many there are: beyond the end are zeros.
            expected = near.max(axis=0) + near.sum(axis=0) / 3
            np.testing.assert_allclose(found[row, step], expected, rtol=1e-5)


def test_neighbours_of_half_precision_stay_finite(rng):
    x = rng.normal(0, 1, (1, 4, 2)).astype("float16")
    is_real = np.arange(4)[None] < 2
    found = segments.NeighbourMaxPlusMean(dtype="float16")(x, is_real)
    assert np.isfinite(np.asarray(found)[is_real]).all()


def test_the_maximum_is_of_the_real_steps(rng):
    x = rng.normal(-50, 1, (2, 5, 3)).astype("float32")
    is_real = np.arange(5) < np.array([[5], [2]])
    found = segments.MaxOverTime()(x, is_real)
    np.testing.assert_array_equal(found, [x[0].max(0), x[1, :2].max(0)])


def attentive_score(logits, attention):
    """The mean score of `(time, classes)` by attention, in float64, and its logit."""
    weights = np.exp(np.clip(attention.astype("float64"), -10, 10))
    weights /= weights.sum(axis=0)
    logits = logits.astype("float64")
    yes = (weights / (1 + np.exp(-logits))).sum(axis=0)
    no = (weights / (1 + np.exp(logits))).sum(axis=0)
    return yes, np.log(yes) - np.log(no)


def test_attention_averages_the_scores_of_the_real_steps(rng):
    logits = rng.normal(0, 3, (2, 7, 4)).astype("float32")
    attention = rng.normal(0, 8, (2, 7, 4)).astype("float32")  # some beyond 10
    lengths = (7, 3)
    is_real = np.arange(7) < np.array(lengths)[:, None]
    found = np.asarray(segments.AttentiveLogit()(logits, attention, is_real))
    for row, length in enumerate(lengths):
        score, logit = attentive_score(logits[row, :length], attention[row, :length])
        np.testing.assert_allclose(found[row], logit, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(1 / (1 + np.exp(-found[row])), score, rtol=1e-5)


def test_attention_keeps_the_digits_of_scores_near_0_and_1():
    # In float32 the sigmoid of 30 is 1, whose logit is infinite.
    logits = np.float32([[[30.0, -80.0], [28.0, -90.0]]])
    attention = np.float32([[[0.0, 1.0], [0.5, -1.0]]])
    layer = segments.AttentiveLogit()
    found = np.asarray(layer(logits, attention, np.ones((1, 2), bool)))[0]
    np.testing.assert_allclose(
        found, attentive_score(logits[0], attention[0])[1], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("segment_lengths", "frames"), [((1, 1), 2), ((3, 2), 12), ((3, 3), 15)]
)
def test_a_segment_is_repeated_and_the_last_real_one_to_the_end(
    segment_lengths, frames, rng
):
    x = rng.normal(size=(2, 3, 2)).astype("float32")
    segment_mask = np.arange(3) < np.array(segment_lengths)[:, None]
    found = segments.SegmentsToFrames(4)(x, segment_mask, np.ones((2, frames), bool))
    for row, length in enumerate(segment_lengths):
        expected = [x[row, min(frame // 4, length - 1)] for frame in range(frames)]
        np.testing.assert_array_equal(np.asarray(found)[row], expected)


def test_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"limit must be positive.*limit=0"):
        segments.AttentiveLogit(limit=0)
    with pytest.raises(ValueError, match="frames_per_segment must be positive"):
        segments.SegmentsToFrames(0)


def test_settings_are_kept():
    for layer in (segments.AttentiveLogit(limit=3.0), segments.SegmentsToFrames(8)):
        config = keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer)
        ).get_config()
        assert config == layer.get_config()
