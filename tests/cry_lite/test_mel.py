"""The mel matrices against librosa, TensorFlow and their own definition."""

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
from cry_lite.mel import mel_matrix

ALL = {
    "panns_32k": PANNS_32K,
    "panns_16k": PANNS_16K,
    "panns_8k": PANNS_8K,
    "vggish": VGGISH,
    "yamnet": YAMNET,
    "efficientat": EFFICIENTAT,
}


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_shape_type_and_sign(spec):
    matrix = mel_matrix(spec)
    assert matrix.shape == (spec.fft_length // 2 + 1, spec.mel_bands)
    assert matrix.dtype == np.float32
    assert matrix.min() == 0
    assert matrix.any(axis=0).all()  # no band is empty


@pytest.mark.parametrize("spec", [PANNS_32K, PANNS_16K, PANNS_8K])
def test_slaney_equals_librosa(spec):
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(
        sr=spec.sample_rate_hz,
        n_fft=spec.fft_length,
        n_mels=spec.mel_bands,
        fmin=spec.min_hz,
        fmax=spec.max_hz,
    ).T
    # One unit in the last place of float32.
    np.testing.assert_allclose(mel_matrix(spec), expected, rtol=2e-7, atol=2e-9)


@pytest.mark.parametrize("spec", [VGGISH, YAMNET, VGGISH.replace(mel_bands=40)])
def test_htk_equals_tensorflow(spec):
    tf = pytest.importorskip("tensorflow")
    expected = tf.signal.linear_to_mel_weight_matrix(
        spec.mel_bands,
        spec.fft_length // 2 + 1,
        spec.sample_rate_hz,
        spec.min_hz,
        spec.max_hz,
        dtype=tf.float64,
    ).numpy()
    np.testing.assert_allclose(mel_matrix(spec), expected, atol=6e-8)


def test_efficientats_bands_equal_the_formula_of_kaldi():
    """As `torchaudio.compliance.kaldi.get_mel_banks` without a warp computes them."""
    spec = EFFICIENTAT
    bins, bands = spec.fft_length // 2, spec.mel_bands

    def mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    low, high = mel(spec.min_hz), mel(spec.max_hz)
    delta = (high - low) / (bands + 1)
    expected = np.zeros((bins + 1, bands))  # no weight for the bin of half the rate
    for band in range(bands):
        left, right = low + band * delta, low + (band + 2) * delta
        for k in range(bins):
            at = mel(k * spec.sample_rate_hz / spec.fft_length)
            rising, falling = (at - left) / delta, (right - at) / delta
            expected[k, band] = max(0.0, min(rising, falling))
    # One unit in the last place of float32.
    np.testing.assert_allclose(mel_matrix(spec), expected, atol=6e-8)


def test_slaney_bands_have_unit_area():
    fine = PANNS_32K.replace(fft_length=2**18)
    area = mel_matrix(fine).astype(np.float64).sum(axis=0) * 32_000 / 2**18
    np.testing.assert_allclose(area, 1.0, atol=1e-4)


def test_htk_bands_have_peak_one_and_no_dc():
    fine = VGGISH.replace(fft_length=2**18, min_hz=0.0)
    matrix = mel_matrix(fine)
    np.testing.assert_allclose(matrix.max(axis=0), 1.0, atol=2e-3)
    assert not matrix[0].any()


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_no_bin_above_the_cutoff_has_a_weight(spec):
    cut = mel_matrix(spec.replace(cutoff_hz=1_500.0))
    bin_hz = np.arange(len(cut)) * spec.sample_rate_hz / spec.fft_length
    assert not cut[bin_hz > 1_500.0].any()
    kept = bin_hz <= 1_500.0
    np.testing.assert_array_equal(cut[kept], mel_matrix(spec)[kept])


def test_a_bin_on_the_cutoff_stays():
    spec = PANNS_16K.replace(cutoff_hz=1_000.0)  # bin 32 of 31.25 Hz each
    assert mel_matrix(spec)[32].any()
    assert not mel_matrix(spec)[33].any()
