import pytest

from cry_tf.training.forecast import Forecast


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_each_stage_is_forecast_from_its_own_epochs():
    clock = Clock()
    forecast = Forecast([2, 3], fits=2, clock=clock)
    found = []
    for epoch, seconds in enumerate([1, 1, 60, 60, 60]):
        clock.now_s += seconds
        found.append(forecast.tell(epoch, True))
    assert found[:2] == [None, None]  # a slow stage is still to come: nothing is said
    # Two quick epochs are left and five, four, three slow ones.
    assert found[2:] == pytest.approx([302, 242, 182])


def test_epochs_that_were_kept_or_left_out_cost_nothing():
    clock = Clock()
    forecast = Forecast([4], fits=1, clock=clock)
    clock.now_s = 100
    assert forecast.tell(0, False) is None
    clock.now_s = 110
    assert forecast.tell(1, True) == pytest.approx(20)
    assert forecast.tell(2, False) == pytest.approx(10)
