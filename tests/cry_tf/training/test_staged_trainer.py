import keras
import numpy as np
import pytest

import cry_hub
from cry_tf.data import EmbeddingCache, load
from cry_tf.models import CryClassifier
from cry_tf.runs.checkpoint import FoldCheckpoint
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe as recipes
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import check_folds, prepare
from cry_tf.training.recipe import Stage
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Fold, compile_once, validation_loss

pytestmark = pytest.mark.usefixtures("shallow_student")

STAGED = recipes.FINE_TUNE.replace(
    epochs=2,
    batch_size=8,
    patience=0,
    learning_rate=1e-3,
    before=(
        Stage(trains="head", epochs=3, learning_rate=3e-2, patience=3),
        Stage(trains="last", epochs=1, learning_rate=1e-3),
    ),
)


def settings(recipe, **changes):
    return Settings(
        task="reason",
        recipe=recipe,
        backbone="ds_cnn_s",
        weights="unused.npz",
        folds=2,
        **changes,
    )


@pytest.fixture(scope="module")
def make(recordings, tmp_path_factory):
    """Makes a trainer and its model, always from the same weights."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("embeddings"))

    def build(recipe, progress=None):
        context = RunContext(progress=progress or NoProgress(), embeddings=cache)
        asked = settings(recipe)
        prepared = prepare(load(recordings), asked, context)
        keras.utils.set_random_seed(0)
        backbone = cry_hub.load("ds_cnn_s", weights=None)
        model = CryClassifier(backbone, prepared.dataset.labels, dropout=recipe.dropout)
        trainer, _ = make_trainer(model, prepared, asked, context)
        return model, trainer

    return build


def weights_of(layers):
    return [w.copy() for layer in layers for w in layer.get_weights()]


def moved(before, layers):
    return any((a != b).any() for a, b in zip(before, weights_of(layers), strict=True))


@pytest.fixture(scope="module")
def staged(make):
    return make(STAGED)


@pytest.mark.parametrize(
    ("stage", "quarters"), [(0, [False] * 4), (1, [False] * 3 + [True])]
)
def test_a_stage_changes_what_it_trains_and_leaves_the_rest(staged, stage, quarters):
    model, trainer = staged
    trainer.reset()
    groups = trainer._groups.groups
    before = [weights_of(group) for group in groups]
    head = weights_of([model.get_layer("logits")])
    part = trainer._parts[stage]
    trainer._groups.unfreeze(part.stage)
    part.fit(np.arange(24))
    found = [moved(a, group) for a, group in zip(before, groups, strict=True)]
    assert found == quarters  # batch norm's statistics included
    assert moved(head, [model.get_layer("logits")])


def test_the_stages_follow_each_other_and_are_in_the_history(staged):
    model, trainer = staged
    told = []
    trainer.reset()
    history = trainer.fit(np.arange(24), lambda *heard: told.append(heard))
    assert history["stage"] == ["head"] * 3 + ["last"] + ["all"] * 2
    assert [epoch for epoch, _ in told] == list(range(6))
    assert all(np.isfinite(history["val_loss"]))
    # Warm-up is over after the first epoch, the cosine ends near 0.
    assert history["learning_rate"][-2] > history["learning_rate"][-1] > 0
    assert all(layer.trainable for group in trainer._groups.groups for layer in group)


def test_validation_clips_share_no_group_with_those_trained_on(staged, recordings):
    _, trainer = staged
    groups = load(recordings).groups
    indices = np.arange(24)[groups != "hungry/hungry0"]
    for part in trainer._parts:
        train, held = part._hold_out(indices)
        assert sorted([*train, *held]) == indices.tolist()
        assert not set(groups[train]) & set(groups[held])


def test_a_fit_that_was_left_goes_on_to_the_same_end(make, tmp_path):
    model, trainer = make(STAGED)
    whole = trainer.fit(np.arange(24))
    expected = trainer.predict(np.arange(24))

    class Stop(Exception):
        pass

    for stop in range(6):
        slot = FoldCheckpoint(tmp_path / f"{stop}.npz", "0")

        def tell(epoch, was_trained, stop=stop):
            if epoch == stop and was_trained:
                raise Stop

        trainer.reset()
        with pytest.raises(Stop):
            trainer.fit(np.arange(24), tell, Fold("0", slot))
        trainer.reset()
        told = []

        def hear(*heard, told=told):
            told.append(heard)

        again = trainer.fit(np.arange(24), hear, Fold("0", slot))
        assert told == [(epoch, epoch > stop) for epoch in range(6)]
        assert again == whole
        np.testing.assert_array_equal(trainer.predict(np.arange(24)), expected)


def test_a_stage_stops_early_and_the_best_weights_are_back(make):
    # A rate at which the head runs away from where it was best.
    wild = recipes.QUICK.replace(
        epochs=30, learning_rate=5.0, validation=0.3, patience=3, batch_size=8
    )
    _, trainer = make(wild)
    told = []
    history = trainer.fit(np.arange(24), lambda *heard: told.append(heard))
    best = int(np.argmin(history["val_loss"]))
    assert len(history["val_loss"]) == best + 1 + 3
    assert len(told) == 30
    assert trainer.stage_fit(np.arange(24)).validate() == history["val_loss"][best]


def test_small_batches_whose_gradients_are_averaged_make_the_same_step(make):
    whole = recipes.FULL.replace(
        epochs=1, batch_size=12, imbalance="none", dropout=0.0, learning_rate=1e-2
    )
    results = []
    for micro in (None, 4):
        model, trainer = make(whole.replace(micro_batch=micro))
        # Batch norm sees a micro batch: without it there is nothing to differ in.
        for layer in model.backbone.layers:
            if "Normalization" in type(layer).__name__:
                layer.trainable = False
        trainer._state = compile_once(
            model, whole, jit_compile=False, accumulated=12 // (micro or 12)
        )
        trainer.fit(np.arange(24))
        results.append(weights_of([model.get_layer("logits")]))
        assert int(model.optimizer.iterations) == 2
    for whole_batch, in_parts in zip(*results, strict=True):
        # Adam divides by the gradient: rounding in tiny ones shows.
        assert np.abs(whole_batch - in_parts).mean() < 2e-4 < np.abs(whole_batch).mean()


def test_the_validation_loss_weighs_labels_as_training_does():
    scores = np.array([[0.9, 0.1], [0.8, 0.2]])
    truth = np.array([0, 1])
    plain = -(np.log(0.9) + np.log(0.2)) / 2
    assert validation_loss(scores, truth, None) == pytest.approx(plain)
    trained = np.array([0, 0, 0, 1])  # weights 4/3 and 4
    weighed = -(np.log(0.9) / 3 + np.log(0.2)) / (4 / 3)
    assert validation_loss(scores, truth, trained) == pytest.approx(weighed)


def test_a_fold_without_a_class_is_named(recordings):
    data = load(recordings)
    hungry = np.flatnonzero(data.label_indices == 0)
    tired = np.flatnonzero(data.label_indices == 1)
    asked = settings(recipes.QUICK)
    with pytest.raises(ValueError, match="Fold 0 lacks hungry: all its groups"):
        check_folds(data, [(tired, hungry)], asked, RunContext())


def test_too_few_groups_to_hold_some_out_are_said_before_training(recordings):
    data = load(recordings)
    one_group = np.flatnonzero(data.groups == data.groups[0])
    tired = np.flatnonzero(data.label_indices == 1)
    folds = [(np.concatenate([one_group, tired]), np.array([2, 3]))]
    with pytest.raises(ValueError, match=r"finetune holds validation.*Fold 0: A split"):
        check_folds(data, folds, settings(recipes.FINE_TUNE), RunContext())
