"""The filter of a waveform against NumPy's convolution and against tones."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_hub.panns.low_pass import LowPass

RATE = 32_000


def tone(hz: float, samples: int = 8_000) -> np.ndarray:
    waveform = np.sin(2 * np.pi * hz * np.arange(samples) / RATE + 0.3)
    return waveform.astype("float32")[None]


def level_db(layer: LowPass, hz: float) -> float:
    """How much of a tone comes through, away from its ends."""
    inside = np.asarray(layer(tone(hz)))[0, 500:-500]
    return 20 * np.log10(inside.std() / tone(hz)[0, 500:-500].std())


@pytest.mark.parametrize("cutoff_hz", [1_000.0, 4_000.0, 11_025.0])
def test_what_is_below_passes_and_what_is_above_is_60_db_weaker(cutoff_hz):
    layer = LowPass(cutoff_hz, RATE)
    for hz in (50.0, 0.5 * cutoff_hz, cutoff_hz - 470):
        assert abs(level_db(layer, hz)) < 0.02
    for hz in (cutoff_hz, cutoff_hz + 100, 2 * cutoff_hz % 16_000, 15_900.0):
        if hz >= cutoff_hz:
            assert level_db(layer, hz) < -59


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 123, 124, 125, 250, 999, 1_000])
def test_it_is_a_symmetric_filter_cut_where_the_clip_ends(samples, rng):
    layer = LowPass(3_000.0, RATE)
    impulse = np.zeros((1, 600), "float32")
    impulse[0, 300] = 1.0
    impulse[0, -1] = 0.5  # real to the end
    taps = np.asarray(layer(impulse))[0, 300 - 124 : 300 + 125]
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-7)
    assert abs(taps.sum() - 1) < 1e-5

    clip = rng.normal(0, 0.1, samples).astype("float32")
    expected = np.convolve(clip.astype("float64"), taps)[124 : 124 + samples]
    padded = np.zeros((2, 1_300), "float32")
    padded[0, :samples] = clip
    padded[1] = rng.normal(0, 0.1, 1_300)
    found = np.asarray(layer(padded))
    # float32 of 249 products below 1
    np.testing.assert_allclose(found[0, :samples], expected, atol=1e-6)
    np.testing.assert_array_equal(found[0, samples:], 0)
    alone = np.asarray(layer(clip[None]))
    np.testing.assert_allclose(alone[0], found[0, :samples], atol=1e-7)


def test_a_cutoff_below_its_transition_still_passes_less_than_half_above_it():
    layer = LowPass(200.0, RATE)
    assert level_db(layer, 200.0) < -6
    assert level_db(layer, 700.0) < -55


def test_it_computes_in_float32_and_comes_back_from_its_config(rng):
    layer = LowPass(3_000.0, RATE, dtype="mixed_bfloat16", name="frontend_low_pass")
    again = LowPass.from_config(layer.get_config())
    assert (again.cutoff_hz, again.sample_rate_hz) == (3_000.0, RATE)
    assert again.compute_dtype == "bfloat16"
    clip = rng.normal(0, 0.1, (1, 999)).astype("float32")
    exact = np.asarray(LowPass(3_000.0, RATE)(clip))
    rounded = keras.ops.cast(again(clip), "float32")
    np.testing.assert_allclose(rounded, exact, rtol=2**-8)
    symbolic = layer(keras.Input((None,)))
    assert (symbolic.shape, symbolic.dtype) == ((None, None), "bfloat16")


@pytest.mark.parametrize("cutoff_hz", [0.0, 16_000.0, float("nan")])
def test_a_cutoff_that_filters_nothing_or_all_is_refused(cutoff_hz):
    with pytest.raises(ValueError, match="cutoff_hz must be above 0 and below half"):
        LowPass(cutoff_hz, RATE)
