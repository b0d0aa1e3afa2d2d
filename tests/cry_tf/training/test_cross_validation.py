import numpy as np
import pytest

from cry_tf.training.cross_validation import fit_folds


class Remembers:
    """Scores a clip 1 if it was trained on since the last reset."""

    epochs = (1,)

    def __init__(self):
        self.heard = set()

    def reset(self):
        self.heard = set()

    def fit(self, indices, tell=None, fold=None):
        self.heard |= set(indices)
        if tell:
            tell(0, True)
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
        def fit(self, indices, tell=None, fold=None):
            if 0 in indices:
                raise ValueError("The loss must stay finite.")
            return super().fit(indices, tell, fold)

    with pytest.raises(ValueError, match="Fold 1: The loss must stay finite"):
        fit_folds(Fails(), FOLDS)
