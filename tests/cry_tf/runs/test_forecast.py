import pytest

from cry_tf.runs.forecast import Forecast


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_each_stage_is_forecast_from_its_own_epochs():
    clock = Clock()
    forecast = Forecast([2, 3], fits=2, clock=clock)
    found = []
    for epoch, seconds in enumerate([9, 1, 400, 60, 60]):
        clock.now_s += seconds
        found.append(forecast.update(epoch, True))
    # A slow stage is still to come, and its first epoch compiles: nothing is said.
    assert found[:3] == [None, None, None]
    # Two quick epochs are left and four, three slow ones.
    assert found[3:] == pytest.approx([242, 182])


def test_epochs_that_were_kept_or_left_out_cost_nothing():
    clock = Clock()
    forecast = Forecast([5], fits=1, clock=clock)
    clock.now_s = 100
    assert forecast.update(0, False) is None
    clock.now_s = 150
    assert forecast.update(1, True) is None
    clock.now_s = 160
    assert forecast.update(2, True) == pytest.approx(20)
    assert forecast.update(3, False) == pytest.approx(10)
