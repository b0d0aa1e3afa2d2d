import pytest

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.studies.reproduce.clips import (
    BY_CLIP,
    by_clip,
    drawn,
    for_task,
    is_synthetic,
)


def made_of(*pairs):
    clips = [
        Clip(f"{place}.wav", label, group)  # type: ignore[arg-type]
        for place, (label, group) in enumerate(pairs)
    ]
    return Dataset(tuple(clips), tuple(sorted({label for label, _ in pairs})))


def test_by_clip_folds_are_stratified_and_split_infants_by_group_ones_do_not():
    labels = ["hungry"] * 30 + ["tired"] * 10
    dataset = made_of(*[(label, f"infant{i // 5}") for i, label in enumerate(labels)])
    groups = dataset.groups
    split = 0
    for train, test in by_clip(dataset).fold_indices(5, 0):
        assert (dataset.label_indices[test] == 1).sum() == 2
        split += len(set(groups[train]) & set(groups[test]))
    assert split > 0
    for train, test in dataset.fold_indices(2, 0):
        assert not set(groups[train]) & set(groups[test])


def test_a_set_that_is_split_by_clip_says_so_loudly():
    found = by_clip(made_of(("hungry", "a"), ("tired", "a")))
    assert found.grouping == BY_CLIP
    assert "once" in BY_CLIP
    assert "not how the model does on a new infant" in BY_CLIP


def test_reasons_leave_out_other_sounds_and_names_of_the_cry_itself():
    dataset = made_of(
        ("hungry", "a"), ("tired", "b"), ("crying_baby", "c"), ("rain", "d")
    )
    assert for_task(dataset, "reason").labels == ("hungry", "tired")
    assert for_task(dataset, "detect").label_counts == {"no_cry": 1, "cry": 3}


def test_labels_that_nobody_knows_are_taken_for_reasons():
    assert for_task(made_of(("a", "1"), ("b", "2")), "reason").labels == ("a", "b")


def test_what_a_task_cannot_do_with_is_said():
    with pytest.raises(ValueError, match="nothing but cries"):
        for_task(made_of(("hungry", "a"), ("tired", "b")), "detect")
    with pytest.raises(ValueError, match="at least two reasons"):
        for_task(made_of(("crying", "a"), ("hungry", "b"), ("rain", "c")), "reason")


def test_synthetic_clips_are_known_by_their_column():
    clip = Clip("a.wav", "hungry", "a", {"synthetic": "yes"})  # type: ignore[arg-type]
    assert is_synthetic(Dataset((clip,), ("hungry",)))
    assert not is_synthetic(made_of(("hungry", "a")))


def test_fewer_clips_keep_the_share_of_each_label_of_each_infant():
    dataset = made_of(
        *[("hungry", "a")] * 40, *[("tired", "a")] * 20, *[("tired", "b")] * 3
    )
    found = drawn(dataset, 21, 0)
    kinds = [(clip.label, clip.group) for clip in found.clips]
    assert len(kinds) == 21
    assert abs(kinds.count(("hungry", "a")) - 40 / 3) <= 1
    assert abs(kinds.count(("tired", "a")) - 20 / 3) <= 1
    assert kinds.count(("tired", "b")) == 1
    assert drawn(dataset, 21, 0).clips == found.clips
    assert drawn(dataset, 21, 1).clips != found.clips
    assert drawn(dataset, None, 0) is dataset
    # The rare one is never left out.
    assert {(c.label, c.group) for c in drawn(dataset, 1, 0).clips} == set(kinds)
