from __future__ import annotations

import numpy as np
import pytest
import soundfile

from cry_lite import sound_file
from cry_lite.channel_mix import ChannelMix
from cry_lite.sound_file import SoundStream

RATE_HZ = 16_000
BLOCK = 65_536


@pytest.fixture
def left(rng) -> np.ndarray:
    return rng.normal(0, 0.1, BLOCK).astype(np.float32)


@pytest.fixture
def right(rng, left) -> np.ndarray:
    return rng.normal(0, 0.1, BLOCK).astype(np.float32)


def mixed(*channels: np.ndarray) -> np.ndarray:
    return ChannelMix(RATE_HZ)(np.stack(channels, axis=1))


def test_opposite_channels_keep_the_sound(left):
    np.testing.assert_array_equal(mixed(left, -left), left)


def test_opposite_channels_of_other_levels_and_with_noise_keep_the_sound(left, right):
    out = mixed(left, -0.7 * left + 0.05 * right)
    assert np.corrcoef(out, left)[0, 1] > 0.99


@pytest.mark.parametrize(
    "second",
    ["the same", "unrelated", "silent", "quieter", "half opposite", "late"],
)
def test_ordinary_stereo_is_the_mean_to_the_last_bit(left, right, second):
    other = {
        "the same": left,
        "unrelated": right,
        "silent": 0 * left,
        "quieter": 0.1 * left,
        "half opposite": 0.8 * right - 0.6 * left,
        "late": np.roll(left, 5),
    }[second]
    block = np.stack([left, other], axis=1)
    np.testing.assert_array_equal(mixed(left, other), block.mean(axis=1))


def test_one_sounding_channel_of_six_is_the_mean(left):
    channels = [0 * left] * 5 + [left]
    np.testing.assert_array_equal(mixed(*channels), np.stack(channels, 1).mean(axis=1))


def test_three_channels_of_which_one_is_opposite_are_the_mean(left):
    # A third of the sound is left, and turning one is a matter of taste.
    out = mixed(left, left, -left)
    np.testing.assert_allclose(out, left / 3, atol=1e-7)


def test_an_offset_does_not_hide_that_the_channels_cancel(left):
    out = mixed(left + np.float32(0.3), -left + np.float32(0.3))
    np.testing.assert_allclose(out, left, atol=1e-6)


def test_silence_stays_silence(left):
    assert not mixed(0 * left, 0 * left).any()


def test_a_change_fades_in_without_a_click():
    time_s = np.arange(BLOCK) / RATE_HZ
    tone = (0.3 * np.sin(2 * np.pi * 100 * time_s)).astype(np.float32)
    mix = ChannelMix(RATE_HZ)
    parts = [mix(np.stack([tone, sign * tone], axis=1)) for sign in (1, -1, -1, 1, 0)]
    steps = np.abs(np.diff(np.concatenate(parts)))
    # BLOCK is no whole number of periods: the tone itself steps between blocks.
    inside = np.abs(np.diff(tone)).max()
    seams = [np.abs(tone[0] - tone[-1])] * 4
    for number, seam in enumerate(seams, start=1):
        steps[number * BLOCK - 1] -= seam
    assert steps.max() < 1.1 * inside
    assert mix.turned_samples == 2 * BLOCK


def test_the_mix_does_not_flicker_between_two_ways(left, right):
    mix = ChannelMix(RATE_HZ)
    turned = []
    for share in (0.05, 0.2, 0.3, 0.2, 0.05, 1.0, 0.3, 0.2):
        # Power of the mean: (1 - cos) for channels of one level.
        cosine = share - 1
        other = cosine * left + np.sqrt(1 - cosine**2) * right
        before = mix.turned_samples
        mix(np.stack([left, other.astype(np.float32)], axis=1))
        turned.append(mix.turned_samples > before)
    assert turned == [True] * 5 + [False] * 3


def test_the_same_file_in_other_formats_is_mixed_the_same(tmp_path, left):
    sound = np.concatenate([left, left, left])[:150_000]
    right = sound * np.where(np.arange(150_000) < 80_000, 1, -1)
    # libsndfile rounds a float otherwise for WAV than for FLAC.
    stereo = np.round(32767 * np.stack([sound, right], axis=1)).astype(np.int16)
    mixes = []
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, stereo, RATE_HZ, subtype="PCM_16")
        with SoundStream(tmp_path / name, RATE_HZ) as stream:
            mixes.append(np.concatenate(list(stream)))
        # Of the second block 51,072 of 65,536 samples are opposite: it stays a mean.
        assert "cancel each other in 1.2 s" in stream.notes()[0]
    np.testing.assert_array_equal(*mixes)
    assert np.abs(mixes[0][-10_000:] - sound[-10_000:]).max() < 1e-4


def test_training_gets_the_same_mix(tmp_path, left):
    from cry_tf.data import sound_source

    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([left, -left], axis=1), RATE_HZ)
    on_the_device = sound_file.read(path, RATE_HZ)
    waveform, _, notes = sound_source.read_native(path)
    np.testing.assert_array_equal(waveform, on_the_device)
    assert "cancel each other" in notes[0]
