import numpy as np
import pytest

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.training import recipe
from cry_tf.training.context import RunContext
from cry_tf.training.domain_folds import domain_folds
from cry_tf.training.settings import Settings

LABELS = ("cry", "no_cry")


class Lines:
    """A progress that keeps the lines."""

    def __init__(self):
        self.lines = []

    def line(self, text=""):
        self.lines.append(text)


def settings(**changes):
    values = {"task": "detect", "recipe": recipe.QUICK, "folds": 2}
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def dataset(*rows):
    """Rows of (domain, label, group)."""
    clips = [
        Clip(f"{i}.wav", label, group, domain=domain)  # type: ignore[arg-type]
        for i, (domain, label, group) in enumerate(rows)
    ]
    return Dataset(tuple(clips), LABELS)


def drawn(data, asked):
    lines = Lines()
    context = RunContext(progress=lines)  # type: ignore[arg-type]
    return domain_folds(data, asked, context), lines.lines


BOTH = dataset(
    ("a", "cry", "1"),
    ("a", "no_cry", "2"),
    ("b", "cry", "3"),
    ("b", "no_cry", "4"),
    ("b", "no_cry", "1"),
    ("", "no_cry", "5"),
    ("a", "cry", "6"),
)


def test_no_clip_of_a_group_of_the_domain_is_trained_on():
    (a, b), lines = drawn(BOTH, settings())
    assert (a.domain, b.domain) == ("a", "b")
    np.testing.assert_array_equal(a.test, [0, 1, 6])
    np.testing.assert_array_equal(a.train, [2, 3, 5])  # 4 is of group 1, as 0 is
    np.testing.assert_array_equal(b.test, [2, 3, 4])
    np.testing.assert_array_equal(b.train, [1, 5, 6])
    assert lines == []


def test_a_domain_without_which_a_label_is_missing_is_named():
    data = dataset(
        ("phone", "cry", "1"), ("studio", "no_cry", "2"), ("studio", "no_cry", "3")
    )
    found, lines = drawn(data, settings())
    assert not found
    assert lines == [
        "phone cannot be left out of training: no other domain has a clip of cry",
        "studio cannot be left out of training: no other domain has a clip of no_cry",
    ]
    with pytest.raises(ValueError, match="No domain can be left out"):
        drawn(data, settings(leave_domains_out=True))


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 2),
        ({"leave_domains_out": False}, 0),
        ({"recipe": recipe.FULL}, 0),
        ({"recipe": recipe.FULL, "leave_domains_out": True}, 2),
        ({"task": "reason"}, 0),
    ],
)
def test_by_default_they_are_left_out_where_that_is_cheap(changes, count):
    assert len(drawn(BOTH, settings(**changes))[0]) == count


def test_many_domains_are_left_out_only_where_that_is_asked_for():
    rows = [(f"d{i}", label, f"{i}{label}") for i in range(11) for label in LABELS]
    found, lines = drawn(dataset(*rows), settings())
    assert not found
    assert lines == [
        "11 domains: to train without each of them as well, add --leave-domains-out"
    ]
    assert len(drawn(dataset(*rows), settings(leave_domains_out=True))[0]) == 11


def test_one_domain_for_all_cannot_be_left_out():
    data = dataset(("a", "cry", "1"), ("a", "no_cry", "2"))
    assert not drawn(data, settings())[0]
    with pytest.raises(ValueError, match=r"at least two\. Received: 'a'.*--domain"):
        drawn(data, settings(leave_domains_out=True))


def test_what_is_kept_of_a_domain_is_of_the_same_clips():
    (a, b), _ = drawn(BOTH, settings())
    (again, _), _ = drawn(BOTH, settings())
    (other, _), _ = drawn(BOTH.subset([0, 1, 2, 3, 4, 6]), settings())
    assert a.slot == again.slot
    assert len({a.slot, b.slot, other.slot}) == 3


def test_a_classifier_cannot_ask_for_it():
    with pytest.raises(ValueError, match="leave_domains_out is for task=detect"):
        settings(task="reason", leave_domains_out=True)
