import numpy as np
import pytest

from cry_tf.augment import Mixup, policies
from cry_tf.data import load
from cry_tf.data.epoch_order import EpochOrder


@pytest.fixture
def tones(write, tmp_path):
    """Two labels of three clips each."""
    for label in ("high", "low"):
        for number in range(3):
            write(f"set/{label}/{label}{number}/0.wav", seconds=0.3)
    return tmp_path / "set"


def test_an_epoch_shows_every_place_once_and_another_order_each_time():
    order = EpochOrder(np.array([3, 5, 9, 11]), seed=0, batch_size=3)
    orders = [order.places(epoch).tolist() for epoch in range(6)]
    assert all(sorted(found) == [3, 5, 9, 11] for found in orders)
    assert len({tuple(found) for found in orders}) > 1
    assert order.batches == 2


def test_an_epoch_is_the_same_whatever_was_iterated_over_before():
    order = EpochOrder(np.arange(20), seed=1, batch_size=4)
    rows = order.to_tf()
    order.epoch = 7
    at_once = [row[0].numpy() for row in rows]
    for epoch in range(7):
        order.epoch = epoch
        list(rows)
    order.epoch = 7
    assert [row[0].numpy() for row in rows] == at_once == order.places(7).tolist()


def test_where_more_is_shown_than_there_are_clips_the_next_epoch_goes_on():
    # Ten places in epochs of four clips, in whole batches of three: six places.
    order = EpochOrder(np.arange(10), seed=2, batch_size=3, clips=4)
    assert (order.count, order.batches) == (6, 2)
    every = np.concatenate([order.places(epoch) for epoch in range(5)])
    for at in (0, 10, 20):
        assert sorted(every[at : at + 10]) == list(range(10))


def test_another_seed_gives_another_order():
    first, other = (EpochOrder(np.arange(9), seed, 3).places(0) for seed in (0, 1))
    assert (first != other).any()


def test_a_pipeline_shows_what_the_order_says_and_augments_by_its_epoch(tones):
    data = load(tones)
    order = EpochOrder(np.array([1, 3, 4]), seed=0, batch_size=2)
    batches = data.to_tf(
        batch_size=2, sample_rate_hz=16_000, order=order, augment=policies.get("strong")
    )

    def epoch(number):
        order.epoch = number
        return [(x.numpy(), y.numpy()) for x, y in batches]

    second, third, again = epoch(1), epoch(2), epoch(1)
    labels = np.concatenate([y for _, y in second])
    np.testing.assert_array_equal(labels, data.label_indices[order.places(1)])
    for (x, _), (same, _) in zip(second, again, strict=True):
        np.testing.assert_array_equal(x, same)
    assert any(
        x.shape != other.shape or (x != other).any()
        for (x, _), (other, _) in zip(second, third, strict=True)
    )


def test_mixup_draws_by_the_epoch_too(tones):
    order = EpochOrder(np.arange(4), seed=0, batch_size=2)
    batches = load(tones).to_tf(batch_size=2, sample_rate_hz=16_000, order=order)
    mixed = Mixup(1.0, labels=2).waveforms(batches, order.seeds())

    def epoch(number):
        order.epoch = number
        return np.concatenate([y.numpy() for _, y in mixed])

    first, second = epoch(0), epoch(1)
    np.testing.assert_array_equal(epoch(0), first)
    assert (first != second).any()
