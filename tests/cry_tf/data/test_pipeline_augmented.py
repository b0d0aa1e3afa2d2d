import numpy as np
import pytest
import tensorflow as tf

from cry_tf.augment import AddNoise, Gain, Policy, TimeStretch
from cry_tf.data import load

LOUDER = Policy("louder", ((Gain(-20, 20), 1.0),))


@pytest.fixture
def data(write, tmp_path):
    """Seven clips of different lengths, by which they are told apart."""
    for i in range(7):
        write(
            f"set/{'ab'[i % 2]}/{i}.wav", np.full(800 * (i + 1), 0.1), subtype="FLOAT"
        )
    return load(tmp_path / "set")


def levels(pipeline):
    """Returns {clip: level}, from the first sample and the number of real ones."""
    found = {}
    for waves, _ in pipeline:
        for row in waves.numpy():
            found[int(np.count_nonzero(row)) // 800] = float(row[0])
    return found


def test_each_clip_is_drawn_anew_in_each_epoch_and_repeats_with_the_seed(data):
    def epochs(seed, **arguments):
        pipeline = data.to_tf(2, 16_000, True, seed, augment=LOUDER, **arguments)
        return [levels(pipeline) for _ in range(3)]

    one = epochs(0)
    assert one == epochs(0)
    assert one != epochs(1)
    drawn = [level for epoch in one for level in epoch.values()]
    assert len(set(drawn)) == len(drawn) == 21


def test_a_clip_is_drawn_alike_whatever_the_batches_and_threads(data, monkeypatch):
    def first_epoch(batch_size):
        return levels(data.to_tf(batch_size, 16_000, True, 3, augment=LOUDER))

    expected = first_epoch(1)
    monkeypatch.setattr("cry_tf.data.pipeline.decoding_threads", lambda: 5)
    assert first_epoch(7) == expected


def test_the_policy_gets_the_waveform_and_its_rate(data, monkeypatch):
    seen = []

    def policy(waveform, sample_rate_hz, rng):
        seen.append((len(waveform), sample_rate_hz, waveform.dtype))
        return -waveform

    (waves, labels), *rest = data.to_tf(
        7, sample_rate_hz=16_000, shuffle=True, augment=policy
    )
    assert not rest
    assert waves.numpy().min() < 0
    assert waves.numpy().max() == 0
    assert sorted(seen) == [(800 * (i + 1), 16_000, np.dtype("f4")) for i in range(7)]
    assert sorted(labels.numpy()) == sorted(data.label_indices)


def test_shapes_and_the_number_of_batches_are_those_without(data):
    plain = data.to_tf(batch_size=3, sample_rate_hz=16_000, shuffle=True)
    augmented = data.to_tf(batch_size=3, sample_rate_hz=16_000, augment=LOUDER)
    assert augmented.element_spec == plain.element_spec
    assert int(augmented.cardinality()) == int(plain.cardinality()) == 3
    assert sum(len(labels) for _, labels in augmented) == 7


def test_what_is_stretched_beyond_the_length_asked_is_cut_again(data):
    slower = Policy("slower", ((TimeStretch(0.8, 0.8), 1.0),))
    for max_seconds, longest in ((None, 7000), (0.2, 3200)):
        pipeline = data.to_tf(7, 16_000, augment=slower, max_seconds=max_seconds)
        ((waves, _),) = pipeline
        assert waves.shape[1] == longest


def test_judging_batches_are_never_augmented(data):
    for arguments in ({"shuffle": False}, {"shuffle": True, "seed": -1}):
        with pytest.raises(ValueError, match="shuffle=True and a seed"):
            data.to_tf(augment=LOUDER, **arguments)


def test_a_bad_clip_is_skipped_but_a_bad_noise_ends_the_epoch(data, write, tmp_path):
    noise = write("noise/hum.wav")
    noisy = Policy("noisy", ((AddNoise(tmp_path / "noise"), 1.0),))
    data.clips[3].path.write_bytes(b"broken")
    pipeline = data.to_tf(2, 16_000, on_error="skip", augment=noisy)
    assert sum(len(labels) for _, labels in pipeline) == 6
    assert [problem.clip for problem in data.problems] == [data.clips[3]]
    noise.write_bytes(b"broken")
    with pytest.raises(tf.errors.OpError, match=r"hum\.wav"):
        list(pipeline)
    assert len(data.problems) == 1


def test_keras_fits_on_it(data):
    import keras

    model = keras.Sequential(
        [
            keras.layers.Lambda(lambda x: keras.ops.mean(x, axis=1, keepdims=True)),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    pipeline = data.to_tf(batch_size=3, sample_rate_hz=16_000, augment=LOUDER)
    history = model.fit(pipeline, epochs=3, verbose=0, shuffle=False)
    assert len(set(history.history["loss"])) == 3
