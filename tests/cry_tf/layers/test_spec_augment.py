import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from cry_tf.layers import SpecAugment

FRAMES, BANDS = 60, 32


@pytest.fixture
def spectrograms(rng):
    """Four clips, no value of which is the mean of its clip."""
    values = rng.uniform(1, 2, (4, FRAMES, BANDS))
    return (np.sign(rng.normal(size=values.shape)) * values).astype("float32")


def hidden_by(layer, inputs, **kwargs):
    return np.asarray(layer(inputs, training=True, **kwargs)) != inputs


def stretches(flags):
    """Number of runs of True."""
    return int(np.sum(np.diff(np.concatenate([[0], flags.astype(int)])) == 1))


def test_its_configuration_and_saving(tmp_path, spectrograms):
    layer = SpecAugment(3, 10, 0.5, 1, 4, 48, seed=7, name="hide")
    again = SpecAugment.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"] == "cry_tf>SpecAugment"
    inputs = keras.Input((None, BANDS))
    outputs = keras.layers.Dense(3)(SpecAugment(seed=7)(inputs))
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    for training in (False, True):  # the state of the draws is saved as well
        np.testing.assert_array_equal(
            reloaded(spectrograms, training=training),
            model(spectrograms, training=training),
        )


@pytest.mark.parametrize("shape", [(None, BANDS), (FRAMES, BANDS), (None, 96, BANDS)])
def test_the_symbolic_shape_is_that_of_the_inputs(shape):
    assert SpecAugment()(keras.Input(shape)).shape == (None, *shape)


def test_nothing_happens_outside_training(spectrograms):
    layer = SpecAugment()
    for training in (False, None):
        result = layer(spectrograms, training=training)
        np.testing.assert_array_equal(result, spectrograms)
    model = keras.Sequential([keras.Input((None, BANDS)), layer])
    np.testing.assert_array_equal(model.predict(spectrograms, verbose=0), spectrograms)


def test_whole_frames_and_whole_bands_are_hidden_by_the_mean(spectrograms):
    layer = SpecAugment(2, 10, band_masks=2, max_bands=5, seed=1)
    hidden_frames, hidden_bands = [], []
    for _ in range(40):
        result = np.asarray(layer(spectrograms, training=True))
        for before, after in zip(spectrograms, result, strict=True):
            hidden = before != after
            frames, bands = hidden.all(axis=1), hidden.all(axis=0)
            np.testing.assert_array_equal(hidden, frames[:, None] | bands)
            np.testing.assert_allclose(after[hidden], before.mean(), atol=1e-6)
            assert stretches(frames) <= 2
            assert stretches(bands) <= 2
            hidden_frames.append(frames.sum())
            hidden_bands.append(bands.sum())
    assert 15 < max(hidden_frames) <= 20
    assert 7 < max(hidden_bands) <= 10
    # Two stretches of 0 to 10 frames, evenly: 10 less what overlaps, about 0.5;
    # the mean of these 160 draws has a standard error of 0.35.
    assert 8.4 < np.mean(hidden_frames) < 10.6
    assert min(hidden_frames) <= 2
    assert len(set(hidden_bands)) > 5


@pytest.mark.parametrize(
    ("arguments", "axis"), [({"time_masks": 0}, 0), ({"band_masks": 0}, 1)]
)
def test_either_kind_can_be_left_out(spectrograms, arguments, axis):
    layer = SpecAugment(**arguments)
    hidden = np.stack([hidden_by(layer, spectrograms) for _ in range(10)])
    assert hidden.any()
    whole = hidden.any(axis=axis + 2)
    np.testing.assert_array_equal(hidden.all(axis=axis + 2), whole)


def test_every_place_is_hidden_about_as_often(rng):
    values = rng.uniform(1, 2, (500, 20, 8)).astype("float32")
    layer = SpecAugment(1, 4, 1.0, 0, seed=1)
    often = np.mean([hidden_by(layer, values)[:, :, 0] for _ in range(8)], axis=(0, 1))
    # A width of w has 21 - w places; the ends are in fewer of them.
    expected = np.zeros(20)
    for width in range(5):
        for start in range(21 - width):
            expected[start : start + width] += 1 / 5 / (21 - width)
    np.testing.assert_allclose(often, expected, atol=0.02)  # 4000 draws: 4 deviations


def test_clips_and_calls_differ_and_a_seed_repeats_them(spectrograms):
    layer, same = SpecAugment(seed=3), SpecAugment(seed=3)
    calls = [np.asarray(layer(spectrograms, training=True)) for _ in range(2)]
    again = [np.asarray(same(spectrograms, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(calls, again)
    hidden = [clip.tobytes() for call in calls for clip in (call != spectrograms)]
    assert len(set(hidden)) == 8


def test_padding_stays_and_the_real_part_alone_is_hidden(spectrograms):
    real = np.arange(FRAMES) < np.array([60, 20, 1, 0])[:, None]
    values = np.where(real[:, :, None], spectrograms, np.nan)
    layer = SpecAugment(time_masks=1, max_time_frames=50, max_time_share=0.5)
    most = np.zeros(4)
    for _ in range(60):
        result = np.asarray(layer(values, mask=real, training=True))
        np.testing.assert_array_equal(result[~real], values[~real])
        assert np.isfinite(result[real]).all()
        hidden = (result != values) & real[:, :, None]
        for clip in range(3):
            part = real[clip]
            frames = hidden[clip, part].all(axis=1)
            most[clip] = max(most[clip], frames.sum())
            mean = spectrograms[clip, part].mean()
            np.testing.assert_allclose(result[clip][hidden[clip]], mean, atol=1e-5)
    # Half of the real frames at most: 30, 10 and none.
    assert 25 < most[0] <= 30
    assert 8 <= most[1] <= 10
    assert most[2] == most[3] == 0


def test_the_mask_is_passed_on(spectrograms):
    inputs = keras.Input((None, BANDS))
    hidden = SpecAugment()(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(hidden))
    spectrograms[:, 40:] = 0
    expected = spectrograms[:, :40].mean(axis=1)
    np.testing.assert_allclose(model(spectrograms), expected, atol=1e-5)


@pytest.mark.parametrize("hop", [4, 6, 12, None])
def test_patches_hide_the_same_moments(hop, rng):
    """Each patch is cut from one long spectrogram; hidden frames must agree."""
    length, patches = 12, 7
    step = hop or length
    frames = (patches - 1) * step + length
    long = rng.uniform(1, 2, (3, frames, 8)).astype("float32")
    starts = np.arange(patches) * step
    values = np.stack([long[:, s : s + length] for s in starts], axis=1)
    layer = SpecAugment(2, 15, 1.0, 1, 2, patch_hop_frames=hop)
    seen = 0
    for _ in range(20):
        hidden = hidden_by(layer, values)
        bands = hidden.all(axis=(1, 2))  # (batch, bands)
        np.testing.assert_array_equal(bands.sum(axis=1) <= 2, True)
        for clip in range(3):
            moments = np.full(frames, -1)
            for patch, start in enumerate(starts):
                flags = hidden[clip, patch].all(axis=1)
                known = moments[start : start + length]
                assert ((known == -1) | (known == flags)).all()
                moments[start : start + length] = flags
            assert stretches(moments == 1) <= 2
            seen += (moments == 1).sum()
    assert seen > 0


def test_patches_of_padding_stay(rng):
    values = rng.uniform(1, 2, (2, 5, 12, 8)).astype("float32")
    real = np.arange(5) < np.array([3, 0])[:, None]
    layer = SpecAugment(1, 100, 1.0, 1, 8, patch_hop_frames=6)
    longest = 0
    for _ in range(60):
        hidden = hidden_by(layer, values, mask=real)
        assert not hidden[~real].any()
        longest = max(longest, hidden[0, :3].all(axis=2).sum())
    assert longest > 24  # of 36 frames in the three patches


def test_it_trains_in_a_graph_and_under_16_bits(spectrograms):
    for policy in ("float32", "mixed_bfloat16"):
        model = keras.Sequential(
            [
                keras.Input((None, BANDS)),
                SpecAugment(dtype=policy),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
        history = model.fit(spectrograms, np.ones(4), epochs=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
    assert keras.backend.standardize_dtype(
        SpecAugment(dtype="mixed_bfloat16")(spectrograms, training=True).dtype
    ) == ("bfloat16")


def test_no_gradient_passes_where_it_hides(spectrograms):
    inputs = tf.Variable(spectrograms)
    with tf.GradientTape() as tape:
        result = SpecAugment()(inputs, training=True)
        loss = tf.reduce_sum(result)
    hidden = result.numpy() != spectrograms
    np.testing.assert_array_equal(tape.gradient(loss, inputs), ~hidden)


def test_the_tflite_is_the_identity(tmp_path, spectrograms):
    inputs = keras.Input((None, BANDS))
    model = keras.Model(inputs, keras.layers.Dense(2)(SpecAugment()(inputs)))
    model.export(tmp_path / "saved", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    names = {
        tensor["name"].split("/")[-1] for tensor in interpreter.get_tensor_details()
    }
    assert not any("random" in name.lower() for name in names)
    run = interpreter.get_signature_runner()
    (name,) = run.get_input_details()
    (found,) = run(**{name: spectrograms}).values()
    np.testing.assert_allclose(found, model(spectrograms), atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"time_masks": -1},
        {"band_masks": -1},
        {"max_time_frames": 0},
        {"max_bands": 0},
        {"max_time_share": 0},
        {"max_time_share": 1.1},
        {"patch_hop_frames": 0},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SpecAugment(**arguments)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5, 6)])
def test_what_is_no_spectrogram_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(batch, frames, bands\)"):
        SpecAugment()(np.zeros(shape, "float32"))
