import dataclasses

import numpy as np
import pytest

from cry_tf.studies.personal.comparison import compare
from cry_tf.studies.personal.held_out import FewShots, LeaveOneOut, judge, permutation_p

from .conftest import make_adapters, make_infant

HEADS = ("prototype", "logreg")
MANY = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def clear_infants(rng, strength=1.5, count=4):
    adapters = make_adapters(rng)
    return [make_infant(rng, f"i{i}", MANY, strength, adapters) for i in range(count)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("design", [LeaveOneOut(), FewShots(1, 4), FewShots(2, 4)])
def test_own_clusters_are_learned(rng, head, design):
    infants = clear_infants(rng)
    found = compare(
        infants,
        "abc",
        [head],
        design,
        "t",
        with_siblings=True,
        commonest=0,
        permutations=50,
    )
    seen = found.rows[0]
    assert seen.accuracy.value > 0.9
    assert found.run_row.accuracy.value < 0.7
    assert found.row("majority within the infant").accuracy.value <= 0.5
    assert seen.p_value == 1 / 51
    assert "is better than" in found.verdict


@pytest.mark.parametrize("head", HEADS)
def test_labels_that_mean_nothing_are_not_learned(head):
    """P-values of noise are uniform: about a tenth below 0.1, half below 0.5."""
    values = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        infants = [make_infant(rng, f"i{i}", [0, 0, 1, 1, 2], 0.0) for i in range(3)]
        p_value = permutation_p(
            infants, head, LeaveOneOut(), with_siblings=True, permutations=19, seed=seed
        )
        values.append(p_value)
    values = np.array(values)
    # Binomial with 80 trials: three deviations are 0.10 and 0.17; ties make p larger.
    assert (values <= 0.1).mean() <= 0.2
    assert 0.25 < (values <= 0.5).mean() < 0.67
    assert values.min() > 0


def test_a_clip_is_never_learned_from_when_it_is_judged(rng):
    """A clip with a label of its own would be right only by its own help."""
    infant = make_infant(rng, "a", [0, 0, 0, 1, 1, 1], 3.0)
    features = {**infant.features}
    features["prototype"] = features["prototype"].copy()
    features["prototype"][0] = features["prototype"][3:].mean(axis=0)
    infant = dataclasses.replace(infant, features=features)
    found = judge([infant], "prototype", LeaveOneOut(), with_siblings=True)
    assert found.scores[0].argmax() == 1


def test_copies_within_minutes_are_recognised_only_if_left_in(rng):
    """Pairs of one moment share noise and label; nothing else does."""
    adapters = make_adapters(rng)
    infants = []
    for i in range(4):
        truth = np.repeat([0, 1, 2, 0, 1, 2], 2)
        infant = make_infant(rng, f"i{i}", truth, 0.0, adapters)
        noise = np.repeat(rng.normal(size=(6, 40)), 2, axis=0)
        features = noise + 0.05 * rng.normal(size=noise.shape)
        infants.append(
            dataclasses.replace(
                infant,
                features=dict.fromkeys(adapters, features),
                are_siblings=np.kron(np.eye(6), 1 - np.eye(2)).astype(bool),
            )
        )
    shares = {}
    for with_siblings in (True, False):
        found = compare(
            infants,
            "abc",
            ["prototype"],
            LeaveOneOut(),
            "t",
            with_siblings=with_siblings,
            commonest=0,
            permutations=19,
        )
        shares[with_siblings] = found.rows[0].accuracy.value
    assert shares[True] > 0.8
    assert shares[False] < 0.5


def test_a_label_missing_and_a_label_of_one_clip_are_judged(rng):
    infant = make_infant(rng, "a", [0, 0, 1], 2.0)
    found = compare(
        [infant],
        "abc",
        HEADS,
        LeaveOneOut(),
        "t",
        with_siblings=True,
        commonest=0,
        permutations=9,
    )
    assert found.clips == 3
    assert found.infants[0].labels == {"a": 2, "b": 1}
    for row in found.rows:
        assert row.accuracy.value is not None


def test_clips_with_nothing_to_learn_from_are_counted_not_judged(rng):
    infant = make_infant(rng, "a", [0, 1], 2.0)
    infant = dataclasses.replace(infant, are_siblings=~np.eye(2, dtype=bool))
    found = compare(
        [infant], "abc", HEADS, LeaveOneOut(), "t", with_siblings=False, commonest=0
    )
    assert (found.clips, found.not_judged, found.rows) == (0, 2, ())
    assert "too few clips to evaluate" in found.verdict


def test_the_majority_rows_are_counted_by_hand(rng):
    adapters = make_adapters(rng)
    infants = [
        make_infant(rng, "a", [0, 1, 1], 0.0, adapters),
        make_infant(rng, "b", [2, 2, 2, 0], 0.0, adapters),
    ]
    found = compare(
        infants,
        "abc",
        ["prototype"],
        LeaveOneOut(),
        "t",
        with_siblings=True,
        commonest=2,
        permutations=9,
    )
    assert found.row("majority within the infant").accuracy.value == 5 / 7
    assert found.row("majority over all").accuracy.value == 3 / 7


def test_the_same_seed_gives_the_same_figures_and_an_infant_changes_no_other(rng):
    infants = clear_infants(rng, 0.5)
    one = judge(infants, "logreg", FewShots(1, 3), with_siblings=True, seed=4)
    again = judge(infants[1:], "logreg", FewShots(1, 3), with_siblings=True, seed=4)
    np.testing.assert_array_equal(one.scores[one.infants > 0], again.scores)


def test_a_gain_over_the_run_is_no_gain_over_a_habit(rng):
    """Learned for sure, but right no more often than the commonest label."""
    found = compare(
        clear_infants(rng),
        "abc",
        ["prototype"],
        LeaveOneOut(),
        "t",
        with_siblings=True,
        commonest=0,
        permutations=49,
    )
    sure = found.rows[0]
    assert sure.p_value == 1 / 50
    doubtful = dataclasses.replace(sure, sign_p_value=0.2)
    rows = (doubtful, *found.rows[1:])
    assert "is better" in found.verdict
    assert "No personal model" in dataclasses.replace(found, rows=rows).verdict
