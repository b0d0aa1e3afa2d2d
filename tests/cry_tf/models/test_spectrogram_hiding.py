import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_tf.layers import SpecAugment
from cry_tf.models import CryClassifier, with_spec_augment
from cry_tf.models.spectrogram_hiding import spec_augment_of

# Patches without overlap, patches that overlap, frames into batch norm, frames.
BACKBONES = ("ds_cnn_s", "yamnet_audioset", "cnn10_audioset", "mn04_audioset")


def layer(**arguments):
    return SpecAugment(2, 40, 0.5, 2, 12, seed=3, **arguments)


@pytest.fixture
def clips(rng):
    """Three clips at 16 or 32 kHz, of which the second ends in padding."""
    values = rng.normal(0, 0.1, (3, 60_000)).astype("float32")
    values[1, 40_000:] = 0
    return values


@pytest.fixture(scope="module", params=BACKBONES)
def backbone(request):
    return cry_hub.load(request.param, weights=None)


def heard(backbone, clips, training):
    """What the front end gives to the next layer."""
    front_end = backbone.get_layer("frontend")
    model = keras.Model(backbone.input, front_end.output)
    return np.asarray(model(clips, training=training))


def test_parts_are_hidden_in_training_alone(backbone, clips):
    plain = heard(with_spec_augment(backbone, None), clips, False)
    embeddings = np.asarray(backbone(clips, training=False))
    names = [weight.path for weight in backbone.variables]
    assert with_spec_augment(backbone, layer()) is backbone
    np.testing.assert_array_equal(heard(backbone, clips, False), plain)
    np.testing.assert_array_equal(backbone(clips, training=False), embeddings)
    assert [weight.path for weight in backbone.variables] == names
    hidden = heard(backbone, clips, True) != plain
    assert 0.05 < hidden.mean() < 0.9
    assert np.any(backbone(clips, training=True) != embeddings)
    with_spec_augment(backbone, None)
    np.testing.assert_array_equal(heard(backbone, clips, True), plain)


def test_it_hides_what_the_layer_would_and_no_padding(backbone, clips):
    with_spec_augment(backbone, layer())
    hop = backbone.front_end_spec.patch_hop_frames or None
    assert spec_augment_of(backbone).patch_hop_frames == hop
    plain, hidden = heard(backbone, clips, False), heard(backbone, clips, True)
    mask = np.asarray(cry_hub.TimeMask(backbone.front_end_spec)(clips))
    assert not mask[1].all()
    same = layer(patch_hop_frames=hop)
    expected = same(plain, mask=tf.constant(mask), training=True)
    np.testing.assert_allclose(hidden, expected, atol=1e-4)  # sums in another order
    np.testing.assert_array_equal(hidden[~mask], plain[~mask])
    with_spec_augment(backbone, None)


@pytest.mark.filterwarnings("error:.*mask attached")
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_model_trains_with_it_and_saves_without(policy, clips, tmp_path):
    keras.utils.set_random_seed(0)
    backbone = cry_hub.ds_cnn.ds_cnn.DSCNN(dtype=policy)
    with_spec_augment(backbone, layer())
    model = CryClassifier(backbone, ["hungry", "tired"])
    model.compile("sgd", "sparse_categorical_crossentropy")
    draws = spec_augment_of(backbone).variables
    before = [variable.numpy() for variable in draws]
    history = model.fit(clips, np.array([0, 1, 0]), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any(np.any(a != b.numpy()) for a, b in zip(before, draws, strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert spec_augment_of(again.backbone) is None
    np.testing.assert_array_equal(
        again(clips, training=False), model(clips, training=False)
    )
    with_spec_augment(backbone, None)
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_tflite_is_the_same(tmp_path, clips):
    import cry_tf

    backbone = cry_hub.load("ds_cnn_s", weights=None)
    model = CryClassifier(backbone, ["hungry", "tired"])
    written = []
    for number, hides in enumerate((None, layer())):
        with_spec_augment(backbone, hides)
        path = tmp_path / f"{number}.tflite"
        cry_tf.export(model, path, quantize="none", check=list(clips))
        written.append(operations(path))
    assert written[0] == written[1]


def operations(path):
    """Names of the operations of a file, and shapes and values of its tensors."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    names = [each["op_name"] for each in interpreter._get_ops_details()]
    tensors = [
        (tuple(each["shape"]), each["dtype"].__name__)
        for each in interpreter.get_tensor_details()
    ]
    return names, tensors


def test_a_program_without_our_front_end_is_refused(toy_backbone):
    inputs = keras.Input((None,))
    bare = cry_hub.Backbone(
        inputs,
        keras.layers.Reshape((1, 1))(keras.layers.Lambda(lambda x: x[:, :1])(inputs)),
        front_end_spec=toy_backbone.front_end_spec,
    )
    with pytest.raises(ValueError, match="native preset"):
        with_spec_augment(bare, layer())


def test_the_distance_of_other_patches_is_refused():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    hop = backbone.front_end_spec.patch_hop_frames
    with_spec_augment(backbone, layer(patch_hop_frames=hop))
    with pytest.raises(ValueError, match=f"{hop}, or None. Received"):
        with_spec_augment(backbone, layer(patch_hop_frames=hop + 1))
