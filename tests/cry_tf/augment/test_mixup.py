import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_tf.augment import Mixup


def batches_of(*arrays, size=4):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


def one_of(dataset):
    return next(iter(dataset))


@pytest.fixture
def clips(rng):
    """Clip i is i + 1 everywhere, and of class i, so that a mix tells its parts."""
    waves = np.repeat(np.arange(1, 9)[:, None] / 10, 50, axis=1).astype(np.float32)
    return waves, np.arange(8, dtype=np.int32)


def test_a_waveform_is_mixed_in_the_shares_of_its_label(clips):
    waves, classes = clips
    mixed, labels = one_of(Mixup(1.0, 8).waveforms(batches_of(*clips, size=8)))
    labels = labels.numpy()
    np.testing.assert_allclose(mixed, labels @ waves, atol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert (labels >= 0).all()
    assert set((labels > 0).sum(axis=1)) <= {1, 2}
    assert ((labels > 0.02) & (labels < 0.98)).any()
    # Each clip is in its own mix, and is a partner once.
    assert (labels[np.arange(8), classes] > 0).all()


def test_shares_follow_the_beta_distribution():
    mixup = Mixup(0.4, 2)
    shares = mixup.draw(tf.constant([1, 2], tf.int64), 20_000)[0].numpy()
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var() == pytest.approx(1 / 4 / 1.8, abs=0.005)
    assert ((shares >= 0) & (shares <= 1)).all()


@pytest.mark.parametrize("alpha", [1e-6, 1e3])
def test_extreme_alphas_stay_finite(clips, alpha):
    waves, labels = one_of(Mixup(alpha, 8).waveforms(batches_of(*clips, size=8)))
    assert np.isfinite(waves).all()
    np.testing.assert_allclose(labels.numpy().sum(axis=1), 1, atol=1e-6)


def test_a_partner_is_everyone_once():
    order = Mixup(0.2, 2).draw(tf.constant([5, 6], tf.int64), 16)[1].numpy()
    assert sorted(order) == list(range(16))
    assert (order != np.arange(16)).any()


def test_the_seed_repeats_all_and_each_batch_and_epoch_differ(clips):
    same = tf.data.Dataset.from_tensors(clips).repeat(3)  # three equal batches

    def epochs(seed):
        mixed = Mixup(1.0, 8, seed).waveforms(same)
        return [[labels.numpy() for _, labels in mixed] for _ in range(2)]

    one, again, other = epochs(1), epochs(1), epochs(2)
    np.testing.assert_array_equal(one, again)
    batches = [batch.tobytes() for epoch in (*one, *other) for batch in epoch]
    assert len(set(batches)) == 12


def test_weights_are_mixed_as_the_labels_are(clips):
    weights = np.arange(8, dtype=np.float32)
    mixed = Mixup(1.0, 8).waveforms(batches_of(*clips, weights, size=8))
    _, labels, found = one_of(mixed)
    np.testing.assert_allclose(found, labels.numpy() @ weights, atol=1e-5)


def test_a_mix_is_as_long_as_the_longer_of_two_and_as_loud_at_most(rng):
    waves = rng.uniform(-1, 1, (2, 100)).astype(np.float32)
    waves[0, 40:] = 0
    seeds = range(30)
    for seed in seeds:
        mixed, labels = one_of(
            Mixup(1.0, 2, seed).waveforms(batches_of(waves, np.int32([0, 1])))
        )
        assert np.abs(mixed).max() <= 1
        if 0 < labels.numpy()[0, 1] < 1:
            assert mixed.numpy()[0, 99] != 0
            break
    else:
        raise AssertionError("no seed mixed the two")


def test_embeddings_are_mixed_over_real_steps_only(rng):
    lengths = np.array([5, 2, 3, 1])
    values = rng.normal(size=(4, 5, 3)).astype(np.float32)
    mask = np.arange(5) < lengths[:, None]
    values[~mask] = 0
    batches = tf.data.Dataset.from_tensors(
        ((values, mask), np.arange(4, dtype=np.int32))
    )
    for seed in range(5):
        (mixed, kept), labels = one_of(Mixup(1.0, 4, seed).embeddings(batches))
        np.testing.assert_array_equal(kept, mask)
        for clip, label in enumerate(labels.numpy()):
            share = label[clip]
            others = [other for other in np.flatnonzero(label) if other != clip]
            partner = others[0] if others else clip
            for step in range(5):
                expected = values[clip, step]
                if mask[clip, step]:
                    there = values[partner, step % lengths[partner]]
                    expected = share * expected + (1 - share) * there
                np.testing.assert_allclose(mixed[clip, step], expected, atol=1e-6)


def test_cardinality_stays_known_and_keras_fits_on_it(clips):
    waves, classes = clips
    mixed = Mixup(0.4, 8).waveforms(batches_of(waves, classes, size=3))
    assert int(mixed.cardinality()) == 3
    model = keras.Sequential([keras.layers.Dense(8, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(mixed, epochs=2, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()


def test_padded_batches_of_a_pipeline_are_taken(clips):
    waves, classes = clips
    pipeline = batches_of(waves, classes, size=3).map(
        lambda x, y: (tf.ensure_shape(x, [None, None]), y)
    )
    sizes = [x.shape for x, _ in Mixup(0.4, 8).waveforms(pipeline)]
    assert sizes == [(3, 50), (3, 50), (2, 50)]


@pytest.mark.parametrize(
    "arguments",
    [{"alpha": 0, "labels": 2}, {"alpha": float("nan"), "labels": 2}]
    + [{"labels": 1, "alpha": 0.2}],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Mixup(**arguments)
