import numpy as np
import pytest

from cry_tf.augment import Reverb
from cry_tf.augment.reverb import Room, impulse_response

RATE_HZ = 16_000


@pytest.mark.parametrize("rt60_s", [0.15, 0.4, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_reflections_fall_by_60_db_in_the_time_drawn(rt60_s, seed):
    tail = impulse_response(Room(rt60_s, 0.0, 0.002, seed), RATE_HZ)[1:]
    left = np.cumsum(np.square(tail[::-1], dtype=np.float64))[::-1]  # Schroeder
    left_db = 10 * np.log10(left / left[0])
    from_, to = (int(np.argmax(left_db < level)) for level in (-5, -25))
    measured_s = 3 * (to - from_) / RATE_HZ
    # Noise makes the fall rough: less so in a longer room.
    assert measured_s == pytest.approx(rt60_s, rel=0.1)


@pytest.mark.parametrize("direct_db", [-5.0, 0.0, 15.0])
def test_the_direct_sound_is_as_much_louder_as_drawn(direct_db):
    response = impulse_response(Room(0.4, direct_db, 0.005, 1), RATE_HZ)
    assert response[0] == 1
    assert not response[1:80].any()
    energy = np.sum(np.square(response[1:], dtype=np.float64))
    assert -10 * np.log10(energy) == pytest.approx(direct_db, abs=1e-3)


def test_it_is_the_convolution_with_the_response(cry):
    room = Room(0.3, 10.0, 0.004, 5)
    result = Reverb().apply(cry * np.float32(0.2), RATE_HZ, room)
    expected = np.convolve(cry * np.float32(0.2), impulse_response(room, RATE_HZ))
    np.testing.assert_allclose(result, expected[: len(cry)], atol=1e-5)


def test_what_was_silent_after_a_sound_rings():
    click = np.zeros(8000, np.float32)
    click[0] = click[-1] = 0.5  # quiet between sounds is no padding
    result = Reverb().apply(click, RATE_HZ, Room(0.5, 0.0, 0.002, 1))
    assert np.abs(result[100:2000]).max() > 1e-3


def test_rooms_are_drawn_over_the_ranges_and_differ(rng):
    rooms = [Reverb().draw(rng, 1, RATE_HZ) for _ in range(300)]
    assert 0.15 <= min(r.rt60_s for r in rooms) < 0.17
    assert 0.68 < max(r.rt60_s for r in rooms) <= 0.7
    assert 0 <= min(r.direct_db for r in rooms) < 0.5
    assert 14.5 < max(r.direct_db for r in rooms) <= 15
    assert len({room.seed for room in rooms}) == 300


@pytest.mark.parametrize(
    "arguments",
    [{"min_rt60_s": 0.01}, {"max_rt60_s": 5}, {"min_direct_db": 20}],
)
def test_a_wrong_range_is_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Reverb(**arguments)
