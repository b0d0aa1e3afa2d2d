"""What every model of ours keeps: layers, labels, spec, padding, precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import cry_hub
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_tf import layers
from cry_tf.models import CryClassifier, CryDetector

LABELS = ("hungry", "tired", "bored")


def shake(model):
    """Moves every weight, so that no part of the model is an identity."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return model


def test_the_layers_have_names_that_read_in_a_summary(toy_backbone):
    model = CryClassifier(toy_backbone, LABELS)
    names = [layer.name for layer in model.layers]
    expected = ["waveform", "toy", "time_mask", "pooling"]
    expected += ["dropout", "logits", "scores"]
    assert sorted(names) == sorted(expected)
    lines = []
    model.summary(print_fn=lines.append)
    assert all(name in "\n".join(lines) for name in expected)


def test_scores_are_probabilities_of_the_labels(toy_backbone, tones):
    model = CryClassifier(toy_backbone, LABELS)
    scores = model.predict(tones[0], verbose=0)
    assert model.output_shape == (None, 3)
    assert scores.shape == (24, 3)
    assert scores.dtype == np.float32
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)


def test_the_spec_holds_what_a_device_needs(toy_backbone):
    decision = DecisionSpec(window_s=5.0)
    spec = CryClassifier(toy_backbone, LABELS, decision=decision).spec
    assert spec == ModelSpec(
        task="reason",
        labels=LABELS,
        front_end=toy_backbone.front_end_spec,
        decision=decision,
    )


@pytest.mark.parametrize("pooling", layers.POOLING_NAMES)
def test_padding_never_changes_the_result(toy_backbone, tones, pooling):
    model = shake(CryClassifier(toy_backbone, LABELS, pooling=pooling))
    waveforms, _ = tones
    batch = model.predict(waveforms, verbose=0)
    longer = model.predict(np.pad(waveforms, ((0, 0), (0, 3_333))), verbose=0)
    alone = [
        model.predict(np.trim_zeros(waveform, "b")[None], verbose=0)[0]
        for waveform in waveforms[:6]
    ]
    # 1e-5: sums over another number of steps may be added in another order.
    np.testing.assert_allclose(longer, batch, atol=1e-5)
    np.testing.assert_allclose(alone, batch[:6], atol=1e-5)
    assert np.ptp(batch, axis=0).min() > 1e-3, "the clips have different scores"


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 5_000])
def test_silence_of_any_length_has_one_finite_answer(toy_backbone, samples):
    model = shake(CryClassifier(toy_backbone, LABELS, pooling="attention"))
    silence = model.predict(np.zeros((1, samples), "float32"), verbose=0)
    expected = model.predict(np.zeros((1, 288), "float32"), verbose=0)
    np.testing.assert_allclose(silence, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_logits_and_scores_stay_float32_in_mixed_precision(policy, tones, name):
    reference = shake(CryClassifier(build_toy(), LABELS))
    policy(name)
    model = CryClassifier(build_toy(), LABELS)
    model.set_weights(reference.get_weights())
    assert model.backbone.get_layer("dense").compute_dtype == name[6:]
    assert model.pooling.compute_dtype == name[6:]
    assert model.output.dtype == "float32"
    assert model.get_layer("logits").output.dtype == "float32"
    scores = model.predict(tones[0], verbose=0)
    assert scores.dtype == np.float32
    # bfloat16 keeps 8 bits; the logits here are a sum of a dozen such numbers.
    expected = reference.predict(tones[0], verbose=0)
    np.testing.assert_allclose(scores, expected, atol=0.03)
    model.compile("adam", "sparse_categorical_crossentropy")
    history = model.fit(*tones, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def build_toy():
    return keras.saving.get_registered_object("cry_tf_tests>ToyBackbone")()


def test_the_logits_model_shares_the_layers(toy_backbone, tones):
    model = shake(CryClassifier(toy_backbone, LABELS))
    logits = model.logits_model().predict(tones[0], verbose=0)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, model.predict(tones[0], verbose=0), rtol=1e-5)
    assert model.logits_model().get_layer("logits") is model.get_layer("logits")


def test_the_head_model_on_embeddings_is_the_whole_model(toy_backbone, tones):
    model = shake(CryClassifier(toy_backbone, LABELS, pooling="attention"))
    embeddings = model.backbone.predict(tones[0], verbose=0)
    mask = model.backbone.time_mask()(tones[0])
    head = model.head_model()
    np.testing.assert_allclose(
        head.predict([embeddings, np.asarray(mask)], verbose=0),
        model.predict(tones[0], verbose=0),
        rtol=1e-5,
    )
    # Making other models of its layers leaves the model as it was.
    assert model.get_layer("logits").output.shape == (None, 3)
    again = CryClassifier.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(tones[0]), model(tones[0]), rtol=1e-6)


def test_training_the_head_model_trains_the_model(toy_backbone, tones):
    waveforms, labels = tones
    model = CryClassifier(toy_backbone, ("low", "high"))
    embeddings = model.backbone.predict(waveforms, verbose=0)
    mask = np.asarray(model.backbone.time_mask()(waveforms))
    head = model.head_model()
    head.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    backbone_before = model.backbone.get_weights()
    head.fit([embeddings, mask], labels, epochs=20, verbose=0)
    predicted = model.predict(waveforms, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(predicted, labels)
    for before, after in zip(
        backbone_before, model.backbone.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_a_pooling_layer_may_be_given(toy_backbone):
    pooling = layers.StatisticPooling(mode="dense", units=5, name="pooling")
    model = CryClassifier(toy_backbone, LABELS, pooling=pooling)
    assert model.pooling is pooling
    assert model.get_layer("logits").kernel.shape == (5, 3)


def test_a_pooling_layer_of_keras_itself_honours_the_padding(toy_backbone, tones):
    average = CryClassifier(toy_backbone, LABELS, pooling="average")
    theirs = keras.layers.GlobalAveragePooling1D(name="pooling")
    model = CryClassifier(toy_backbone, LABELS, pooling=theirs)
    model.set_weights(average.get_weights())
    np.testing.assert_allclose(model(tones[0]), average(tones[0]), rtol=1e-5)


def test_a_layer_that_does_not_pool_is_refused(toy_backbone):
    recurrent = keras.layers.LSTM(4, return_sequences=True, name="pooling")
    with pytest.raises(ValueError, match="one vector a clip"):
        CryClassifier(toy_backbone, LABELS, pooling=recurrent)


@pytest.mark.parametrize(
    "labels",
    [
        *([], ["cry"], "cry", ["cry", "cry"], ["cry", ""], ["cry", " "], ["cry", 1]),
        *(["cry", "no\ncry"], ["cry", "cry\u2028"]),
    ],
    ids=ascii,
)
def test_bad_labels_are_refused(toy_backbone, labels):
    with pytest.raises(ValueError, match="labels must be at least two different names"):
        CryClassifier(toy_backbone, labels)


def test_labels_are_composed_as_those_of_clips_are(toy_backbone):
    model = CryClassifier(toy_backbone, ["mu\u0308de", "hungrig"])
    assert model.labels == ("m\u00fcde", "hungrig")


def test_an_unknown_pooling_lists_the_names(toy_backbone):
    with pytest.raises(ValueError, match="statistic, attention.*'mean'"):
        CryClassifier(toy_backbone, LABELS, pooling="mean")


@pytest.mark.parametrize("backbone", ["ds_cnn_s", keras.Sequential(name="theirs")])
def test_a_backbone_of_another_kind_is_refused(backbone):
    with pytest.raises(ValueError, match="backbone must be a cry_hub Backbone"):
        CryClassifier(backbone, LABELS)


def test_the_decision_must_be_a_spec(toy_backbone):
    model = CryDetector(toy_backbone)
    with pytest.raises(ValueError, match="decision must be a DecisionSpec"):
        model.decision = {"window_s": 3.0}


def test_xla_trains_only_where_it_is_asked_for(toy_backbone, monkeypatch):
    model = CryDetector(toy_backbone)
    assert model.jit_compile is False
    monkeypatch.setattr(type(toy_backbone), "prefers_jit", True)
    assert CryDetector(toy_backbone).jit_compile is True
    model.compile("adam", "sparse_categorical_crossentropy")
    assert model.jit_compile is False
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=True)
    assert model.jit_compile is True


# These are compiled for each shape, so they make one model of the two. CNN14 is the
# same network at its other two rates.
LARGE_PRESETS = [
    "cnn14_audioset",
    "resnet22_audioset",
    "wavegram_logmel_cnn14_audioset",
]
SMALL_PRESETS = [
    name
    for name in cry_hub.presets()
    if name not in (*LARGE_PRESETS, "cnn14_16k_audioset", "cnn14_8k_audioset")
]


@pytest.mark.parametrize(
    ("model_class", "preset"),
    [
        *((CryClassifier, preset) for preset in (*SMALL_PRESETS, *LARGE_PRESETS)),
        *((CryDetector, preset) for preset in SMALL_PRESETS),
    ],
)
def test_every_preset_makes_a_model(few_filters, model_class, preset):
    model = model_class.from_preset(preset, labels=("no_cry", "cry"), weights=None)
    waveforms = np.random.default_rng(0).normal(size=(2, 20_000)).astype("float32")
    waveforms[1, 9_000:] = 0
    scores = model.predict(0.1 * waveforms, verbose=0)
    assert scores.shape == (2, 2)
    alone = model.predict(0.1 * waveforms[1:, :9_000], verbose=0)
    np.testing.assert_allclose(alone[0], scores[1], atol=1e-5)
