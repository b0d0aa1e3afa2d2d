import keras
import numpy as np
import pytest

from cry_tf.layers import StatisticPooling
from cry_tf.training import recipe
from cry_tf.training.fit import HeadTrainer, clip_weights

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


def test_an_infinite_loss_stops_with_a_sentence(clips):
    values, truth = clips
    values = [v.copy() for v in values]
    values[3][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"loss must stay finite.*nan in epoch 1"):
        trainer((values, truth)).fit(np.arange(40))


def test_epochs_are_told(clips):
    told = []
    trainer(clips).fit(np.arange(40), told.append)
    assert told == list(range(QUICK.epochs))


def test_balanced_weights_let_each_label_count_the_same():
    truth = np.array([0, 0, 0, 2])  # label 1 is not in this fold
    weights = clip_weights(truth, QUICK)

    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])
    assert weights.mean() == pytest.approx(1)
    assert (clip_weights(truth, QUICK.replace(class_weight="none")) == 1).all()
