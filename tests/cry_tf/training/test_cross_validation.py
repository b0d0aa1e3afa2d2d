from types import SimpleNamespace

import numpy as np
import pytest

from cry_tf.runs.checkpoint import Checkpoint
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import cross_validate, fit_folds
from cry_tf.training.domain_folds import DomainFold


class Remembers:
    """Scores a clip 1 if it was trained on since the last reset."""

    epochs = (1,)

    def __init__(self):
        self.heard = set()

    def reset(self):
        self.heard = set()

    def fit(self, indices, on_epoch=None, fold=None):
        self.heard |= set(indices)
        if on_epoch:
            on_epoch(0, True)
        return {"loss": [0.5], "accuracy": [0.75]}

    def predict(self, indices):
        return np.array([[i, float(i in self.heard)] for i in indices])


FOLDS = [
    (np.array([2, 3]), np.array([1, 0])),
    (np.array([0, 1]), np.array([3, 2])),
]


def test_every_clip_is_scored_by_a_model_that_never_heard_it():
    found = fit_folds(Remembers(), FOLDS)

    np.testing.assert_array_equal(found.scores[:, 0], np.arange(4))  # in their place
    assert (found.scores[:, 1] == 0).all()
    np.testing.assert_array_equal(found.folds, [0, 0, 1, 1])


def test_history_has_a_row_an_epoch_of_each_fold():
    told = []
    found = fit_folds(Remembers(), FOLDS, lambda *heard: told.append(heard))

    assert [(row.fold, row.epoch) for row in found.history] == [("0", 1), ("1", 1)]
    assert found.history[0].loss == 0.5
    assert len(told) == 2


def test_folds_that_leave_a_clip_out_are_refused():
    with pytest.raises(ValueError, match="each clip exactly once"):
        fit_folds(Remembers(), [(np.array([0]), np.array([1]))])


def test_the_fold_that_fails_is_named():
    class Fails(Remembers):
        def fit(self, indices, on_epoch=None, fold=None):
            if 0 in indices:
                raise ValueError("The loss must stay finite.")
            return super().fit(indices, on_epoch, fold)

    with pytest.raises(ValueError, match="Fold 1: The loss must stay finite"):
        fit_folds(Fails(), FOLDS)


class Plan:
    """What cross-validation asks of a plan, for four clips in two domains."""

    folds = FOLDS
    domain_folds = (DomainFold("studio", np.array([0, 3]), np.array([1, 2])),)

    def __init__(self, trainer):
        self.trainer = trainer
        self.prepared = SimpleNamespace(dataset=range(4))


def test_the_clips_of_a_domain_are_scored_by_a_model_that_was_not_trained_on_it():
    trainer = Remembers()
    found = cross_validate(Plan(trainer), RunContext())  # type: ignore[arg-type]

    assert found.without_domain is not None
    np.testing.assert_array_equal(found.without_domain[[1, 2]], [[1, 0], [2, 0]])
    assert np.isnan(found.without_domain[[0, 3]]).all()
    assert (found.scores[:, 1] == 0).all()
    assert trainer.heard == {0, 1, 2, 3}  # the final model, on everything


def test_a_domain_that_was_scored_is_not_trained_again(tmp_path):
    kept = Checkpoint(tmp_path)
    context = RunContext(checkpoint=kept)
    first = cross_validate(Plan(Remembers()), context)  # type: ignore[arg-type]

    class Final(Remembers):
        def fit(self, indices, tell=None, fold=None):
            assert len(indices) == 4
            return super().fit(indices, tell, fold)

    again = cross_validate(Plan(Final()), context)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first.without_domain, again.without_domain)


def test_without_domains_to_leave_out_there_are_no_such_scores():
    plan = Plan(Remembers())
    plan.domain_folds = ()
    found = cross_validate(plan, RunContext())  # type: ignore[arg-type]
    assert found.without_domain is None
