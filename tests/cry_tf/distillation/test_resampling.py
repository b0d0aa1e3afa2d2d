import numpy as np
import pytest

from cry_tf.distillation.resampling import Resampler

RATES = [(16_000, 32_000), (32_000, 16_000), (44_100, 16_000), (16_000, 44_100)]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_a_tone_stays_the_same_tone(from_hz, to_hz):
    tone = np.sin(2 * np.pi * 1_000 * np.arange(from_hz // 4) / from_hz)
    found = np.asarray(Resampler(from_hz, to_hz)(tone[None].astype(np.float32)))[0]
    expected = np.sin(2 * np.pi * 1_000 * np.arange(to_hz // 4) / to_hz)
    assert found.shape == expected.shape
    # 80 dB; within the filter's length of the ends the tone begins and stops.
    edge = round(0.003 * to_hz)
    np.testing.assert_allclose(found[edge:-edge], expected[edge:-edge], atol=1e-4)


def test_what_the_lower_rate_cannot_hold_is_removed():
    tone = np.sin(2 * np.pi * 9_000 * np.arange(8_000) / 32_000)
    found = np.asarray(Resampler(32_000, 16_000)(tone[None].astype(np.float32)))[0]
    assert np.abs(found[100:-100]).max() < 2e-4


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("samples", [1, 7, 160, 441, 1_000])
def test_padding_stays_padding_and_changes_nothing(rng, from_hz, to_hz, samples):
    waveform = rng.uniform(0.1, 1, (2, samples)).astype(np.float32)
    resample = Resampler(from_hz, to_hz)
    alone = np.asarray(resample(waveform))
    assert alone.shape == (2, -(-samples * to_hz // from_hz))
    padded = np.asarray(resample(np.pad(waveform, ((0, 0), (0, 600)))))
    assert padded.shape == (2, -(-(samples + 600) * to_hz // from_hz))
    np.testing.assert_allclose(padded[:, : alone.shape[1]], alone, atol=1e-6)
    assert not padded[:, alone.shape[1] :].any()


def test_the_same_rate_is_the_same_waveform(rng):
    waveform = rng.normal(size=(2, 50)).astype(np.float32)
    np.testing.assert_array_equal(Resampler(8_000, 8_000)(waveform), waveform)
