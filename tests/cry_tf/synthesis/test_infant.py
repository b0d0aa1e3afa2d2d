import numpy as np
import pytest

from cry_tf.synthesis.infant import Infant


def test_the_same_state_draws_the_same_infant():
    draws = [Infant.draw("a", np.random.default_rng(4)) for _ in range(2)]
    assert draws[0] == draws[1]


def test_the_population_stays_within_what_is_known_of_infants(rng):
    infants = [Infant.draw(str(index), rng) for index in range(300)]
    f0_hz = np.array([infant.base_f0_hz for infant in infants])
    first_hz = np.array([infant.formants_hz[0] for infant in infants])
    assert f0_hz.min() >= 300
    assert f0_hz.max() <= 600
    assert np.std(f0_hz) > 30
    assert first_hz.min() > 1_000
    assert first_hz.max() < 1_400


def test_resonances_are_odd_multiples_of_the_quarter_wave():
    infant = Infant(name="a", base_f0_hz=400, tract_length_cm=8)
    assert infant.formants_hz == pytest.approx((1_106.25, 3_318.75, 5_531.25, 7_743.75))


@pytest.mark.parametrize(
    "change", [{"base_f0_hz": 40.0}, {"tract_length_cm": 17.0}, {"base_f0_hz": np.nan}]
)
def test_an_impossible_infant_is_refused(change):
    fields = {"name": "a", "base_f0_hz": 400.0, "tract_length_cm": 8.0} | change
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be within"):
        Infant(**fields)
