import numpy as np
import pytest

from cry_tf.data import load


@pytest.fixture
def data(make_dataset, rng):
    """Three labels; groups of several clips, some with more than one label."""
    names = [f"g{i}" for i in range(40)]
    return make_dataset(
        {
            "common": list(rng.choice(names, 200)),
            "middle": list(rng.choice(names[:20], 40)),
            "rare": [f"r{i % 7}" for i in range(9)],
        }
    )


def _groups(dataset):
    return set(dataset.groups.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles_a_split_and_every_label_is_on_both_sides(data, seed):
    train, test = data.split(test_size=0.2, seed=seed)
    assert not _groups(train) & _groups(test)
    assert len(train) + len(test) == len(data)
    assert 0.14 < len(test) / len(data) < 0.26
    for part in (train, test):
        assert part.labels == data.labels
        assert all(part.label_counts.values())


@pytest.mark.parametrize("test_size", [0.1, 0.3, 0.5, 0.9])
def test_each_label_is_split_in_about_the_share_asked(data, test_size):
    _, test = data.split(test_size=test_size, seed=1)
    share = test.label_counts["common"] / data.label_counts["common"]
    assert share == pytest.approx(test_size, abs=0.06)


@pytest.mark.parametrize("k", [2, 3, 5, 7])
def test_folds_keep_groups_whole_and_hold_every_label(data, k):
    folds = data.folds(k, seed=0)
    assert len(folds) == k
    tested = [clip for _, test in folds for clip in test.clips]
    assert sorted(c.name for c in tested) == sorted(c.name for c in data.clips)
    for train, test in folds:
        assert not _groups(train) & _groups(test)
        assert len(train) + len(test) == len(data)
        assert all(test.label_counts.values())
        assert all(train.label_counts.values())


def test_the_same_seed_gives_the_same_split_and_another_seed_another(data):
    def tested(seed):
        return [clip.name for clip in data.split(seed=seed)[1].clips]

    assert tested(3) == tested(3)
    assert tested(3) != tested(4)
    folds = [test.tolist() for _, test in data.fold_indices(5, seed=3)]
    assert folds == [test.tolist() for _, test in data.fold_indices(5, seed=3)]
    assert folds != [test.tolist() for _, test in data.fold_indices(5, seed=4)]


def test_the_order_of_the_clips_does_not_change_the_split(data, rng):
    shuffled = data.subset(rng.permutation(len(data)))
    for one, other in ((data.split(), shuffled.split()),):
        assert _groups(one[1]) == _groups(other[1])
    for (_, one), (_, other) in zip(data.folds(4), shuffled.folds(4), strict=True):
        assert _groups(one) == _groups(other)


def test_a_label_with_two_large_groups_is_on_both_sides(make_dataset):
    data = make_dataset(
        {"a": ["x"] * 10 + ["y"] * 10, "b": [f"b{i}" for i in range(9)]}
    )
    train, test = data.split(test_size=0.2)
    assert train.label_counts["a"] == test.label_counts["a"] == 10


def test_too_few_groups_name_the_label_its_count_and_the_most_folds(make_dataset):
    data = make_dataset({"a": [str(i) for i in range(9)], "b": ["x", "y", "z", "z"]})
    with pytest.raises(ValueError, match=r"5 folds .*'b' has 3 \(4 clips\).* 3 folds"):
        data.folds(5)
    data.folds(3)
    data.require_trainable("reason", folds=3)
    with pytest.raises(ValueError, match="The most that works is 3 folds"):
        data.require_trainable("reason", folds=4)


def test_one_group_cannot_be_split(make_dataset):
    data = make_dataset({"a": ["x"] * 9, "b": ["1", "2", "3"]})
    with pytest.raises(ValueError, match=r"A split needs 2 .*'a' has 1") as caught:
        data.split()
    assert "most that works" not in str(caught.value)


def test_one_label_cannot_be_trained(make_dataset):
    with pytest.raises(ValueError, match=r"at least two labels.*\['cry'\]"):
        make_dataset({"cry": ["1", "2", "3"]}).require_trainable("detect")


def test_a_label_without_clips_is_not_counted_as_a_label(make_dataset):
    data = make_dataset({"cry": ["1", "2"], "no_cry": []})
    with pytest.raises(ValueError, match="at least two labels"):
        data.require_trainable("detect")


def test_detect_takes_two_labels_and_reason_more(make_dataset):
    data = make_dataset({name: ["1", "2", "3"] for name in "abc"})
    data.require_trainable("reason")
    with pytest.raises(ValueError, match="two labels, cry and not"):
        data.require_trainable("detect")
    with pytest.raises(ValueError, match="task must be"):
        data.require_trainable("guess")


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_zero_to_one_is_refused(data, test_size):
    with pytest.raises(ValueError, match="test_size"):
        data.split(test_size=test_size)


def test_fewer_than_two_folds_are_refused(data):
    with pytest.raises(ValueError, match="k must be"):
        data.folds(1)


@pytest.mark.assets
def test_every_fold_of_donateacry_holds_every_reason(assets):
    data = load(assets / "data" / "donateacry")
    for seed in range(3):
        for _, test in data.folds(5, seed):
            assert all(test.label_counts.values())
            assert len(test) == pytest.approx(len(data) / 5, abs=5)
        shares = np.array(list(data.split(0.2, seed)[1].label_counts.values()))
        assert (shares > 0).all()
