import keras
import numpy as np
import pytest

from cry_hub.patches import MeanOverPatches
from cry_tf import Distiller
from cry_tf.distillation import FeatureMatching
from cry_tf.distillation.resampling import Resampler
from cry_tf.distillation.tap import Tap

LABELS = np.array([0, 2, -1, 1, 1, -1, 0, 2])
HOT = np.array(
    [[0, 1, 1], [-1, -1, -1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]]
    + 2 * [[0] * 3]
)


@pytest.mark.parametrize("ending", ["layer", "linear", "scores"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_logits_are_found_however_a_network_ends(
    make_network, vectors, activation, ending, reference, logits_of, eager
):
    named = make_network(activation=activation)
    teacher = named
    if ending == "linear":
        teacher = keras.Model(named.input, named.get_layer("logits").output)
    if ending == "scores":
        teacher = keras.Sequential([keras.Input((5,)), named])
    student = make_network(seed=5, activation=activation)
    found = eager(Distiller(teacher, student, 4.0, 0.0)).test_on_batch(vectors, None)
    expected = reference(
        *(HOT if activation == "sigmoid" else LABELS,),
        *(logits_of(named, vectors)[None], logits_of(student, vectors), 4.0, 0.0),
        activation,
    )
    # Scores of float32 taken back to logits lose some digits.
    np.testing.assert_allclose(found[0], expected.mean(), rtol=1e-4)


@pytest.mark.parametrize("loss", ["mse", "cosine"])
def test_features_come_close_through_a_projection(
    make_network, vectors, loss, logits_of, eager
):
    teacher, student = make_network(9), make_network()
    matching = FeatureMatching(
        loss=loss, weight=2.0, teacher_layer="embedding", student_layer="embedding"
    )
    distiller = eager(Distiller(teacher, student, features=matching))
    without = eager(Distiller(teacher, student)).test_on_batch(vectors, LABELS)[0]
    wanted, own = (
        keras.Model(model.input, model.get_layer("embedding").output)(vectors).numpy()
        for model in (teacher, student)
    )
    projected = own @ distiller.projection.kernel.numpy()
    near = ((wanted - projected) ** 2).mean()
    if loss == "cosine":
        lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(projected, axis=1)
        near = (1 - (wanted * projected).sum(axis=1) / lengths).mean()
    found = distiller.test_on_batch(vectors, LABELS, return_dict=True)
    np.testing.assert_allclose(found["feature_loss"], near, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], without + 2 * near, rtol=1e-5)
    cached = {
        "waveform": vectors,
        "teacher_logits": logits_of(teacher, vectors),
        "teacher_features": wanted,
    }
    alone = Distiller(
        None,
        student,
        features=FeatureMatching(
            loss=loss, weight=2.0, teacher_features=9, student_layer="embedding"
        ),
    )
    alone.projection.set_weights(distiller.projection.get_weights())
    np.testing.assert_allclose(
        eager(alone).test_on_batch(cached, LABELS)[0], found["loss"], rtol=1e-5
    )


@pytest.mark.parametrize("has_mask", [True, False])
def test_the_pooled_embedding_of_a_tagger_leaves_padding_out(
    make_classifier, rng, has_mask
):
    """Networks with a head of their own, as those of AudioSet, have no `pooling`."""
    ear = make_classifier().backbone
    waveform = keras.Input((None,))
    mask = ear.time_mask()(waveform) if has_mask else None
    mean = MeanOverPatches()(ear(waveform), mask=mask)
    tagger = keras.Model(waveform, keras.layers.Dense(3, name="logits")(mean))
    x = rng.normal(size=(2, 1_500)).astype(np.float32)
    x[1, 600:] = 0
    tap = Tap(tagger, "teacher", with_features=True)
    assert (tap.labels, tap.features, tap.activation) == (3, 6, None)
    ends = tap(x, training=False)
    for row, samples in enumerate((1_500, 600)):
        expected = ear(x[row : row + 1, :samples]).numpy().mean(axis=1)[0]
        np.testing.assert_allclose(
            ends["features"][row], expected, rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(ends["logits"], tagger(x), rtol=1e-5, atol=1e-6)


def test_a_teacher_of_another_rate_hears_the_same_sound(
    make_classifier, rng, reference, logits_of, eager
):
    teacher = make_classifier(2, rate_hz=16_000, units=5)
    student = make_classifier(1)
    x = rng.normal(size=(4, 1_500)).astype(np.float32) * 0.1
    x[1, 700:] = 0
    y = np.array([0, 1, 2, -1])
    distiller = eager(Distiller(teacher, student, 2.0, 0.0))
    found = distiller.test_on_batch(x, y)[0]
    heard = np.asarray(Resampler(8_000, 16_000)(x))
    assert heard.shape == (4, 3_000)
    own = logits_of(student, x)
    expected = reference(y, logits_of(teacher, heard)[None], own, 2.0, 0.0).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Its own waveform, where the data bring one, is heard as it is.
    other = rng.normal(size=(4, 2_900)).astype(np.float32)
    found = distiller.test_on_batch({"waveform": x, "teacher_waveform": other}, y)[0]
    expected = reference(y, logits_of(teacher, other)[None], own, 2.0, 0.0).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_padding_changes_nothing_for_a_teacher_of_another_rate(
    make_classifier, rng, eager
):
    distiller = Distiller(
        make_classifier(2, rate_hz=16_000), make_classifier(1), features=True
    )
    eager(distiller)
    x = rng.normal(size=(2, 1_000)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 777)))
    for one, other in zip(
        distiller.test_on_batch(x, np.array([0, 1])),
        distiller.test_on_batch(padded, np.array([0, 1])),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
