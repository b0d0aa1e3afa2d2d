import numpy as np
import pytest

from cry_tf.synthesis import Home, Infant, synthesise_night
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def night(seed: int = 0, **changes):
    rng = np.random.default_rng(seed)
    infant, home = Infant.draw("night", rng), Home.draw("night", rng)
    settings = {"duration_s": 120.0, "cry_episodes": 3, "household_events": 5} | changes
    return synthesise_night(infant, home, rng, **settings)


def test_the_night_is_finite_unclipped_and_as_long_as_asked():
    made = night()
    assert made.waveform.shape == (120 * SAMPLE_RATE_HZ,)
    assert made.waveform.dtype == np.float32
    assert np.isfinite(made.waveform).all()
    assert np.abs(made.waveform).max() < 1
    assert made.duration_s == 120


def test_the_truth_has_every_sound_in_order():
    made = night()
    assert len(made.cries) == 3
    assert len(made.events) == 8
    starts = [event.start_s for event in made.events]
    assert starts == sorted(starts)
    for event in made.events:
        assert 0 <= event.start_s < event.end_s <= 120
        assert bool(event.reason) == (event.label == "cry")


@pytest.mark.parametrize("seed", range(8))
def test_cries_never_touch_one_another(seed):
    cries = night(seed, household_events=0).cries
    for before, after in zip(cries, cries[1:], strict=False):
        assert after.start_s - before.end_s >= 5


def test_a_cry_is_louder_than_the_background_before_it():
    made = night(household_events=0)
    first = max(made.cries, key=lambda event: event.level_db)

    def loudness(start_s: float, end_s: float) -> float:
        piece = made.waveform[
            int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)
        ]
        return float(np.sqrt(np.mean(piece**2)))

    inside = loudness(first.start_s, first.end_s)
    assert inside > 2 * loudness(first.start_s - 4, first.start_s - 1)


def test_the_same_state_gives_the_same_night():
    one, other = night(2), night(2)
    np.testing.assert_array_equal(one.waveform, other.waveform)
    assert one.events == other.events


def test_a_night_without_any_sound_is_background():
    made = night(cry_episodes=0, household_events=0)
    assert made.events == ()
    assert made.waveform.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"duration_s": 100.0, "cry_episodes": 3},
        {"cry_episodes": -1},
        {"household_events": -1},
        {"duration_s": 0.0, "cry_episodes": 0, "household_events": 0},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    with pytest.raises(ValueError, match="Received: duration_s="):
        night(**changes)
