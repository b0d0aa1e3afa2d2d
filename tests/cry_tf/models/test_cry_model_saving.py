"""Plain Keras saves and reloads our models with all they know."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_lite.spec import DecisionSpec
from cry_tf.layers import AttentionPooling
from cry_tf.models import CryClassifier, CryDetector

LABELS = ("hungry", "tired", "bored")
DECISION = DecisionSpec(window_s=4.0, hop_s=2.0, onset_threshold=0.9)


def classifier(backbone, **kwargs):
    pooling = AttentionPooling(heads=3, normalization="sigmoid", name="pooling")
    kwargs = {"pooling": pooling, "dropout": 0.25, "decision": DECISION, **kwargs}
    return CryClassifier(backbone, LABELS, **kwargs)


def save_and_load(model, folder):
    path = folder / "model.keras"
    model.save(path)
    return keras.saving.load_model(path)


def test_a_reloaded_model_is_the_same_model(toy_backbone, tones, tmp_path):
    model = classifier(toy_backbone)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    waveforms, labels = tones
    model.fit(waveforms, labels, epochs=2, verbose=0)
    reloaded = save_and_load(model, tmp_path)
    assert type(reloaded) is CryClassifier
    assert reloaded.spec == model.spec
    assert reloaded.decision == DECISION
    assert reloaded.dropout == 0.25
    assert (reloaded.pooling.heads, reloaded.pooling.normalization) == (3, "sigmoid")
    assert [x.name for x in reloaded.layers] == [x.name for x in model.layers]
    np.testing.assert_array_equal(
        reloaded.predict(waveforms, verbose=0), model.predict(waveforms, verbose=0)
    )


def test_training_goes_on_where_it_stopped(toy_backbone, tones, tmp_path):
    model = classifier(toy_backbone, dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*tones, epochs=2, verbose=0)
    reloaded = save_and_load(model, tmp_path)
    assert reloaded.optimizer.iterations == model.optimizer.iterations > 0
    losses = [
        each.fit(*tones, shuffle=False, verbose=0).history["loss"]
        for each in (model, reloaded)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


def test_weights_alone_can_be_saved(toy_backbone, tones, tmp_path):
    model = classifier(toy_backbone)
    model.save_weights(tmp_path / "model.weights.h5")
    copy = CryClassifier.from_config(model.get_config())
    assert not np.allclose(copy(tones[0]), model(tones[0]))
    copy.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(copy(tones[0]), model(tones[0]))


def test_a_detector_keeps_its_positive_label(toy_backbone, tmp_path):
    model = CryDetector(toy_backbone, ("bark", "wail", "talk"), positive_label="wail")
    model.decision = DECISION
    reloaded = save_and_load(model, tmp_path)
    assert type(reloaded) is CryDetector
    assert reloaded.positive_label == "wail"
    assert reloaded.spec == model.spec


def test_a_frozen_backbone_stays_frozen(toy_backbone, tmp_path):
    toy_backbone.trainable = False
    reloaded = save_and_load(classifier(toy_backbone), tmp_path)
    assert reloaded.trainable
    assert not reloaded.backbone.trainable
    assert reloaded.backbone.trainable_weights == []
    assert reloaded.trainable_weights != []


def test_a_partly_frozen_backbone_stays_partly_frozen(toy_backbone, tmp_path):
    model = classifier(toy_backbone)
    model.backbone.get_layer("norm").trainable = False
    reloaded = save_and_load(model, tmp_path)
    assert not reloaded.backbone.get_layer("norm").trainable
    assert reloaded.backbone.get_layer("dense").trainable
    assert len(reloaded.trainable_weights) == len(model.trainable_weights)


def test_a_frozen_model_stays_frozen(toy_backbone, tmp_path):
    model = classifier(toy_backbone)
    model.trainable = False
    assert save_and_load(model, tmp_path).trainable_weights == []


def test_mixed_precision_outlives_the_policy(policy, toy_backbone, tones, tmp_path):
    toy_class = type(toy_backbone)
    policy("mixed_bfloat16")
    model = classifier(toy_class())
    model.save(tmp_path / "model.keras")
    scores = model.predict(tones[0], verbose=0)
    policy("float32")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert reloaded.pooling.compute_dtype == "bfloat16"
    assert reloaded.output.dtype == "float32"
    # The toy backbone hands no dtype down to its layers, so it computes in float32.
    np.testing.assert_allclose(reloaded.predict(tones[0], verbose=0), scores, atol=0.02)


@pytest.mark.parametrize("part", ["head_model", "logits_model"])
def test_the_parts_are_models_that_keras_saves(toy_backbone, tmp_path, part):
    model = getattr(classifier(toy_backbone), part)()
    reloaded = save_and_load(model, tmp_path)
    assert reloaded.output_shape == (None, 3)


def test_a_pooling_layer_of_keras_itself_is_saved(toy_backbone, tmp_path):
    pooling = keras.layers.GlobalAveragePooling1D(name="pooling")
    reloaded = save_and_load(classifier(toy_backbone, pooling=pooling), tmp_path)
    assert type(reloaded.pooling) is keras.layers.GlobalAveragePooling1D


def test_a_config_of_the_other_task_is_refused(toy_backbone):
    config = classifier(toy_backbone).get_config()
    with pytest.raises(ValueError, match="task 'detect'.*task='reason'"):
        CryDetector.from_config(config)


def test_a_config_whose_labels_lost_the_positive_one_is_refused(toy_backbone):
    config = CryDetector(toy_backbone).get_config() | {"labels": ["cat", "dog"]}
    with pytest.raises(ValueError, match="positive_label='cry', labels="):
        CryDetector.from_config(config)


def test_weights_of_other_labels_are_refused(toy_backbone, tmp_path):
    classifier(toy_backbone).save_weights(tmp_path / "model.weights.h5")
    fewer = CryClassifier(toy_backbone, LABELS[:2], pooling="average")
    with pytest.raises(ValueError, match="logits"):
        fewer.load_weights(tmp_path / "model.weights.h5")


def test_a_config_of_before_heads_had_names_is_a_dense_layer(toy_backbone):
    model = CryClassifier(toy_backbone, ["hungry", "tired"])
    config = model.get_config()
    assert config.pop("head") == "softmax"
    again = CryClassifier.from_config(config)
    assert again.head == "softmax"
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize("head", ["mlp", "prototype"])
def test_a_head_is_saved_with_its_layers(toy_backbone, tones, tmp_path, head):
    model = CryClassifier(toy_backbone, ["hungry", "tired"], head=head, dropout=0.1)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(*tones, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.head == head
    waveforms = tones[0]
    expected = model.predict(waveforms, verbose=0)
    np.testing.assert_array_equal(again.predict(waveforms, verbose=0), expected)
    embeddings = again.backbone.predict(waveforms, verbose=0)
    mask = np.asarray(again.backbone.time_mask()(waveforms))
    found = again.head_model()([embeddings, mask], training=False)
    # Another batch size may sum in another order.
    np.testing.assert_allclose(found, expected, atol=1e-6)
    logits = again.logits_model().predict(waveforms, verbose=0)
    np.testing.assert_allclose(keras.ops.softmax(logits), expected, atol=1e-6)


def test_a_head_that_is_no_layer_is_refused(toy_backbone):
    with pytest.raises(ValueError, match="one of softmax, mlp, prototype.*'svm'"):
        CryClassifier(toy_backbone, ["hungry", "tired"], head="svm")
