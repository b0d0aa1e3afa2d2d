import numpy as np
import pytest

from cry_tf.augment import CodecLike
from cry_tf.augment.codec_like import (
    Coded,
    lose_frames,
    quantize_blocks,
    quantize_mu_law,
)

RATE_HZ = 16_000


def snr_db(sound, noisy):
    return 10 * np.log10(np.mean(sound**2) / np.mean((noisy - sound) ** 2))


def test_mu_law_of_8_bits_is_as_good_as_a_telephone(tone):
    # G.711 has 33 to 38 dB from full scale down to -30 dB.
    for amplitude in (0.9, 0.1, 0.03):
        sound = tone(437, amplitude=amplitude).astype(np.float64)
        coded = quantize_mu_law(sound.astype(np.float32), 8)
        assert 33 < snr_db(sound, coded) < 41
    values = quantize_mu_law(np.linspace(-1, 1, 10**6, dtype=np.float32), 5)
    assert len(np.unique(np.round(np.abs(values), 7))) == 16
    assert quantize_mu_law(np.float32([0, 1, -1]), 5).tolist() == [0, 1, -1]


@pytest.mark.parametrize("bits", [3, 6])
def test_a_bit_more_is_6_db_less_noise_in_blocks(tone, bits):
    sound = tone(437).astype(np.float64)
    coarse = quantize_blocks(sound.astype(np.float32), bits, 40)
    fine = quantize_blocks(sound.astype(np.float32), bits + 1, 40)
    assert snr_db(sound, fine) - snr_db(sound, coarse) == pytest.approx(6, abs=1.8)


def test_blocks_are_quantized_on_their_own_scale(rng):
    sound = rng.uniform(-1, 1, 80).astype(np.float32)
    sound[40:] *= 1e-3
    coded = quantize_blocks(sound, 4, 40)
    for block in (slice(0, 40), slice(40, 80)):
        step = np.abs(sound[block]).max() / 7
        assert np.abs(coded[block] - sound[block]).max() <= step / 2 * 1.0001
        assert np.abs(coded[block] - sound[block]).max() > step / 4
    silent = quantize_blocks(np.zeros(50, np.float32), 4, 40)
    np.testing.assert_array_equal(silent, np.zeros(50))


def test_a_lost_frame_repeats_the_last_one_ever_softer():
    sound = np.repeat(np.arange(1, 6), 4).astype(np.float32)[:-1]
    lost = np.array([True, False, True, True, False])
    expected = np.repeat([1, 2, 2 * 0.7, 2 * 0.49, 5], 4)[:-1]
    np.testing.assert_allclose(lose_frames(sound, lost, 4), expected, rtol=1e-6)
    assert lose_frames(sound, np.zeros(5, bool), 4) is sound


@pytest.mark.parametrize("coding", ["mu_law", "block"])
def test_only_the_coded_band_is_left(rng, coding):
    noise = rng.uniform(-0.5, 0.5, 2 * RATE_HZ).astype(np.float32)
    coded = CodecLike().apply(noise, RATE_HZ, Coded(8_000, coding, 5, 0.0, 1))
    spectrum = np.abs(np.fft.rfft(coded * np.blackman(len(coded)))) ** 2
    hz = np.fft.rfftfreq(len(coded), 1 / RATE_HZ)
    above, below = spectrum[hz > 4200].mean(), spectrum[hz < 3500].mean()
    assert 10 * np.log10(above / below) < -60


def test_losses_are_about_as_many_as_drawn_and_follow_the_seed(rng):
    noise = rng.uniform(-0.5, 0.5, 20 * 8_000).astype(np.float32)
    kept, lossy, again, other = (
        CodecLike().apply(noise, 8_000, Coded(8_000, "block", 8, share, seed))
        for share, seed in ((0.0, 1), (0.2, 1), (0.2, 1), (0.2, 2))
    )
    differs = (lossy != kept).reshape(-1, 160).any(axis=1)
    assert differs.mean() == pytest.approx(0.2, abs=0.04)  # of 1000 frames
    np.testing.assert_array_equal(lossy, again)
    assert not np.array_equal(lossy, other)


def test_a_waveform_below_the_coding_rate_keeps_its_band(tone, peak_hz):
    waveform = tone(1500, rate_hz=4_000)
    coded = CodecLike().apply(waveform, 4_000, Coded(8_000, "mu_law", 8, 0.0, 1))
    assert peak_hz(coded, 4_000) == pytest.approx(1500, abs=0.1)


def test_codings_are_drawn_over_the_ranges(rng):
    drawn = [CodecLike().draw(rng, 1, RATE_HZ) for _ in range(300)]
    assert {d.coding for d in drawn} == {"mu_law", "block"}
    assert {d.bits for d in drawn if d.coding == "mu_law"} == {5, 6, 7, 8}
    assert {d.bits for d in drawn if d.coding == "block"} == {3, 4, 5, 6}
    assert {d.coding_rate_hz for d in drawn} == {8_000}
    assert 0.029 < max(d.lost_share for d in drawn) <= 0.03


@pytest.mark.parametrize(
    "arguments",
    [
        {"coding_rates_hz": ()},
        {"coding_rates_hz": (2_000,)},
        {"min_mu_law_bits": 3},
        {"max_block_bits": 9},
        {"max_lost_share": 0.6},
        {"max_lost_share": float("nan")},
    ],
)
def test_a_wrong_argument_is_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        CodecLike(**arguments)
