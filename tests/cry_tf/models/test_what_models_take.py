"""Waveforms and labels that would give wrong scores are refused by name."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from cry_tf import CryClassifier
from cry_tf.data import load

LABELS = ("high", "low")
LOSS = "sparse_categorical_crossentropy"


@pytest.fixture
def model(toy_backbone):
    """Takes 8 kHz."""
    model = CryClassifier(toy_backbone, LABELS)
    model.compile("sgd", LOSS)
    return model


@pytest.fixture
def data(tmp_path):
    """Twelve clips at 16 kHz, told apart by their length."""
    for number in range(12):
        path = tmp_path / LABELS[number % 2] / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(800 + 160 * number, 0.1), 16_000)
    return load(tmp_path)


@pytest.fixture
def shown(model, monkeypatch):
    """Keeps what the model is called on: lengths of the clips, and their labels."""
    seen = []

    def keep(x, y):
        lengths = np.count_nonzero(np.abs(x) > 0.01, axis=1)
        seen.append((lengths.tolist(), y.tolist()))
        return np.float32(0)

    def step(data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        places = tf.zeros(tf.shape(x)[0], tf.int32) if y is None else y
        tf.numpy_function(keep, [x, places], tf.float32)
        scores = model(x, training=False)
        return {"loss": tf.reduce_sum(scores)} if y is not None else scores

    for name in ("train_step", "test_step", "predict_step"):
        monkeypatch.setattr(model, name, step)
    return seen


def lengths(seen):
    return [length for batch, _ in seen for length in batch]


def test_batches_take_the_rate_of_the_model(model, data, shown):
    model.fit(data.to_tf(3), epochs=1, verbose=0)
    model.evaluate(data.to_tf(3), verbose=0)
    model.predict(data.to_tf(3), verbose=0)
    at_16_khz = [800 + 160 * number for number in range(12)]
    assert len(shown) == 12
    for part in (shown[:4], shown[4:8], shown[8:]):
        heard = np.sort(lengths(part))
        np.testing.assert_allclose(heard, np.array(at_16_khz) / 2, atol=8)


def test_fit_shuffles_and_nothing_else_does(model, data, shown):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a shuffle that would be ignored
        model.fit(data.to_tf(3), validation_data=data.to_tf(3), epochs=2, verbose=0)
    epochs = [lengths(shown[start : start + 4]) for start in (0, 4, 8, 12)]
    in_order = epochs[1]
    assert epochs[1] == epochs[3]
    assert epochs[0] != in_order
    assert epochs[0] != epochs[2]
    assert sorted(epochs[0]) == sorted(epochs[2]) == sorted(in_order)
    assert any(len(set(places)) > 1 for _, places in shown[:4])
    shown.clear()
    model.predict(data.to_tf(3), verbose=0)
    assert lengths(shown) == in_order


def test_what_was_asked_for_is_kept(model, data, shown):
    model.fit(data.to_tf(3, shuffle=False), verbose=0)
    model.predict(data.to_tf(3, shuffle=True), verbose=0)
    in_order, shuffled = lengths(shown[:4]), lengths(shown[4:])
    model.evaluate(data.to_tf(3), verbose=0)
    assert in_order == lengths(shown[8:])
    assert shuffled != in_order


def test_a_second_fit_goes_on_in_the_orders_drawn(model, data, shown):
    batches = data.to_tf(12)
    for _ in range(2):
        model.fit(batches, verbose=0)
    assert lengths(shown[:1]) != lengths(shown[1:])


def test_another_rate_is_refused_also_behind_other_steps(model, data):
    batches = data.to_tf(sample_rate_hz=16_000, shuffle=True)
    for each in (batches, batches.map(lambda x, y: (x, y)).take(1).prefetch(1)):
        for use in (model.fit, model.evaluate, model.predict, model.backbone.predict):
            with pytest.raises(ValueError, match=r"must be at 8000 Hz.* at 16000 Hz"):
                use(each, verbose=0)
    with pytest.raises(ValueError, match="must be at 8000 Hz"):
        model.fit(data.to_tf(), validation_data=batches, verbose=0)


def test_without_a_model_the_rate_must_be_named(model, data):
    batches = data.to_tf(5)
    assert len(batches) == 3
    plain = keras.Sequential([model])
    for use in (
        lambda: list(batches),
        lambda: batches.map(lambda x, y: x),
        lambda: plain.predict(batches, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"to_tf\(sample_rate_hz=16000\)"):
            use()
    (x, y), *_ = data.to_tf(12, sample_rate_hz=8_000)
    assert x.shape == (12, (800 + 160 * 11) // 2)
    assert batches.element_spec == data.to_tf(sample_rate_hz=8_000).element_spec


def test_clips_in_the_order_of_their_labels_are_told_of(model, data):
    batches = data.to_tf(sample_rate_hz=8_000).map(lambda x, y: (x, y))
    with pytest.warns(UserWarning, match=r"order of their labels.*shuffle=True"):
        model.fit(batches, verbose=0)


def test_augmented_batches_train_and_judge_nothing(model, data, shown):
    batches = data.to_tf(12, augment=lambda waveform, rate_hz, rng: 2 * waveform)
    model.fit(batches, verbose=0)
    with pytest.raises(ValueError, match="Augmented batches are for training"):
        model.evaluate(batches, verbose=0)


def test_labels_have_the_places_of_the_model(toy_backbone, data, monkeypatch):
    model = CryClassifier(toy_backbone, ("other", "low", "high"))
    model.compile("sgd", LOSS)
    places = []
    monkeypatch.setattr(
        model,
        "test_step",
        lambda batch: {
            "loss": tf.numpy_function(
                lambda y: places.extend(y) or np.float32(0), [batch[1]], tf.float32
            )
        },
    )
    model.evaluate(data.to_tf(), verbose=0)
    assert places == [2] * 6 + [1] * 6
    only_low = data.map_labels({"low": "low", "high": None}.get)
    places.clear()
    model.evaluate(only_low.to_tf(), verbose=0)
    assert places == [1] * 6


def test_labels_that_the_model_has_not_are_refused(toy_backbone, data):
    model = CryClassifier(toy_backbone, ("high", "tired"))
    model.compile("sgd", LOSS)
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"Received: clips of low.*labels=data"):
            use(data.to_tf(), verbose=0)
        told = data.to_tf(sample_rate_hz=8_000, shuffle=True).map(lambda x, y: (x, y))
        with pytest.raises(ValueError, match=r"high, low for a model of high, tired"):
            use(told, verbose=0)
    assert model.predict(data.to_tf(), verbose=0).shape == (12, 2)


def forms_of(x, y):
    """The same data in the forms that Keras takes, with a name each."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return x, y

    yield "arrays", (x, y)
    yield "tensors", (tf.constant(x), y)
    yield "dataset", (tf.data.Dataset.from_tensors((x, y)),)
    yield "generator", ((each for each in [(x, y)]),)
    yield "PyDataset", (Batches(),)


WAVES = np.float32(np.random.default_rng(0).uniform(-0.5, 0.5, (4, 2_000)))
PLACES = np.array([0, 1, 1, 0])


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize(
    ("waves", "rule"),
    [
        (np.int16(WAVES * 32_768), "float samples.*int16.*Divide 16-bit samples"),
        (WAVES * 32_768, "16"),
        (np.where(WAVES > 0.49, np.nan, WAVES), "finite"),
    ],
    ids=["int16", "loud", "nan"],
)
def test_sound_at_the_wrong_scale_is_refused(model, method, waves, rule):
    for form, arguments in forms_of(waves.astype(waves.dtype), PLACES):
        if method == "predict":
            arguments = arguments[:1]
        with pytest.raises(ValueError, match=rule) as error:
            getattr(model, method)(*arguments, verbose=0)
        assert "in user code" not in str(error.value), form
        assert len(str(error.value)) < 300, form


def test_sound_at_the_right_scale_is_taken_in_every_form(model):
    for form, arguments in forms_of(WAVES, PLACES):
        steps = {"steps_per_epoch": 1} if form == "generator" else {}
        assert model.fit(*arguments, verbose=0, **steps).history["loss"], form


def test_calls_and_single_batches_are_checked_too(model):
    for waves in (np.int16(WAVES * 32_768), WAVES * 32_768):
        for use in (
            lambda waves=waves: model(waves),
            lambda waves=waves: model(tf.constant(waves)),
            lambda waves=waves: model.backbone(waves),
            lambda waves=waves: model.predict_on_batch(waves),
            lambda waves=waves: model.train_on_batch(waves, PLACES),
            lambda waves=waves: model.test_on_batch(waves, PLACES),
            lambda waves=waves: model.logits_model().predict(waves, verbose=0),
            lambda waves=waves: model.fit(
                WAVES, PLACES, validation_data=(waves, PLACES), verbose=0
            ),
        ):
            with pytest.raises(ValueError, match="waveform must hold"):
                use()


def test_places_beyond_the_labels_are_refused(model):
    for form, arguments in forms_of(WAVES, PLACES + 1):
        for use in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match=r"\(high, low\), 0 to 1.*: 1 to 2"):
                use(*arguments, verbose=0)
            if form == "generator":
                break
    for places in (PLACES[:, None] + 1, PLACES - 1):
        with pytest.raises(ValueError, match="Labels must be places"):
            model.fit(WAVES, places, verbose=0)


# Keras tells so at the end of every generator.
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
def test_shares_of_the_labels_are_no_places(toy_backbone):
    model = CryClassifier(toy_backbone, LABELS)
    model.compile("sgd", "categorical_crossentropy")
    for _, arguments in forms_of(WAVES, np.float32(np.eye(2))[PLACES]):
        model.evaluate(*arguments, verbose=0)


def test_the_checks_are_in_no_graph_that_is_kept(model):
    called = tf.function(model, input_signature=[tf.TensorSpec([None, None])])
    nodes = called.get_concrete_function().graph.as_graph_def().node
    assert "Assert" not in {node.op for node in nodes}
    # XLA, which leaves assertions out of a step, leaves these in.
    model.compile("sgd", LOSS, jit_compile=True)
    with pytest.raises(ValueError, match="finite samples"):
        model.fit(tf.data.Dataset.from_tensors((WAVES * 32_768, PLACES)), verbose=0)
