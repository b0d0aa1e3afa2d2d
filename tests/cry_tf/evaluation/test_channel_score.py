import numpy as np
import pytest

from cry_tf.data.channel_features import ChannelFeatures
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.channel_score import score_channel

LABELS = ("cry", "no_cry")


def clips(label, domain, count):
    return [
        Clip(f"{domain}/{label}{i}.wav", label, f"{domain}-{label}{i}", domain=domain)  # type: ignore[arg-type]
        for i in range(count)
    ]


def features(values):
    values = np.asarray(values, np.float32)
    return ChannelFeatures(values, values, 3600.0)


def test_a_floor_between_two_others_is_told(rng):
    # Cries have a floor of -60, other sounds one of -80 or -40: no line tells them.
    dataset = Dataset((*clips("cry", "a", 40), *clips("no_cry", "b", 40)), LABELS)
    means = np.r_[np.full(40, -60.0), np.tile([-80.0, -40.0], 20)]
    found = score_channel(dataset, features(rng.normal(means, 3)[:, None]))
    assert found.recorded.value == pytest.approx(1, abs=0.02)
    assert found.recorded.low is not None
    assert found.recorded.low <= found.recorded.value


def test_noise_tells_nothing(rng):
    dataset = Dataset((*clips("cry", "a", 100), *clips("no_cry", "b", 100)), LABELS)
    found = score_channel(dataset, features(rng.normal(size=(200, 3))))
    assert found.limited.value is not None
    assert 0.3 < found.limited.value < 0.65
    assert (found.clips, found.folds) == (200, 5)


def test_a_group_never_stands_on_both_sides(rng):
    # Each group has a value of its own and a label drawn by chance: known groups would
    # be told, others cannot be.
    labels = rng.permutation(["cry", "no_cry"] * 15)
    made = [
        Clip(f"{g}-{i}.wav", str(label), str(g))  # type: ignore[arg-type]
        for g, label in enumerate(labels)
        for i in range(10)
    ]
    values = np.repeat(rng.normal(size=(30, 12)), 10, axis=0)
    found = score_channel(Dataset(tuple(made), LABELS), features(values))
    assert found.recorded.value is not None
    assert found.recorded.value < 0.8


def test_the_domain_that_gives_labels_away_is_found(rng):
    parts = [clips("cry", "phone", 30), clips("no_cry", "studio", 30)]
    parts += [clips("cry", "home", 30), clips("no_cry", "home", 30)]
    dataset = Dataset(tuple(clip for part in parts for clip in part), LABELS)
    means = np.r_[np.full(30, 5.0), np.full(30, -5.0), np.zeros(60)]
    found = score_channel(dataset, features(rng.normal(means)[:, None]))

    without = {entry.domain: entry.recorded for entry in found.without}
    assert without.keys() == {"phone", "studio", "home"}
    assert without["home"] == pytest.approx(1, abs=0.01)
    assert found.recorded.value is not None
    assert 0.6 < found.recorded.value < 0.95


def test_a_domain_that_holds_all_of_a_label_has_no_score_without_it(rng):
    dataset = Dataset((*clips("cry", "a", 6), *clips("no_cry", "b", 6)), LABELS)
    found = score_channel(dataset, features(rng.normal(size=(12, 2))))
    assert [(each.recorded, each.limited) for each in found.without] == [
        (None, None),
        (None, None),
    ]


def test_three_labels_have_the_mean_of_one_against_the_rest(rng):
    labels = ("a", "b", "c")
    made = [clip for label in labels for clip in clips(label, "x", 20)]
    values = rng.normal(np.repeat([0.0, 10.0, 20.0], 20))[:, None]
    found = score_channel(Dataset(tuple(made), labels), features(values))
    assert found.recorded.value == pytest.approx(1, abs=0.02)
    assert found.without == ()


def test_too_few_groups_are_refused(rng):
    dataset = Dataset((*clips("cry", "a", 1), *clips("no_cry", "b", 5)), LABELS)
    with pytest.raises(ValueError, match=r"needs 2 different groups.*'cry' has 1"):
        score_channel(dataset, features(rng.normal(size=(6, 2))))
