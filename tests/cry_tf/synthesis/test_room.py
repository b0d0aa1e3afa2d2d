import numpy as np
import pytest

from cry_tf.synthesis.room import Home, convolve, shape_spectrum


def test_convolution_equals_numpys(rng):
    sound, response = rng.standard_normal(300), rng.standard_normal(40)
    expected = np.convolve(sound, response)[:300]
    np.testing.assert_allclose(convolve(sound, response), expected, atol=1e-5)


def test_a_flat_gain_changes_nothing(rng):
    sound = rng.standard_normal(1_001)
    shaped = shape_spectrum(sound, np.ones(9))
    np.testing.assert_allclose(shaped, sound, atol=1e-6)


def test_a_gain_removes_what_it_should(rng):
    low_pass = np.where(np.linspace(0, 8_000, 257) < 2_000, 1.0, 0.0)
    power = np.abs(np.fft.rfft(shape_spectrum(rng.standard_normal(16_000), low_pass)))
    assert power[2_100:].max() < 1e-3 * power[:1_900].mean()


def test_the_direct_sound_comes_first(rng):
    click = np.zeros(8_000)
    click[100] = 1
    heard = Home(name="a", seed=0).reverberate(click, rng)
    assert np.argmax(np.abs(heard)) == 100
    np.testing.assert_allclose(heard[:100], 0, atol=1e-6)
    assert np.abs(heard[200:4_000]).max() > 1e-3


def test_reflections_fall_by_60_db_in_the_reverberation_time(rng):
    click = np.zeros(16_000)
    click[0] = 1
    home = Home(name="a", seed=0, reverberation_s=0.5, wetness=1.0)
    heard = home.reverberate(click, rng)
    early = np.sqrt(np.mean(heard[400:1_200] ** 2))
    late = np.sqrt(np.mean(heard[6_400:7_200] ** 2))
    # 6000 samples apart, 0.375 s of 0.5 s: 45 dB.
    assert 20 * np.log10(early / late) == pytest.approx(45, abs=2)


@pytest.mark.parametrize("peak_db", [-30.0, -6.0, -0.1])
def test_a_recording_has_the_asked_level_and_is_never_clipped(peak_db, rng):
    home = Home(name="a", seed=0, noise_db=-90)
    heard = home.record(rng.standard_normal(16_000), peak_db, rng)
    assert 20 * np.log10(np.abs(heard).max()) == pytest.approx(peak_db, abs=0.2)
    assert np.abs(heard).max() < 1


def test_silence_is_recorded_as_the_devices_noise(rng):
    home = Home(name="a", seed=0, noise_db=-60, low_cut_hz=1, high_cut_hz=7_999)
    heard = home.record(np.zeros(16_000), -3, rng)
    assert 20 * np.log10(heard.std()) == pytest.approx(-60, abs=1)


def test_homes_differ_and_the_same_state_draws_the_same(rng):
    assert Home.draw("a", np.random.default_rng(1)) == Home.draw(
        "a", np.random.default_rng(1)
    )
    homes = {Home.draw("a", rng) for _ in range(20)}
    assert len(homes) == 20
