import time

import numpy as np
import pytest

from cry_tf.synthesis import REASONS, SAMPLE_RATE_HZ, Infant, cry


@pytest.fixture
def infant(rng) -> Infant:
    return Infant.draw("synthetic_infant", rng)


@pytest.mark.parametrize("reason", REASONS)
def test_a_cry_is_finite_full_scale_and_as_long_as_asked(reason, infant, rng):
    sung = cry(infant, reason, 4.0, rng)
    assert sung.shape == (4 * SAMPLE_RATE_HZ,)
    assert sung.dtype == np.float32
    assert np.isfinite(sung).all()
    assert np.abs(sung).max() == pytest.approx(1)


def test_the_same_state_gives_the_same_samples(infant):
    one = cry(infant, "hungry", 3.0, np.random.default_rng(1))
    other = cry(infant, "hungry", 3.0, np.random.default_rng(1))
    np.testing.assert_array_equal(one, other)


def test_another_state_gives_another_cry(infant):
    one = cry(infant, "hungry", 3.0, np.random.default_rng(1))
    other = cry(infant, "hungry", 3.0, np.random.default_rng(2))
    assert not np.allclose(one, other)


def test_the_energy_lies_where_a_cry_has_it(infant, rng):
    # Fundamental above 200 Hz, most energy around the first resonance near 1 kHz.
    power = np.mean(
        [np.abs(np.fft.rfft(cry(infant, name, 4.0, rng))) ** 2 for name in REASONS],
        axis=0,
    )
    hz = np.fft.rfftfreq(4 * SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
    share = np.cumsum(power) / power.sum()
    assert share[np.searchsorted(hz, 200)] < 0.02
    assert 500 < hz[np.searchsorted(share, 0.5)] < 1_700


def test_breaths_follow_one_another_with_pauses(infant, rng):
    sung = cry(infant, "hungry", 10.0, rng)
    loudness = np.sqrt(np.mean(sung.reshape(-1, 400) ** 2, axis=1))
    active = loudness > 0.1 * loudness.max()
    breaths = np.sum(np.diff(active.astype(int)) == 1)
    assert 5 <= breaths <= 25
    assert 0.3 < active.mean() < 0.98


@pytest.mark.parametrize("duration_s", [0.0001, 0.01, 0.1, 0.5])
def test_a_short_cry_is_finite(duration_s, infant, rng):
    sung = cry(infant, "belly_pain", duration_s, rng)
    assert len(sung) == round(duration_s * SAMPLE_RATE_HZ)
    assert np.isfinite(sung).all()


def test_pain_is_sung_higher_than_tiredness_on_average():
    # By construction: the median pitch ratio is 1.25 against 0.88.
    def centroid_hz(reason: str) -> float:
        means = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            sung = cry(Infant.draw("a", rng), reason, 3.0, rng)
            power = np.abs(np.fft.rfft(sung)) ** 2
            hz = np.fft.rfftfreq(len(sung), 1 / SAMPLE_RATE_HZ)
            means.append(np.sum(hz * power) / np.sum(power))
        return float(np.mean(means))

    assert centroid_hz("belly_pain") > 1.15 * centroid_hz("tired")


def test_an_unknown_reason_is_refused_by_name(infant, rng):
    with pytest.raises(ValueError, match="hungry.*Received: angry"):
        cry(infant, "angry", 1.0, rng)


@pytest.mark.parametrize("duration_s", [0, -1, 1e-9])
def test_no_duration_is_refused(duration_s, infant, rng):
    with pytest.raises(ValueError, match="duration_s must be positive"):
        cry(infant, "hungry", duration_s, rng)


def test_a_cry_is_made_faster_than_it_lasts(infant, rng):
    # 130 x on one core; 20 leaves room for a busy machine. Processor time, so that
    # other processes do not count.
    cry(infant, "hungry", 1.0, rng)
    start = time.process_time()
    cry(infant, "hungry", 20.0, rng)
    assert 20.0 / (time.process_time() - start) > 20
