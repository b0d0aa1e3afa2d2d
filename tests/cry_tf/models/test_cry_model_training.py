"""`fit` and `evaluate` do what a Keras user expects."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score

from cry_tf.models import CryClassifier

LABELS = ("low", "high")
LOSS = "sparse_categorical_crossentropy"


def compiled(backbone, learning_rate=0.02, **kwargs):
    model = CryClassifier(backbone, LABELS, **kwargs)
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, LOSS, metrics=["accuracy"], weighted_metrics=[])
    return model


@pytest.mark.parametrize("pooling", ["statistic", "attention"])
def test_fit_learns_and_evaluate_agrees_with_sklearn(toy_backbone, tones, pooling):
    waveforms, labels = tones
    model = compiled(toy_backbone, pooling=pooling)
    before, _ = model.evaluate(waveforms, labels, verbose=0)
    model.fit(waveforms, labels, epochs=12, batch_size=8, verbose=0)
    after, _ = model.evaluate(waveforms, labels, verbose=0)
    assert after < 0.5 * before
    # Some labels wrong on purpose: agreement at 100 % alone would prove little.
    wrong = np.where(np.arange(24) < 5, 1 - labels, labels)
    _, accuracy = model.evaluate(waveforms, wrong, verbose=0)
    predicted = model.predict(waveforms, verbose=0).argmax(axis=1)
    np.testing.assert_allclose(accuracy, accuracy_score(wrong, predicted), rtol=1e-6)
    assert 0 < accuracy < 1


def test_one_hot_labels_train_with_a_string_loss(toy_backbone, tones):
    waveforms, labels = tones
    model = CryClassifier(toy_backbone, LABELS)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(waveforms, np.eye(2)[labels], epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_batches_of_different_lengths_train_from_tf_data(toy_backbone, tones):
    waveforms, labels = tones

    def clips():
        for waveform, label in zip(waveforms, labels, strict=True):
            yield np.trim_zeros(waveform, "b"), label

    signature = (tf.TensorSpec((None,), "float32"), tf.TensorSpec((), "int32"))
    data = tf.data.Dataset.from_generator(clips, output_signature=signature)
    data = data.padded_batch(4)
    data = data.apply(tf.data.experimental.assert_cardinality(6))
    model = compiled(toy_backbone)
    history = model.fit(data, validation_data=data, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    loss, accuracy = model.evaluate(data, verbose=0)
    expected = model.evaluate(waveforms, labels, verbose=0)
    np.testing.assert_allclose([loss, accuracy], expected, atol=1e-5)


def test_sample_weights_weigh_the_loss(toy_backbone, tones, rng):
    waveforms, labels = tones
    model = compiled(toy_backbone)
    weights = rng.uniform(size=24)
    scores = model.predict(waveforms, verbose=0)
    losses = -np.log(scores[np.arange(24), labels])
    loss = model.evaluate(waveforms, labels, sample_weight=weights, verbose=0)[0]
    np.testing.assert_allclose(loss, np.mean(weights * losses), rtol=1e-5)


def test_clips_of_no_weight_teach_nothing(toy_backbone, tones):
    """Batch norm still sees them, so it is frozen."""
    waveforms, labels = tones
    toy_backbone.trainable = False
    config = compiled(toy_backbone).get_config()
    weights = (np.arange(24) < 8).astype("float32")
    trained = []
    for broken_labels in (labels, np.where(weights > 0, labels, 1 - labels)):
        keras.utils.set_random_seed(0)
        model = CryClassifier.from_config(config)
        model.compile(keras.optimizers.Adam(0.02), LOSS)
        model.fit(waveforms, broken_labels, sample_weight=weights, epochs=3, verbose=0)
        trained.append(model.predict(waveforms, verbose=0))
    np.testing.assert_allclose(trained[0], trained[1], atol=1e-6)


@pytest.mark.parametrize("favoured", [0, 1])
def test_class_weights_decide_where_labels_contradict(toy_backbone, tones, favoured):
    waveforms = np.repeat(tones[0][:4], 2, axis=0)
    labels = np.tile([0, 1], 4)
    model = compiled(toy_backbone, learning_rate=0.05)
    class_weight = {favoured: 9.0, 1 - favoured: 1.0}
    model.fit(waveforms, labels, class_weight=class_weight, epochs=25, verbose=0)
    scores = model.predict(waveforms, verbose=0)
    assert (scores.argmax(axis=1) == favoured).all()
    # The best score for one answer to both labels is its share of the weight.
    np.testing.assert_allclose(scores[:, favoured], 0.9, atol=0.05)


def test_a_frozen_backbone_does_not_move_batch_norm_included(toy_backbone, tones):
    toy_backbone.trainable = False
    model = compiled(toy_backbone)
    before = toy_backbone.get_weights()
    head_before = model.get_layer("logits").get_weights()
    model.fit(*tones, epochs=2, verbose=0)
    for old, new in zip(before, toy_backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(head_before[0], model.get_layer("logits").kernel)


def test_a_trainable_backbone_moves_batch_norm_included(toy_backbone, tones):
    model = compiled(toy_backbone)
    before = toy_backbone.get_weights()
    model.fit(*tones, epochs=2, verbose=0)
    for old, new in zip(before, toy_backbone.get_weights(), strict=True):
        assert not np.array_equal(old, new)


@pytest.mark.parametrize("pooling", ["statistic", "attention", "max_average"])
def test_padding_never_changes_what_is_learnt(tones, pooling):
    keras.utils.set_random_seed(0)
    model = CryClassifier.from_preset("ds_cnn_s", LABELS, pooling, weights=None)
    config, start = model.get_config(), model.get_weights()
    waveforms = np.pad(tones[0][:6], ((0, 0), (0, 20_000)))
    waveforms[1::2, 2_000:12_000] = 0.1 * np.sin(np.arange(10_000))
    learnt = []
    for padding in (0, 30_000):
        model = CryClassifier.from_config(config)
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.1), LOSS)
        longer = np.pad(waveforms, ((0, 0), (0, padding)))
        model.fit(longer, tones[1][:6], verbose=0)
        learnt.append(model.get_weights())
    for short, long in zip(*learnt, strict=True):
        np.testing.assert_allclose(long, short, atol=1e-4)
    assert any(
        np.abs(a - b).max() > 1e-2 for a, b in zip(learnt[0], start, strict=True)
    )


def test_dropout_acts_in_training_only(toy_backbone, tones):
    model = CryClassifier(toy_backbone, LABELS, dropout=0.5)
    np.testing.assert_array_equal(model(tones[0]), model(tones[0]))
    toy_backbone.trainable = False
    first, second = (np.asarray(model(tones[0], training=True)) for _ in range(2))
    assert not np.allclose(first, second)
