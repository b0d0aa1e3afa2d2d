"""Real cries under every transform: still cries, in spectrum and in melody."""

import numpy as np
import pytest

from cry_lite.front_ends import PANNS_16K
from cry_lite.log_mel import log_mel
from cry_tf.augment import (
    AddNoise,
    BandLimit,
    CodecLike,
    Gain,
    PitchShift,
    Reverb,
    TimeShift,
    TimeStretch,
    policies,
)
from cry_tf.augment.add_noise import Background
from cry_tf.augment.codec_like import Coded
from cry_tf.augment.reverb import Room
from cry_tf.data import load

RATE_HZ = 16_000

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def cries(assets):
    """Two clips of 5 s at 44.1 kHz, and two of 7 s at 8 kHz, all at 16 kHz."""
    wide = load(assets / "data" / "esc10")
    is_cry = wide.label_indices == wide.labels.index("baby_cry")
    wide = wide.subset(np.flatnonzero(is_cry)[:2])
    narrow = load(assets / "data" / "donateacry").subset([0, 300])
    return [
        waveform for data in (wide, narrow) for _, waveform in data.waveforms(RATE_HZ)
    ]


@pytest.fixture(scope="module")
def noises(assets):
    return AddNoise(assets / "data" / "noise")


def spectrogram(waveform):
    """Log-mel in dB, quiet parts cut off at 60 dB under the loudest."""
    level = log_mel(waveform, PANNS_16K)
    return np.maximum(level, level.max() - 60)


def likeness(one, other):
    frames = min(len(one), len(other))
    return np.corrcoef(one[:frames].ravel(), other[:frames].ravel())[0, 1]


def at_length(pattern, frames):
    """Stretches a spectrogram in time by interpolation."""
    places = np.linspace(0, len(pattern) - 1, frames)
    old = np.arange(len(pattern))
    return np.stack([np.interp(places, old, band) for band in pattern.T], axis=1)


def test_level_place_and_room_leave_the_spectrogram_recognisable(cries):
    for cry in cries:
        before = spectrogram(cry)
        louder = spectrogram(Gain().apply(cry, RATE_HZ, -12.0))
        # The last frames see the end, a few samples of which are padding.
        frames = min(len(louder), len(before)) - 3
        change = (louder - louder.max())[:frames] - (before - before.max())[:frames]
        np.testing.assert_allclose(change, 0, atol=1)
        later = spectrogram(TimeShift().apply(cry, RATE_HZ, 160 * 50))
        # By 50 frames; the first ones after the seam and the last see an end.
        assert likeness(later[53:-3], before[3:-53]) > 0.999
        room = Reverb().apply(cry, RATE_HZ, Room(0.4, 10.0, 0.004, 1))
        assert likeness(spectrogram(room), before) > 0.85


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_a_stretched_cry_is_the_cry_on_another_time_axis(cries, rate):
    for cry in cries:
        stretched = spectrogram(TimeStretch().apply(cry, RATE_HZ, rate))
        expected = at_length(spectrogram(cry), len(stretched))
        assert likeness(stretched, expected) > 0.95


@pytest.mark.parametrize("semitones", [-2.0, 2.0])
def test_a_shifted_cry_has_its_harmonics_moved_and_its_rhythm_kept(cries, semitones):
    """The spectrum on a logarithmic axis is displaced by the semitones drawn."""
    hz = 250 * 2 ** (np.arange(0, 12 * 3.5, 0.1) / 12)  # ten steps a semitone

    def on_log_axis(waveform):
        frames = waveform[: len(waveform) // 4096 * 4096].reshape(-1, 4096)
        power = np.abs(np.fft.rfft(frames * np.hanning(4096), 2**14)) ** 2
        bins = hz / RATE_HZ * 2**14
        power = np.stack([np.interp(bins, np.arange(8193), row) for row in power])
        return 10 * np.log10(power + 1e-9)

    for cry in cries:
        shifted = PitchShift().apply(cry, RATE_HZ, semitones)
        before, after = on_log_axis(cry), on_log_axis(shifted)
        steps = np.arange(-40, 41)
        inside = slice(40, len(hz) - 40)
        matches = [
            likeness(np.roll(before, step, axis=1)[:, inside], after[:, inside])
            for step in steps
        ]
        # A quarter of a semitone: loud noise between cries does not have a pitch.
        assert steps[np.argmax(matches)] / 10 == pytest.approx(semitones, abs=0.25)
        loudness = [spectrogram(w).mean(axis=1) for w in (cry, shifted)]
        # In the mean over mel bands a moved harmonic can count more or less.
        assert np.corrcoef(*loudness)[0, 1] > 0.9


def test_noise_raises_the_pauses_and_leaves_the_loudest(cries, noises):
    for cry in cries:
        drawn = Background(noises.draw(np.random.default_rng(0), 1, 1).file, 0.5, 10.0)
        before = log_mel(cry, PANNS_16K)
        after = log_mel(noises.apply(cry, RATE_HZ, drawn), PANNS_16K)
        after += np.median((before - after)[before > before.max() - 6])
        quiet = before < np.quantile(before, 0.3)
        assert np.mean((after - before)[quiet]) > 5
        loud = before > before.max() - 10
        assert np.abs((after - before)[loud]).mean() < 3


def test_narrow_bands_leave_what_a_telephone_would(cries):
    bands = slice(0, 35)  # up to about 2.6 kHz
    for cry in cries:
        before = spectrogram(cry)
        limited = spectrogram(BandLimit().apply(cry, RATE_HZ, 3600.0))
        np.testing.assert_allclose(limited[:, bands], before[:, bands], atol=1)
        for coding, bits, least in (("mu_law", 8, 0.9), ("block", 6, 0.9)):
            coded = CodecLike().apply(cry, RATE_HZ, Coded(8_000, coding, bits, 0.0, 1))
            assert likeness(spectrogram(coded)[:, bands], before[:, bands]) > least


@pytest.mark.parametrize("name", ["light", "strong"])
def test_policies_give_different_sounds_of_every_cry(cries, noises, name):
    policy = policies.get(name, noises.folder)
    for cry in cries:
        made = [policy(cry, RATE_HZ, np.random.default_rng(seed)) for seed in range(4)]
        for waveform in made:
            assert np.isfinite(waveform).all()
            assert np.abs(waveform).max() <= 1
            assert 0.9 < len(waveform) / len(cry) < 1.12
            assert waveform.std() > 0.02 * cry.std()
        assert len({waveform.tobytes() for waveform in made}) >= 3
