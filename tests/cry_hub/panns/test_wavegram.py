"""The path from waveform to wavegram, on a network of few filters behind it.

The whole network is compared with the original in `test_resnet22_and_wavegram.py`;
here are lengths, padding, training and the cutoff, against NumPy.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from cry_hub.panns import wavegram
from cry_hub.panns.wavegram_logmel_cnn14 import WavegramLogmelCNN14
from cry_hub.time_mask import TimeMask

EPSILON = 1e-5
HOP = 320


class Narrow(WavegramLogmelCNN14):
    """The network with 8 to 12 filters, but for those that lead to the wavegram."""

    blocks = ((8, True), (8, True), (8, True), (8, True), (8, True), (12, False))


def narrowed(**arguments: Any) -> Any:
    keras.utils.set_random_seed(0)
    backbone = Narrow(**arguments)
    rng = np.random.default_rng(0)
    for variable in backbone.weights:
        if variable.name in ("beta", "moving_mean") and "/bn0/" not in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return backbone


@pytest.fixture(scope="module")
def narrow() -> Any:
    return narrowed()


@pytest.fixture(scope="module")
def path(narrow) -> Any:
    """From waveform to the wavegram before and after its block of bands."""
    ends = [narrow.get_layer(name).output for name in ("wavegram", "pre_block4_pool")]
    return keras.Model(narrow.input, [*ends, narrow.get_layer("wavegram_masks").output])


def reference(narrow: Any, waveform: np.ndarray) -> np.ndarray:
    """The wavegram `(frames, 32, 4)` as the original has it, without any padding."""

    def convolve(x, name, dilation=1, stride=1):
        kernel = np.asarray(narrow.get_layer(name).kernel, "float64")
        reach = len(kernel) // 2 * dilation
        x = np.pad(x, ((reach, reach), (0, 0)))
        taps = [
            x[i * dilation : len(x) - 2 * reach + i * dilation : stride] @ kernel[i]
            for i in range(len(kernel))
        ]
        return np.sum(taps, axis=0)

    def rectify(x, name):
        gamma, beta, mean, variance = narrow.get_layer(name).get_weights()
        x = (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta
        return np.maximum(x, 0)

    x = waveform.astype("float64")[:, None]
    x = rectify(convolve(x, "pre_conv0", stride=5), "pre_bn0")
    for block in (1, 2, 3):
        for conv, dilation in ((1, 1), (2, 2)):
            x = convolve(x, f"pre_block{block}_conv{conv}", dilation)
            x = rectify(x, f"pre_block{block}_bn{conv}")
        x = x[: len(x) // 4 * 4].reshape(-1, 4, x.shape[1]).max(axis=1)
    return x.reshape(-1, 4, 32).swapaxes(1, 2)


def noise(rng, samples: int) -> np.ndarray:
    clip = rng.normal(0, 0.1, samples).astype("float32")
    clip[-1] = 0.1
    return clip


# Hops of a clip and samples beyond: an even number of hops with any rest, or an odd
# one with at least 316 samples more.
ACCEPTED = [(31, 316), (31, 319), (32, 0), (32, 1), (32, 315), (33, 316), (34, 319)]


@pytest.mark.parametrize(("hops", "rest"), ACCEPTED)
def test_the_wavegram_is_that_of_the_original(hops, rest, narrow, path, rng):
    clip = noise(rng, hops * HOP + rest)
    expected = reference(narrow, clip)
    found, pooled, masks = path(clip[None])
    real = np.asarray(masks[-1])[0, :, 0]
    assert real.sum() == len(expected)
    assert len(expected) // 2 == (hops + 1) // 2 == pooled.shape[1]
    # float32 of sums of some hundred products
    np.testing.assert_allclose(found[0][real], expected, atol=2e-5)
    assert expected.std() > 0.1


# Of 1 frame, of fewer than 32, and an odd number of hops with a short rest.
@pytest.mark.parametrize(
    ("hops", "rest"), [(0, 1), (0, 319), (17, 5), (30, 40), (31, 0), (31, 315), (33, 7)]
)
def test_what_the_original_refuses_is_completed_with_silence(
    hops, rest, narrow, path, rng
):
    clip = noise(rng, hops * HOP + rest)
    hops = max(hops, 31)
    completed = np.pad(clip, (0, hops * HOP + 316 - len(clip)))
    expected = reference(narrow, completed)
    found, pooled, masks = path(clip[None])
    real = np.asarray(masks[-1])[0, :, 0]
    assert real.sum() == len(expected) == hops + 1
    assert pooled.shape[1] == (hops + 1) // 2
    np.testing.assert_allclose(found[0][real], expected, atol=2e-5)


def test_the_masks_count_what_pytorch_has_at_every_pool(rng):
    layer = wavegram.WavegramMasks(32)
    for samples in (1, 10_236, 10_239, 10_240, 10_245, 10_560, 10_876, 11_000, 12_000):
        batch = np.zeros((1, 13_000), "float32")
        batch[0, :samples] = 1.0
        frames = 1 + samples // HOP
        completed = max(samples, max(frames // 2 * 2, 32) * HOP - 4)
        counts = [-(-completed // 5)]
        for _ in range(3):
            counts.append(counts[-1] // 4)
        masks = layer(batch)
        assert [int(np.asarray(mask).sum()) for mask in masks] == counts
        for mask, count in zip(masks, counts, strict=True):
            assert np.asarray(mask).ravel()[:count].all()
        shapes = [tuple(each.shape) for each in layer.compute_output_spec(batch)]
        assert shapes == [tuple(mask.shape) for mask in masks]


def test_both_paths_have_the_same_pairs_of_frames_at_every_length(narrow):
    spec = narrow.front_end_spec
    masks, frames = wavegram.WavegramMasks(2), TimeMask(spec)
    batch = np.tri(1_300, 1_300, dtype="float32")  # 1 to 1300 samples
    wave = np.asarray(masks(batch)[-1])[:, :, 0].sum(axis=1)
    log_mel = np.asarray(frames(batch)).sum(axis=1)
    np.testing.assert_array_equal(wave // 2, np.maximum(log_mel, 2) // 2)


@pytest.mark.parametrize(
    "samples",
    [1, 4, 319, 5_000, 10_235, 10_236, 10_239, 10_240, 10_555, 10_556, 10_560]
    + [10_875, 10_876, 20_160, 20_475, 20_476, 20_479, 20_480, 31_000],
)
def test_padding_never_changes_a_real_step(samples, narrow, rng):
    clip = noise(rng, samples)
    alone = np.asarray(narrow(clip[None]))
    assert alone.shape == (1, max(1, (1 + samples // HOP) // 32), 12)
    together = np.zeros((2, 41_111), "float32")
    together[0, :samples] = clip
    together[1] = rng.normal(0, 0.1, together.shape[1])
    mask = np.asarray(narrow.time_mask()(together))
    assert mask.sum(axis=1).tolist() == [alone.shape[1], 4]
    scale = np.abs(alone).max()
    assert scale > 0.01
    # float32 in another order of summing
    np.testing.assert_allclose(
        narrow(together)[0][mask[0]] / scale, alone[0] / scale, atol=2e-5
    )


def test_padding_never_changes_what_a_training_step_learns(
    narrow, rng, check_training_ignores_padding
):
    batch = np.stack((noise(rng, 20_500), noise(rng, 20_500)))
    moves = 2 * (1 + 12 + 1 + 6 + 2)  # mean and variance
    check_training_ignores_padding(narrow, batch, moves)


def test_a_gradient_reaches_every_trainable_weight(narrow, check_gradients):
    check_gradients(narrow)


def test_nothing_above_the_cutoff_is_heard_by_either_path(rng):
    """A tone 500 Hz above it moves the embeddings and the wavegram without it."""
    everything, backbone = narrowed(), narrowed(cutoff_hz=4_000.0)
    backbone.set_weights(everything.get_weights())
    low = (0.05 * np.sin(2 * np.pi * 700 * np.arange(30_000) / 32_000))[None]
    high = 0.2 * np.sin(2 * np.pi * 4_500 * np.arange(30_000) / 32_000)
    low, both = low.astype("float32"), (low + high).astype("float32")
    for name in ("embeddings", "wavegram"):
        heard, leaked = (
            np.abs(model(both) - model(low)).max()
            for model in (
                keras.Model(each.input, each.get_layer(name).output)
                for each in (everything, backbone)
            )
        )
        print(f"{name}: heard {heard:.3f}, leaked {leaked:.4f}")
        assert leaked < 0.1 * heard


def test_padding_is_padding_with_a_cutoff_too(rng):
    backbone = narrowed(cutoff_hz=3_000.0)
    clip = noise(rng, 10_600)
    padded = np.pad(clip[None], ((0, 0), (0, 7_777)))
    alone = np.asarray(backbone(clip[None]))
    found = np.asarray(backbone(padded))[:, :1]
    np.testing.assert_allclose(found, alone, atol=2e-5 * np.abs(alone).max())


def test_the_cutoff_is_saved_and_one_above_all_sound_filters_nothing(tmp_path):
    keras.saving.register_keras_serializable("cry_tf_tests", "NarrowWavegram")(Narrow)
    backbone = narrowed(cutoff_hz=3_000.0)
    backbone.save(tmp_path / "backbone.keras")
    again = keras.saving.load_model(tmp_path / "backbone.keras")
    assert again.get_layer("frontend_low_pass").cutoff_hz == 3_000
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, 12_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), backbone(waveform))
    layers = [layer.name for layer in narrowed(cutoff_hz=16_000.0).layers]
    assert "frontend_low_pass" not in layers


def test_tflite_filters_alike_and_holds_no_number_for_each_sample(rng, tmp_path):
    backbone = narrowed(cutoff_hz=4_000.0)
    path = keras.Model(backbone.input, backbone.get_layer("pre_block4_pool").output)
    signature = [tf.TensorSpec((1, 320_000), tf.float32, name="waveform")]
    path.export(tmp_path, "tf_saved_model", verbose=False, input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    content = converter.convert()
    # Measured: 46 kB beside the weights, some numbers for each of the 1001 frames.
    # One byte for each of the 64,064 steps would be seen.
    assert len(content) < 4 * path.count_params() + 60_000

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    waveform = np.zeros((1, 320_000), "float32")
    waveform[0, :27_777] = noise(rng, 27_777)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], waveform)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = np.asarray(path(waveform))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    print(f"{len(content) - 4 * path.count_params()} bytes beside the weights")
