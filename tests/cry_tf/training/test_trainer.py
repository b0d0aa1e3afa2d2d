import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_tf.layers import StatisticPooling
from cry_tf.training import recipe
from cry_tf.training.head_trainer import HeadTrainer

QUICK = recipe.QUICK.replace(epochs=12, batch_size=8, learning_rate=3e-2)
FEATURES = 4


class ToyModel:
    """A model of which only the head is asked for."""

    def __init__(self, dropout=0.3):
        keras.utils.set_random_seed(1)
        embeddings = keras.Input((None, FEATURES))
        mask = keras.Input((None,), dtype="bool")
        x = StatisticPooling()(embeddings, mask=mask)
        x = keras.layers.Dropout(dropout)(x)
        x = keras.layers.Dense(2, activation="softmax")(x)
        self.head = keras.Model([embeddings, mask], x)

    def head_model(self):
        return self.head


@pytest.fixture
def clips(rng):
    """Forty clips of different lengths, told apart by the sign of a feature."""
    truth = np.arange(40) % 2
    values = []
    for label in truth:
        steps = rng.normal(size=(rng.integers(1, 9), FEATURES)).astype("float32")
        steps[:, 0] += 3 * label - 1.5
        values.append(steps)
    return values, truth


def trainer(clips, seed=0, recipe=QUICK, step_s=0.5):
    values, truth = clips
    return HeadTrainer(ToyModel(), values, truth, recipe, seed, step_s)


def test_the_head_learns(clips):
    trained = trainer(clips)
    history = trained.fit(np.arange(30))
    scores = trained.predict(np.arange(30, 40))

    assert history["loss"][-1] < history["loss"][0] / 2
    assert (scores.argmax(1) == clips[1][30:]).all()
    assert len(history["loss"]) == QUICK.epochs


def test_after_a_reset_nothing_is_remembered(clips):
    trained = trainer(clips)
    trained.fit(np.arange(20))
    first = trained.predict(np.arange(40))
    trained.fit(np.arange(20, 40))
    trained.reset()
    trained.fit(np.arange(20))
    np.testing.assert_array_equal(trained.predict(np.arange(40)), first)


def test_the_same_seed_gives_the_same_scores_and_another_gives_others(clips):
    def scores(seed):
        trained = trainer(clips, seed=seed, recipe=QUICK.replace(epochs=2))
        trained.fit(np.arange(40))
        return trained.predict(np.arange(40))

    first = scores(0)
    np.testing.assert_array_equal(first, scores(0))
    assert (first != scores(1)).any()


def test_a_clip_scores_the_same_alone_and_among_longer_ones(clips):
    trained = trainer(clips)
    together = trained.predict(np.arange(40))
    shortest = int(np.argmin([len(clip) for clip in clips[0]]))
    alone = trained.predict(np.array([shortest]))
    # float32 sums in another order.
    np.testing.assert_allclose(together[[shortest]], alone, atol=1e-6)


def test_training_sees_the_first_seconds_of_a_long_clip_only(clips):
    values, truth = clips
    recipe_2s = QUICK.replace(max_seconds=2.0, epochs=2)
    longer = [np.concatenate([v[:4], 100 * v[4:] + 7]) for v in values]
    results = []
    for given in (values, longer):
        trained = trainer((given, truth), recipe=recipe_2s)  # 4 steps of 0.5 s
        trained.fit(np.arange(40))
        short = np.array([i for i, v in enumerate(values) if len(v) <= 4])
        results.append(trained.predict(short))
    np.testing.assert_array_equal(*results)


def test_an_infinite_loss_stops_and_names_the_clips_of_its_batch(clips):
    values, truth = clips
    values = [v.copy() for v in values]
    values[3][0, 0] = np.nan
    names = [f"clip{n}.wav" for n in range(40)]
    trained = HeadTrainer(ToyModel(), values, truth, QUICK, 0, 0.5, names=names)
    places = trained.stage_fit(np.arange(40)).order.places(0).tolist()
    batch = places.index(3) // QUICK.batch_size
    with pytest.raises(ValueError, match=r"loss must stay finite.*nan in epoch 1") as e:
        trained.fit(np.arange(40))
    assert f"batch {batch + 1} (" in str(e.value)
    start = batch * QUICK.batch_size
    for place in places[start : start + QUICK.batch_size]:
        assert f"clip{place}.wav" in str(e.value)


@pytest.mark.parametrize("error", [MemoryError(), "exhausted"])
def test_a_full_memory_says_which_setting_to_lower(clips, error, monkeypatch):
    if error == "exhausted":
        error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    def fit(*_, **__):
        raise error

    trained = trainer(clips)
    monkeypatch.setattr(trained._head, "fit", fit)
    with pytest.raises(
        ValueError, match=r"fit into memory.*Lower --batch-size \(now 8"
    ):
        trained.fit(np.arange(40))


def test_epochs_are_told(clips):
    told = []
    trainer(clips).fit(np.arange(40), lambda *heard: told.append(heard))
    assert told == [(epoch, True) for epoch in range(QUICK.epochs)]


@pytest.fixture(scope="module")
def unequal():
    """Twenty clips to two, and nothing to tell them apart by."""
    truth = np.repeat([0, 1], [20, 2])
    return [np.ones((3, FEATURES), "float32") for _ in truth], truth


@pytest.fixture(scope="module")
def score_of_none(unequal):
    """What the rare label gets where nothing is done about it."""
    return rare_score(unequal, imbalance="none")


def rare_score(clips, **changes):
    trained = trainer(clips, recipe=QUICK.replace(epochs=40, **changes))
    trained.fit(np.arange(22))
    return trained.predict(np.arange(22))[:, 1].mean()


@pytest.mark.parametrize(
    "name", ["class_weight", "balanced_sampling", "logit_adjustment"]
)
def test_rare_labels_count_as_the_name_says(unequal, score_of_none, name):
    assert score_of_none < 0.2
    assert rare_score(unequal, imbalance=name) > 0.3


def test_the_focal_loss_leaves_sure_answers_alone(unequal, score_of_none):
    focal = rare_score(unequal, imbalance="focal", focal_gamma=4.0)
    assert focal > score_of_none + 0.05


def test_each_fold_has_its_own_label_counts(unequal):
    trained = trainer(unequal, recipe=QUICK.replace(imbalance="logit_adjustment"))
    loss = trained._head.loss
    for places, counts in ((np.arange(22), (20, 2)), (np.arange(10, 21), (10, 1))):
        trained.reset()
        trained.fit(places)
        assert loss.label_counts == counts


@pytest.mark.parametrize("name", ["none", "balanced_sampling"])
def test_an_epoch_is_as_long_as_the_clips_are(unequal, name):
    trained = trainer(unequal, recipe=QUICK.replace(imbalance=name, epochs=2))
    trained.fit(np.arange(22))
    steps = int(trained._head.optimizer.iterations)
    assert steps == 2 * 3  # 22 clips in batches of 8


def test_copies_are_trained_on_with_their_clip_and_never_scored():
    values = [np.full((2, FEATURES), clip, "float32") for clip in range(4)]
    copies = [(value + 0.25, value + 0.5) for value in values]
    truth = np.array([0, 1, 0, 1])
    trained = HeadTrainer(ToyModel(), values, truth, QUICK, 0, 0.5, copies)
    gather, seen = trained._epochs._gather, set()

    def record(steps, labels):
        seen.update(zip(steps[:, 0, 0].tolist(), labels.tolist(), strict=True))

    def spy(*given):
        (steps, mask), labels, weights = gather(*given)
        tf.numpy_function(record, [steps, labels], [])
        return (steps, mask), labels, weights

    trained._epochs._gather = spy
    trained.fit(np.array([1, 2]))
    assert seen == {(c + d, c % 2) for c in (1, 2) for d in (0, 0.25, 0.5)}
    assert trained.predict(np.arange(4)).shape == (4, 2)
