import numpy as np
import pytest

from cry_tf.studies.personal.held_out import FewShots, LeaveOneOut, apart_from

CLIPS = np.arange(5)


def test_each_clip_is_judged_by_all_the_others():
    splits = LeaveOneOut().splits(np.zeros(5, int), apart_from(CLIPS), 0)
    assert [judged.tolist() for _, judged in splits] == [[0], [1], [2], [3], [4]]
    assert splits[2][0].tolist() == [0, 1, 3, 4]


def test_a_sibling_is_not_learned_from():
    siblings = np.zeros((5, 5), bool)
    siblings[0, 1] = siblings[1, 0] = True
    splits = LeaveOneOut().splits(np.zeros(5, int), apart_from(CLIPS, siblings), 0)
    assert splits[0][0].tolist() == [2, 3, 4]
    assert splits[2][0].tolist() == [0, 1, 3, 4]


def test_a_recording_is_left_out_whole():
    units = np.array(["a", "a", "b", "b", "c"])
    splits = LeaveOneOut("recording").splits(np.zeros(5, int), apart_from(units), 0)
    assert splits[0][0].tolist() == [2, 3, 4]
    assert splits[4][0].tolist() == [0, 1, 2, 3]


def test_one_clip_alone_cannot_be_judged():
    assert LeaveOneOut().splits(np.zeros(1, int), apart_from(np.arange(1)), 0) == []


def test_few_shots_learn_from_k_of_each_label_and_judge_the_rest():
    truth = np.array([0, 0, 0, 1, 1, 1, 2])
    apart = apart_from(np.arange(7))
    splits = FewShots(2, draws=6).splits(truth, apart, 3)
    assert len(splits) == 6
    for learned, judged in splits:
        assert np.bincount(truth[learned]).tolist() == [2, 2]
        assert sorted([*learned, *judged]) == list(range(7))
    assert len({tuple(learned) for learned, _ in splits}) > 1


def test_few_shots_of_one_label_are_none():
    truth = np.array([0, 0, 0, 1, 2])
    assert FewShots(1).splits(truth, apart_from(CLIPS), 0) == []


def test_few_shots_do_not_judge_a_sibling_of_what_was_learned():
    truth = np.array([0, 0, 1, 1])
    siblings = np.zeros((4, 4), bool)
    siblings[0, 1] = siblings[1, 0] = True
    apart = apart_from(np.arange(4), siblings)
    for learned, judged in FewShots(1).splits(truth, apart, 0):
        assert len(judged) == 1
        assert truth[judged[0]] == 1
        assert judged[0] not in learned


@pytest.mark.parametrize(("k", "draws"), [(0, 1), (1, 0)])
def test_no_shots_are_refused(k, draws):
    with pytest.raises(ValueError, match="k and draws must be at least 1"):
        FewShots(k, draws)
