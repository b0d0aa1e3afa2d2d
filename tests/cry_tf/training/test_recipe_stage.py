import dataclasses

import pytest

from cry_tf.training.recipe import Stage

PLAIN = Stage(trains="all", epochs=10, learning_rate=0.1)


def test_a_rate_stays_where_nothing_changes_it():
    assert {PLAIN.rate_at(done) for done in (0, 3.5, 10)} == {0.1}


def test_a_warm_up_is_a_line_from_zero_and_a_cosine_ends_there():
    stage = dataclasses.replace(PLAIN, warmup_epochs=2.0, decay="cosine")
    assert stage.rate_at(0) == 0
    assert stage.rate_at(1) == pytest.approx(0.05)
    assert stage.rate_at(2) == pytest.approx(0.1)
    assert stage.rate_at(6) == pytest.approx(0.05)  # half of the eight that are left
    assert stage.rate_at(10) == pytest.approx(0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trains": "tail"}, "trains must be one of head, last, all"),
        ({"decay": "linear"}, "decay must be one of none, cosine"),
        ({"epochs": 0}, "epochs must be positive"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
        ({"warmup_epochs": -1.0}, "warmup_epochs must be 0 or more"),
        ({"patience": -1}, "patience must be 0 or more"),
        ({"depth_factor": 0.0}, r"depth_factor must be in \(0, 1\]"),
    ],
)
def test_a_number_out_of_range_is_named(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(PLAIN, **change)
