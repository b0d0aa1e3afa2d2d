import pytest

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.data.detection_labels import map_labels, without_unsure


def test_the_reasons_and_the_event_itself_mean_a_cry():
    mapping = map_labels(["hungry", "Belly Pain", "baby-cry", "rain", "speech"])

    assert [mapping(label) for label in ("hungry", "Belly Pain", "baby-cry")] == [
        "cry"
    ] * 3
    assert mapping("rain") == "no_cry"
    assert mapping.reason == "by well-known names"


def test_stated_labels_win_over_well_known_names():
    mapping = map_labels(["fussing", "hungry", "rain"], positive=["fussing"])
    assert mapping("fussing") == "cry"
    assert mapping("hungry") == "no_cry"


def test_the_user_sees_every_label_with_its_number_of_clips():
    positive, negative = map_labels(["cry", "rain", "rain", "dog"]).sentences()
    assert positive == "cry (1 clip, by well-known names): cry 1"
    assert negative == "no_cry (3 clips): rain 2, dog 1"


def test_a_stated_label_is_found_in_either_unicode_form():
    composed, decomposed = "p\u00e9ni", "pe\u0301ni"
    mapping = map_labels([composed, "quiet"], [decomposed])
    assert mapping.positive == ((composed, 1),)


def test_a_stated_label_that_does_not_occur_is_named():
    with pytest.raises(ValueError, match=r"must occur.*whine.*Labels: cry, rain"):
        map_labels(["cry", "rain"], positive=["whine"])


def test_no_cry_at_all_asks_for_positive():
    with pytest.raises(ValueError, match=r"no label that means a cry.*--positive"):
        map_labels(["whine", "rain"])


def test_nothing_but_cries_asks_for_other_sounds():
    with pytest.raises(ValueError, match=r"nothing but cries.*without crying"):
        map_labels(["hungry", "tired"])


def test_one_side_alone_is_enough_to_judge_a_finished_detector():
    assert map_labels(["rain"], is_training=False)("rain") == "no_cry"
    assert map_labels(["cry"], is_training=False).sentences()[1].endswith("none")


def labelled(*labels):
    clips = [Clip(f"{i}.wav", label, str(i)) for i, label in enumerate(labels)]  # type: ignore[arg-type]
    return Dataset(tuple(clips), tuple(sorted(set(labels))))


def test_clips_labelled_unsure_are_neither_cry_nor_other_sound():
    kept, sentence = without_unsure(labelled("cry", "Unsure", "no_cry", "Unsure"))
    assert kept.labels == ("cry", "no_cry")
    assert sentence == "left out, neither cry nor other sound: Unsure 2"


def test_a_label_that_is_stated_to_be_a_cry_is_kept_whatever_its_name():
    data = labelled("cry", "unsure")
    assert without_unsure(data, ["unsure"]) == (data, None)
    assert without_unsure(labelled("cry", "rain"))[1] is None
