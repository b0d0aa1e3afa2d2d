import keras
import numpy as np
import pytest

import cry_hub
from cry_tf.heads import FITTED_HEADS, fitting
from cry_tf.models import CryClassifier
from cry_tf.training import recipe
from cry_tf.training.fitted_head_trainer import FittedTrainer

pytestmark = pytest.mark.usefixtures("shallow_student")

LABELS = ("hungry", "tired", "burping")


def make_model(head="softmax", pooling="statistic"):
    keras.utils.set_random_seed(0)
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    return CryClassifier(backbone, LABELS, pooling=pooling, head=head)


@pytest.fixture
def clips(rng):
    truth = np.arange(36) % 3
    features = make_model().backbone.embedding_features
    values = []
    for label in truth:
        steps = rng.normal(size=(rng.integers(1, 5), features)).astype("float32")
        steps[:, label] += 3
        values.append(steps)
    return values, truth, np.arange(36) // 3 + 100


def trainer(clips, name, model=None, **kwargs):
    kind = "prototype" if name == "prototype" else "softmax"
    chosen = recipe.QUICK.replace(head=name)
    return FittedTrainer(model or make_model(kind), *clips, chosen, 0, **kwargs)


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_what_was_held_out_has_no_part_in_the_fit(clips, name):
    values, truth, groups = clips
    trained = trainer(clips, name)
    history = trained.fit(np.arange(24))
    means = np.stack([clip.mean(axis=0) for clip in values])
    alone = fitting.fit(name, means[:24], truth[:24], groups[:24], len(LABELS))
    # The pooling computes its means in float32.
    np.testing.assert_allclose(
        trained.predict(np.arange(24, 36)), alone.scores(means[24:]), atol=1e-4
    )
    assert history["accuracy"][0] > 0.9


@pytest.mark.parametrize(
    ("name", "pooling"),
    [("logreg", "statistic"), ("prototype", "attention"), ("logreg", "max")],
)
def test_the_layers_answer_as_the_fitted_head(clips, name, pooling):
    model = make_model("prototype" if name == "prototype" else "softmax", pooling)
    trained = trainer(clips, name, model)
    trained.fit(np.arange(36))
    head = model.head_model()
    for place, value in enumerate(clips[0]):
        mask = np.ones((1, len(value)), bool)
        found = head([value[None], mask], training=False)
        # float32 layers, float64 fit.
        np.testing.assert_allclose(found, trained.predict(np.array([place])), atol=1e-5)


def test_copies_are_fitted_on_under_their_clips_group(clips, monkeypatch):
    values, truth, groups = clips
    copies = [(value + 1, value + 2) for value in values]
    seen = {}

    def fit(name, features, truth, groups, **kwargs):
        seen.update(features=features, truth=truth, groups=groups)
        return fitting._HEADS["logreg"].fit(features, truth, 3, True, 0)

    trained = trainer(clips, "logreg", copies=copies)
    monkeypatch.setattr("cry_tf.training.fitted_head_trainer.fitting.fit", fit)
    trained.fit(np.array([4, 8, 9]))
    assert len(seen["features"]) == 9
    for place in (4, 8, 9):
        own = seen["groups"] == groups[place]
        same_group = sum(groups[p] == groups[place] for p in (4, 8, 9))
        assert own.sum() == 3 * same_group
    mean = values[4].mean(axis=0)
    for shift in (0, 1, 2):
        distance = np.abs(seen["features"] - (mean + shift)).max(axis=1)
        assert seen["truth"][distance.argmin()] == truth[4]
        assert distance.min() < 1e-5
