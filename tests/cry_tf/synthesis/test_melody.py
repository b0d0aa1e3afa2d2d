import numpy as np
import pytest

from cry_tf.synthesis.melody import MELODIES, melody


@pytest.mark.parametrize("name", MELODIES)
@pytest.mark.parametrize("samples", [1, 2, 100, 16_000])
def test_a_melody_stays_within_its_range(name, samples):
    shape = melody(name, samples)
    assert shape.shape == (samples,)
    assert shape.min() >= 0
    assert shape.max() <= 1


def thirds(name: str) -> np.ndarray:
    return melody(name, 9_000).reshape(3, -1).mean(axis=1)


def test_falling_falls():
    first, second, third = thirds("falling")
    assert first > second > third


def test_rising_rises():
    first, second, third = thirds("rising")
    assert first < second < third


def test_rising_falling_has_its_top_where_it_was_asked():
    for peak in (0.25, 0.5, 0.6):
        shape = melody("rising_falling", 10_000, peak)
        assert np.argmax(shape) == pytest.approx(peak * 10_000, abs=2)
        assert shape[0] < 0.01
        assert shape[-1] < 0.01


def test_a_plateau_is_flat_in_the_middle():
    middle = melody("plateau", 10_000)[1_500:8_500]
    assert np.ptp(middle) < 1e-9


def test_a_double_arch_has_two_tops_with_a_valley_between():
    shape = melody("double_arch", 10_000)
    slopes = np.sign(np.diff(shape))
    tops = np.sum((slopes[:-1] > 0) & (slopes[1:] <= 0))
    assert tops == 2
    assert shape[5_000] < 0.6 * shape.max()


def test_an_unknown_melody_is_refused_by_name():
    with pytest.raises(ValueError, match="rising_falling.*Received: yodel"):
        melody("yodel", 10)
