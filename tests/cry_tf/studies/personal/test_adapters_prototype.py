import numpy as np
import pytest

from cry_tf.heads.features import NEVER, Standardization
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.studies.personal.adapters import PrototypeAdapter


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def base(rng, features=6, labels=3):
    return PrototypeHead(
        Standardization(rng.normal(size=features), rng.uniform(0.5, 2, features)),
        unit(rng.normal(size=(labels, features))).T,
        np.zeros(labels),
        5.0,
    )


def test_the_prototypes_are_those_of_the_formula(rng):
    head = base(rng)
    features, truth = rng.normal(size=(5, 6)), np.array([0, 0, 1, 1, 1])
    got = PrototypeAdapter(head, prior_clips=2.0).adapt(features, truth)
    z = (features - head.standardize.mean) / head.standardize.deviation
    offset = 5 / (5 + 2) * (z[:2].mean(0) + z[2:].mean(0)) / 2
    u = unit(z - offset)
    for label, rows in ((0, u[:2]), (1, u[2:])):
        expected = unit(2 * head.prototypes[:, label] + rows.sum(axis=0))
        np.testing.assert_allclose(got.prototypes[:, label], expected, atol=1e-12)
    np.testing.assert_array_equal(got.prototypes[:, 2], head.prototypes[:, 2])
    expected = head.standardize.mean + offset * head.standardize.deviation
    np.testing.assert_allclose(got.standardize.mean, expected, atol=1e-12)


def test_without_a_clip_the_run_stays_as_it_is(rng):
    head = base(rng)
    assert PrototypeAdapter(head).adapt(np.empty((0, 6)), np.array([], int)) is head


def test_one_clip_of_one_label_moves_that_label_alone(rng):
    head = base(rng)
    clip = rng.normal(size=(1, 6))
    got = PrototypeAdapter(head).adapt(clip, np.array([1]))
    assert got.decisions(clip)[0, 1] > head.decisions(clip)[0, 1]
    np.testing.assert_array_equal(got.standardize.mean, head.standardize.mean)
    others = [0, 2]
    np.testing.assert_array_equal(got.prototypes[:, others], head.prototypes[:, others])


def test_a_label_that_the_run_never_had_is_answered_after_a_clip(rng):
    head = base(rng)
    head.prototypes[:, 2], head.bias[2] = 0.0, NEVER
    clips = rng.normal(size=(2, 6))
    got = PrototypeAdapter(head).adapt(clips, np.array([0, 2]))
    assert got.scores(clips)[1].argmax() == 2


def test_the_compact_problem_gives_the_same_scores(rng):
    head = base(rng, features=200)
    features, truth = rng.normal(size=(7, 200)), rng.integers(0, 3, 7)
    adapter = PrototypeAdapter(head)
    small, few = adapter.compact(features)
    assert few.shape == (7, 10)
    expected = adapter.adapt(features[1:], truth[1:]).scores(features)
    got = small.adapt(few[1:], truth[1:]).scores(few)
    np.testing.assert_allclose(got, expected, atol=1e-10)  # float64 all along


def test_a_prior_of_nothing_is_refused(rng):
    with pytest.raises(ValueError, match="prior_clips must be positive"):
        PrototypeAdapter(base(rng), prior_clips=0)
