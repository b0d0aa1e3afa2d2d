import numpy as np
import pytest

from cry_tf.synthesis import HOUSEHOLD_SOUNDS, SAMPLE_RATE_HZ, Home, household_sound

HOME = Home(name="a", seed=7)
SOUNDING = [name for name in HOUSEHOLD_SOUNDS if name != "quiet"]


@pytest.mark.parametrize("name", SOUNDING)
def test_a_sound_is_finite_full_scale_and_as_long_as_asked(name, rng):
    sound = household_sound(name, HOME, 3.0, rng)
    assert sound.shape == (3 * SAMPLE_RATE_HZ,)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(1)


@pytest.mark.parametrize("name", HOUSEHOLD_SOUNDS)
def test_the_same_state_gives_the_same_samples(name):
    one, other = (
        household_sound(name, HOME, 1.0, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", HOUSEHOLD_SOUNDS)
@pytest.mark.parametrize("duration_s", [0.001, 0.02, 0.3])
def test_a_short_sound_is_finite(name, duration_s, rng):
    sound = household_sound(name, HOME, duration_s, rng)
    assert len(sound) == round(duration_s * SAMPLE_RATE_HZ)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1


def test_quiet_is_silence(rng):
    assert not household_sound("quiet", HOME, 1.0, rng).any()


def pitch_hz(name: str, home: Home, seed: int) -> int:
    sound = household_sound(name, home, 1.0, np.random.default_rng(seed))
    return int(np.argmax(np.abs(np.fft.rfft(sound))))


def test_an_appliance_keeps_its_pitch_within_a_home():
    assert pitch_hz("alarm_beeps", HOME, 1) == pitch_hz("alarm_beeps", HOME, 2)


def test_homes_have_different_appliances():
    homes = [Home(name="a", seed=seed) for seed in range(6)]
    assert len({pitch_hz("alarm_beeps", home, 1) for home in homes}) == 6


def test_a_whistle_is_tonal_and_rain_is_not(rng):
    def flatness(name: str) -> float:
        sound = household_sound(name, HOME, 2.0, rng)
        power = np.abs(np.fft.rfft(sound))[500:14_000] ** 2 + 1e-12
        return float(np.exp(np.mean(np.log(power))) / np.mean(power))

    assert flatness("kettle_whistle") < 0.1 * flatness("rain")


def test_an_unknown_sound_is_refused_by_name(rng):
    with pytest.raises(ValueError, match="rain.*Received: trombone"):
        household_sound("trombone", HOME, 1.0, rng)


def test_no_duration_is_refused(rng):
    with pytest.raises(ValueError, match="duration_s must be positive"):
        household_sound("rain", HOME, 0, rng)
