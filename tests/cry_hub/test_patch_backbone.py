import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub.fast_training.prepare import prepare_training
from cry_hub.patch_backbone import PatchBackbone
from cry_hub.patches import MergePatches
from cry_hub.yamnet.yamnet import YAMNet

pytestmark = pytest.mark.usefixtures("few_filters")

# 3 s hold 3 patches of VGGish and 6 of the others.
LENGTHS = (48_000, 35_000, 20_000, 9_000)


@pytest.fixture(params=("vggish_audioset", "yamnet_audioset", "ds_cnn_s"))
def backbone(request):
    keras.utils.set_random_seed(0)
    if request.param == "yamnet_audioset":  # with batch norm as a trained one has it
        return YAMNet()
    return cry_hub.load(request.param, weights=None)


@pytest.fixture
def clips(rng):
    batch = np.zeros((len(LENGTHS), max(LENGTHS)), np.float32)
    for row, length in zip(batch, LENGTHS, strict=True):
        row[:length] = rng.uniform(-0.3, 0.3, length)
    return batch


@pytest.fixture
def patches_seen(monkeypatch):
    """The numbers of patches that networks were given."""
    seen, call = [], MergePatches.call

    def spy(layer, inputs):
        images = call(layer, inputs)
        tf.py_function(lambda n: seen.append(int(n)), [tf.shape(images)[0]], [])
        return images

    monkeypatch.setattr(MergePatches, "call", spy)
    return seen


def step(backbone, clips):
    """Returns embeddings, gradients and weights of one step in training."""

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            embeddings = backbone(clips, training=True)
            mask = tf.cast(backbone.time_mask()(clips), tf.float32)[:, :, None]
            loss = tf.reduce_sum(tf.square(embeddings) * mask)
        return embeddings, tape.gradient(loss, backbone.trainable_variables)

    before = backbone.get_weights()
    embeddings, gradients = run()
    after = backbone.get_weights()
    backbone.set_weights(before)
    return embeddings.numpy(), [each.numpy() for each in gradients], after


def test_a_step_is_the_same_without_the_padding(backbone, clips):
    assert isinstance(backbone, PatchBackbone)
    mask = backbone.time_mask()(clips).numpy()
    assert 0 < mask.sum() < mask.size
    every, gradients, moved = step(backbone, clips)
    prepare_training(backbone, jit_compile=False)
    real, ours, moved_too = step(backbone, clips)
    np.testing.assert_allclose(real[mask], every[mask], rtol=1e-4, atol=1e-5)
    assert not real[~mask].any()
    assert every[~mask].any()
    # Batch norm over batch norm is sensitive: a waveform louder by a millionth moves
    # gradients by 0.2 %.
    largest = max(np.linalg.norm(each) for each in gradients)
    for one, other in zip(ours, gradients, strict=True):
        assert np.linalg.norm(one - other) <= 2e-2 * largest
    for one, other in zip(moved_too, moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_only_training_steps_leave_padding_out(backbone, clips, patches_seen):
    mask = backbone.time_mask()(clips).numpy()
    inference = backbone(clips).numpy()
    prepare_training(backbone, jit_compile=False)
    patches_seen.clear()
    step(backbone, clips)
    np.testing.assert_array_equal(backbone(clips), inference)
    assert patches_seen == [mask.sum(), mask.size]


def test_xla_computes_every_patch(backbone, clips, patches_seen):
    prepare_training(backbone, jit_compile=False)
    prepare_training(backbone, jit_compile=True)
    step(backbone, clips)
    mask = backbone.time_mask()(clips).numpy()
    assert patches_seen == [mask.size]


def test_padding_is_in_no_statistics_of_a_batch(clips):
    """Batch norm of YAMNet's that is trained has no mask of its own."""
    keras.utils.set_random_seed(0)
    backbone = YAMNet(freeze_batch_norm=False)
    prepare_training(backbone, jit_compile=False)
    _, _, moved = step(backbone, clips)
    twice = np.pad(clips, ((0, 0), (0, max(LENGTHS))))
    _, _, moved_too = step(backbone, twice)
    for one, other in zip(moved_too, moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_nothing_of_it_is_saved(backbone, clips, tmp_path):
    layers, weights = len(backbone.layers), len(backbone.weights)
    config = backbone.get_config()
    prepare_training(backbone, jit_compile=False)
    assert (len(backbone.layers), len(backbone.weights)) == (layers, weights)
    assert backbone.get_config() == config
    backbone.save(tmp_path / "backbone.keras")
    loaded = keras.models.load_model(tmp_path / "backbone.keras")
    np.testing.assert_array_equal(loaded(clips), backbone(clips))


def test_others_hear_of_training_and_change_nothing(clips):
    backbone = cry_hub.load("cnn10_audioset", weights=None)
    prepare_training(backbone, jit_compile=False)
    embeddings = backbone(clips, training=True).numpy()
    mask = backbone.time_mask()(clips).numpy()
    assert embeddings[~mask].any()
