"""What holds for every transform."""

import dataclasses
import json

import numpy as np
import pytest

from cry_lite.padding import real_length
from cry_tf.augment import Gain, TimeStretch
from cry_tf.augment.transform import Transform, check_range

RATE_HZ = 16_000


def assert_sound(waveform):
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max(initial=0) <= 1


def test_the_same_seed_gives_the_same_and_another_seed_another(transform, cry):
    results = [
        transform(cry, RATE_HZ, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0].shape != results[2].shape or not np.array_equal(
        results[0], results[2]
    )


def test_what_was_drawn_can_be_applied_again(transform, cry):
    drawn = transform.draw(np.random.default_rng(4), len(cry), RATE_HZ)
    called = transform(cry, RATE_HZ, np.random.default_rng(4))
    np.testing.assert_array_equal(transform.apply(cry, RATE_HZ, drawn), called)
    json.dumps(drawn)  # so that it can be stored


def test_it_changes_the_sound_but_not_its_argument(transform, cry):
    before = cry.copy()
    result = transform(cry, RATE_HZ, np.random.default_rng(5))
    np.testing.assert_array_equal(cry, before)
    assert len(result) != len(cry) or not np.allclose(result, cry, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 32_000, 44_100])
def test_the_result_is_a_sound_of_the_same_length_at_every_rate(
    transform, rate_hz, rng
):
    waveform = rng.uniform(-1, 1, rate_hz).astype(np.float32)
    for seed in range(3):
        result = transform(waveform, rate_hz, np.random.default_rng(seed))
        assert_sound(result)
        if not isinstance(transform, TimeStretch):
            assert len(result) == len(waveform)


@pytest.mark.parametrize("samples", [1, 2, 7, 31, 32, 33, 100, 639, 640, 1281])
def test_a_few_samples_are_enough(transform, samples, rng):
    waveform = rng.uniform(0.1, 0.9, samples).astype(np.float32)
    for seed in range(5):
        result = transform(waveform, RATE_HZ, np.random.default_rng(seed))
        assert_sound(result)
        assert real_length(result) == len(result) >= 1


def test_full_scale_is_scaled_down_and_not_clipped(transform, tone):
    square = np.sign(tone(250, 0.5) + 1e-6)
    for waveform in (square, np.ones(5000, np.float32)):
        for seed in range(5):
            result = transform(waveform, RATE_HZ, np.random.default_rng(seed))
            assert_sound(result)


@pytest.mark.parametrize("samples", [0, 1, 5000])
def test_zeros_stay_zeros(transform, samples):
    silence = np.zeros(samples, np.float32)
    result = transform(silence, RATE_HZ, np.random.default_rng(0))
    np.testing.assert_array_equal(result, silence)
    assert result is not silence


@pytest.mark.parametrize("level", [1e-30, 1e-6])
def test_next_to_silence_stays_finite(transform, level, cry):
    for seed in range(3):
        result = transform(
            cry * np.float32(level), RATE_HZ, np.random.default_rng(seed)
        )
        assert_sound(result)


def test_padding_is_neither_heard_nor_changed(transform, cry):
    padding = 3000
    padded = np.concatenate([cry, np.zeros(padding, np.float32)])
    for seed in range(3):
        alone = transform(cry, RATE_HZ, np.random.default_rng(seed))
        result = transform(padded, RATE_HZ, np.random.default_rng(seed))
        np.testing.assert_array_equal(result[: len(alone)], alone)
        np.testing.assert_array_equal(result[len(alone) :], np.zeros(padding))


def test_a_faint_end_is_padding_like_zeros(transform, cry):
    padding = np.resize(np.float32([2.0**-15, 0, -(2.0**-12)]), 3000)
    padded = np.concatenate([cry, padding])
    for seed in range(3):
        alone = transform(cry, RATE_HZ, np.random.default_rng(seed))
        result = transform(padded, RATE_HZ, np.random.default_rng(seed))
        np.testing.assert_array_equal(result[: len(alone)], alone)
        assert real_length(result) == real_length(alone) > 0
        assert not result[len(alone) :].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.01, -2.0])
def test_samples_beyond_full_scale_and_nan_are_refused(transform, bad, cry):
    waveform = cry.copy()
    waveform[100] = bad
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        transform(waveform, RATE_HZ, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("waveform", "rate_hz", "match"),
    [
        (np.zeros((2, 10), np.float32), RATE_HZ, r"shape=\(2, 10\)"),
        (np.zeros(10, np.int16), RATE_HZ, "int16"),
        (np.zeros(10, np.float32), 0, "sample_rate_hz=0"),
        (np.zeros(10, np.float32), float("nan"), "sample_rate_hz=nan"),
    ],
)
def test_what_is_no_waveform_is_refused(waveform, rate_hz, match):
    with pytest.raises(ValueError, match=match):
        Gain()(waveform, rate_hz, np.random.default_rng(0))


def test_64_bits_are_taken_and_32_returned(cry):
    result = Gain().apply(cry.astype(np.float64), RATE_HZ, 0.0)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, cry)


def test_ranges_are_frozen_and_written_down(transform):
    assert isinstance(transform, Transform)
    with pytest.raises(dataclasses.FrozenInstanceError):
        transform.anything = 1
    about = transform.to_dict()
    assert about["transform"] == type(transform).__name__
    assert len(about) > 1
    assert json.loads(json.dumps(about))["transform"] == about["transform"]


@pytest.mark.parametrize(
    ("low", "high"), [(2, 1), (-5, 0), (0, 99), (float("nan"), 1), (0, float("nan"))]
)
def test_ranges_are_checked(low, high):
    with pytest.raises(ValueError, match="min_x_db must not be above max_x_db"):
        check_range("x_db", low, high, -1, 10)


def test_an_open_range_must_be_finite():
    with pytest.raises(ValueError, match="finite"):
        check_range("x_db", 0, float("inf"))
