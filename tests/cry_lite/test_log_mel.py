"""The NumPy reference against librosa, TensorFlow and plain loops."""

import numpy as np
import pytest

from cry_lite.front_ends import (
    EFFICIENTAT,
    PANNS_8K,
    PANNS_16K,
    PANNS_32K,
    VGGISH,
    YAMNET,
)
from cry_lite.log_mel import (
    fft_window,
    log_mel,
    num_steps,
    patches,
    z_scored,
)
from cry_lite.mel import mel_matrix
from cry_lite.padding import real_length

PANNS = {"32k": PANNS_32K, "16k": PANNS_16K, "8k": PANNS_8K}
ALL = {
    **PANNS,
    "vggish": VGGISH,
    "yamnet": YAMNET,
    "efficientat": EFFICIENTAT,
    "emphasized patches": YAMNET.replace(pre_emphasis=0.97),
    "z-scored patches": VGGISH.replace(pre_emphasis=0.97, z_score=True),
    "z-scored frames": PANNS_16K.replace(pre_emphasis=0.97, z_score=True),
}


def waveforms(spec, rng, seconds=2):
    samples = seconds * spec.sample_rate_hz
    time = np.arange(samples) / spec.sample_rate_hz
    return {
        "noise": 0.1 * rng.standard_normal(samples).astype(np.float32),
        "tone": 0.5 * np.sin(2 * np.pi * 440 * time).astype(np.float32),
        "full scale": rng.choice([-1.0, 1.0], samples).astype(np.float32),
    }


@pytest.mark.parametrize("spec", PANNS.values(), ids=PANNS)
def test_panns_numbers_equal_librosa(spec, rng):
    librosa = pytest.importorskip("librosa")
    for name, waveform in waveforms(spec, rng).items():
        power = librosa.feature.melspectrogram(
            y=waveform.astype(np.float64),
            sr=spec.sample_rate_hz,
            n_fft=spec.fft_length,
            hop_length=spec.hop_samples,
            window="hann",
            center=True,
            pad_mode="reflect",
            power=2.0,
            n_mels=spec.mel_bands,
            fmin=spec.min_hz,
            fmax=spec.max_hz,
        )
        expected = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
        actual = log_mel(waveform[: real_length(waveform)], spec)
        # Nothing but float32 of 100 dB (8e-6) separates the two.
        np.testing.assert_allclose(actual, expected.T, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("spec", [VGGISH, YAMNET], ids=["vggish", "yamnet"])
def test_patch_numbers_equal_tensorflow(spec, rng):
    tf = pytest.importorskip("tensorflow")
    matrix = tf.signal.linear_to_mel_weight_matrix(
        spec.mel_bands, 257, 16_000, spec.min_hz, spec.max_hz, dtype=tf.float64
    )
    for name, waveform in waveforms(spec, rng).items():
        needed = 15_600 + (num_steps(32_000, spec) - 1) * spec.patch_hop_samples
        signal = np.pad(waveform, (0, max(0, needed - 32_000)))[:needed]
        stft = tf.signal.stft(signal.astype(np.float64), 400, 160, 512)
        expected = np.log(tf.abs(stft).numpy() @ matrix.numpy() + spec.log_offset)
        np.testing.assert_allclose(
            log_mel(waveform, spec), expected, atol=2e-6, err_msg=name
        )


def test_a_frame_is_what_its_definition_says(rng):
    waveform = rng.standard_normal(3_000).astype(np.float32)
    spec = VGGISH.replace(patch_frames=0, patch_hop_frames=0)
    frame = waveform[5 * 160 : 5 * 160 + 400].astype(np.float64)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    angle = 2 * np.pi * np.outer(np.arange(257), np.arange(400)) / 512
    spectrum = np.abs(np.exp(-1j * angle) @ (frame * hann))
    expected = np.log(spectrum @ mel_matrix(spec).astype(np.float64) + 0.01)
    np.testing.assert_allclose(log_mel(waveform, spec)[5], expected, atol=1e-6)


def test_a_short_window_is_centred_in_its_fft_when_frames_are():
    spec = PANNS_32K.replace(window_samples=512)
    assert fft_window(spec)[512] == 1.0
    assert fft_window(spec.replace(center=False))[256] == 1.0
    # An impulse on sample t * hop is in the middle of frame t and of no other.
    impulse = np.zeros(3_200, np.float32)
    impulse[1_600] = 1.0
    level = log_mel(np.append(impulse, np.float32(1e-9)), spec)
    assert level.max(axis=1).argmax() == 5


def test_pre_emphasis_is_the_difference_of_neighbours(rng):
    waveform = rng.normal(0, 0.1, 20_000)
    emphasized = np.array([waveform[i + 1] - 0.9 * waveform[i] for i in range(19_999)])
    for spec in (PANNS_32K, VGGISH, YAMNET):
        np.testing.assert_allclose(
            log_mel(waveform, spec.replace(pre_emphasis=0.9)),
            log_mel(emphasized, spec),
            rtol=1e-6,
        )


def test_a_z_score_is_the_distance_from_the_mean_in_deviations():
    np.testing.assert_allclose(z_scored(np.array([0.0, 4.0, 4.0, 0.0])), [-1, 1, 1, -1])
    biased = np.sqrt(2 / 3)
    np.testing.assert_allclose(
        z_scored(np.array([1.0, 2.0, 3.0])), [-1 / biased, 0, 1 / biased]
    )
    assert not z_scored(np.zeros(5)).any()
    assert z_scored(np.zeros(0)).shape == (0,)
    # A deviation of a tenth of the least counts as the least.
    np.testing.assert_allclose(z_scored(np.array([-1e-6, 1e-6])), [-0.1, 0.1])


def test_pre_emphasis_comes_before_the_z_score(rng):
    waveform = np.cumsum(rng.normal(0, 0.01, 20_000))
    emphasized = waveform[1:] - 0.9 * waveform[:-1]
    scored = (emphasized - emphasized.mean()) / emphasized.std()
    for spec in (PANNS_32K, VGGISH, YAMNET):
        both = spec.replace(pre_emphasis=0.9, z_score=True)
        expected = log_mel(scored, spec)
        np.testing.assert_allclose(log_mel(waveform, both), expected, atol=1e-5)


def test_the_z_score_hears_neither_loudness_nor_a_direct_current(rng):
    waveform = rng.normal(0, 0.1, 20_000)
    spec = VGGISH.replace(z_score=True)
    expected = log_mel(waveform, spec)
    for other in (0.01 * waveform, waveform + 0.5, 0.5 - waveform):
        np.testing.assert_allclose(log_mel(other, spec), expected, atol=1e-6)


def test_the_symmetric_window_ends_as_it_begins():
    window = fft_window(EFFICIENTAT)
    np.testing.assert_allclose(window, window[::-1], atol=1e-12)
    assert not window[:113].any()  # 112 zeros before it, and its first
    np.testing.assert_allclose(window[112:912], np.hanning(800), atol=1e-12)


def test_levels_are_centred_and_divided_as_the_spec_says(rng):
    waveform = rng.normal(0, 0.1, 20_000)
    for spec in (PANNS_32K, VGGISH):
        centred = log_mel(waveform, spec.replace(level_mean=-4.5, level_std=5.0))
        expected = (log_mel(waveform, spec) + 4.5) / 5.0
        np.testing.assert_allclose(centred, expected, atol=1e-5)


@pytest.mark.parametrize("zeros", [1, 159, 160, 5_000, 40_000])
@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_padding_never_changes_the_result(spec, zeros, rng):
    waveform = rng.standard_normal(20_011).astype(np.float32)
    padded = np.append(waveform, np.zeros(zeros, np.float32))
    np.testing.assert_array_equal(log_mel(padded, spec), log_mel(waveform, spec))


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_silence_gives_one_step_at_the_floor(spec):
    floor = -100.0 if spec.log_scale == "db" else np.log(spec.log_offset)
    floor = (floor - spec.level_mean) / spec.level_std
    level = log_mel(np.zeros(50_000, np.float32), spec)
    assert len(level) == max(spec.patch_frames, 1)
    np.testing.assert_allclose(level, floor, rtol=1e-6)


@pytest.mark.parametrize("samples", [1, 100, 399, 400, 512, 513])
@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_a_clip_shorter_than_a_window_has_finite_numbers(spec, samples, rng):
    waveform = rng.standard_normal(samples).astype(np.float32)
    level = log_mel(waveform, spec)
    assert np.isfinite(level).all()
    # A single sample stands under the zero with which a Hann window begins, unless
    # frames are centred; pre-emphasis needs one more.
    heard = samples - (spec.pre_emphasis > 0)
    assert (level.max() > level.min()) == (heard > 1 or (spec.center and heard == 1))
    expected = 1 + heard // spec.hop_samples if spec.center else spec.patch_frames
    assert level.shape == (expected, spec.mel_bands)


def test_step_counts_at_exact_multiples():
    assert num_steps(15_600, YAMNET) == 1
    assert num_steps(15_601, YAMNET) == 2
    assert num_steps(15_600 + 7_680, YAMNET) == 2
    assert num_steps(15_600 + 7_681, YAMNET) == 3
    assert num_steps(15_600 + 15_359, VGGISH) == 1
    assert num_steps(15_600 + 15_360, VGGISH) == 2
    assert num_steps(0, VGGISH) == num_steps(0, YAMNET) == num_steps(0, PANNS_32K) == 1
    assert num_steps(np.array([0, 1, 320, 321]), EFFICIENTAT).tolist() == [1, 1, 1, 2]
    assert num_steps(319, PANNS_32K) == 1
    assert num_steps(320, PANNS_32K) == 2
    np.testing.assert_array_equal(
        num_steps(np.array([0, 15_600, 15_601, 32_000]), YAMNET), [1, 1, 2, 4]
    )


@pytest.mark.parametrize("samples", [1, 15_600, 15_601, 30_960, 30_961, 50_000])
@pytest.mark.parametrize("spec", [VGGISH, YAMNET], ids=["vggish", "yamnet"])
def test_patches_are_cut_from_the_spectrogram(spec, samples, rng):
    waveform = rng.standard_normal(samples).astype(np.float32)
    frames, cut = log_mel(waveform, spec), patches(waveform, spec)
    assert cut.shape == (num_steps(samples, spec), 96, 64)
    for i, patch in enumerate(cut):
        start = i * spec.patch_hop_frames
        np.testing.assert_array_equal(patch, frames[start : start + 96])
    assert start + 96 == len(frames)


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_a_tone_above_the_cutoff_vanishes(spec):
    samples = 2 * spec.sample_rate_hz
    tone = np.sin(2 * np.pi * 3_000 * np.arange(samples) / spec.sample_rate_hz)
    waveform = (0.5 * np.hanning(samples) * tone).astype(np.float32)
    cut = spec.replace(cutoff_hz=2_500.0)
    loud, silent = log_mel(waveform, spec), log_mel(waveform, cut)
    per_decade = 10.0 if spec.log_scale == "db" else 0.5 * np.log(10.0)
    # What is left is the far side lobes of the window.
    assert silent.max() < loud.max() - 5 * per_decade / spec.level_std


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(0, np.float32),
        np.zeros((2, 100), np.float32),
        np.zeros(100, np.int16),
    ],
    ids=["empty", "stereo", "integers"],
)
def test_what_is_no_waveform_is_refused(waveform):
    with pytest.raises(ValueError, match="waveform must be .* Received: shape="):
        log_mel(waveform, YAMNET)


def test_patches_without_patches_in_the_spec_are_refused():
    with pytest.raises(ValueError, match="patch_frames=0. Use log_mel"):
        patches(np.zeros(100, np.float32), PANNS_32K)


def test_patches_of_centred_frames_are_refused():
    spec = PANNS_32K.replace(patch_frames=96, patch_hop_frames=96)
    with pytest.raises(ValueError, match="center=True takes no patches"):
        log_mel(np.zeros(100, np.float32), spec)
