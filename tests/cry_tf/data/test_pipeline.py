import numpy as np
import pytest
import tensorflow as tf

from cry_tf.data import load


@pytest.fixture
def data(write, tmp_path, rng):
    """Seven clips of different lengths, told apart by their level."""
    for i in range(7):
        wave = np.full(800 * (i + 1), 0.1 * (i + 1))
        write(f"{'ab'[i % 2]}/{i}.wav", wave, subtype="FLOAT")
    return load(tmp_path)


def _levels(pipeline):
    return [
        round(float(row[0]) * 10) - 1 for waves, _ in pipeline for row in waves.numpy()
    ]


def test_the_elements_are_padded_batches_in_order(data):
    pipeline = data.to_tf(batch_size=3, sample_rate_hz=16_000)
    assert pipeline.element_spec == (
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((None,), tf.int32),
    )
    assert int(pipeline.cardinality()) == 3
    batches = list(pipeline)
    assert [waves.shape[0] for waves, _ in batches] == [3, 3, 1]
    labels = np.concatenate([labels.numpy() for _, labels in batches])
    np.testing.assert_array_equal(labels, data.label_indices)
    rows = [row for waves, _ in batches for row in waves.numpy()]
    for row, (_, waveform) in zip(rows, data.waveforms(16_000), strict=True):
        np.testing.assert_array_equal(row[: len(waveform)], waveform)
        assert not row[len(waveform) :].any()


def test_shuffling_draws_a_new_order_each_epoch_and_repeats_with_the_seed(data):
    one, other = (
        data.to_tf(sample_rate_hz=16_000, shuffle=True, seed=5) for _ in range(2)
    )
    epochs = [_levels(one) for _ in range(3)]
    assert epochs == [_levels(other) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != _levels(data.to_tf(sample_rate_hz=16_000, shuffle=True, seed=6))


def test_the_order_stays_without_shuffling(data):
    in_order = [round(float(w[0]) * 10) - 1 for _, w in data.waveforms(16_000)]
    pipeline = data.to_tf(batch_size=2, sample_rate_hz=16_000)
    assert _levels(pipeline) == _levels(pipeline) == in_order


def test_clips_are_resampled_and_cut(data):
    (waves, _), *_ = data.to_tf(sample_rate_hz=8_000, max_seconds=0.2)
    assert waves.shape == (7, 1600)


def test_a_bad_file_ends_the_epoch_with_its_name(data):
    data.clips[3].path.write_bytes(b"broken")
    with pytest.raises(tf.errors.OpError, match=data.clips[3].path.name):
        list(data.to_tf(batch_size=2, sample_rate_hz=16_000))


def test_a_bad_file_is_skipped_and_listed_once(data):
    data.clips[3].path.write_bytes(b"broken")
    pipeline = data.to_tf(batch_size=2, sample_rate_hz=16_000, on_error="skip")
    for _ in range(2):
        assert sum(len(labels) for _, labels in pipeline) == 6
    assert [problem.clip for problem in data.problems] == [data.clips[3]]


def test_a_clip_of_zeros_stays_a_clip(write, tmp_path):
    write("a/1.wav", np.zeros(100))
    for on_error in ("raise", "skip"):
        ((waves, labels),) = load(tmp_path).to_tf(
            sample_rate_hz=16_000, on_error=on_error
        )
        assert waves.shape == (1, 100)
        assert labels.shape == (1,)


def test_keras_fits_on_it(data):
    import keras

    model = keras.Sequential(
        [
            keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=1, keepdims=True)),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(
        data.to_tf(batch_size=3, sample_rate_hz=16_000, shuffle=True),
        epochs=2,
        shuffle=False,  # Keras cannot, and warns where it is asked to
        verbose=0,
    )
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"sample_rate_hz": -1},
        {"max_seconds": -1},
        {"on_error": "x"},
    ],
)
def test_bad_arguments_are_refused(data, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        data.to_tf(**arguments)


def test_an_empty_dataset_is_refused(data):
    with pytest.raises(ValueError, match="at least one clip"):
        data.subset([]).to_tf()
