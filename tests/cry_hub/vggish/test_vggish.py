"""Our VGGish beside the reference: front end, convolutions, embedding, TFLite.

`tests/golden/VGGish.npz` is what torchvggish without its extra last ReLU computed
with random weights that anyone can draw again (`recipe_tensor`), so that no weight
file is needed.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import cry_hub
from cry_hub import formats, porting
from cry_hub.vggish.porting import slim_layout
from cry_lite.front_ends import VGGISH
from cry_lite.log_mel import patches as numpy_patches

GOLDEN = Path(__file__).parents[2] / "golden"
PRESET = "vggish_audioset"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "VGGish.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def recipe_tensor(name: str, shape: list[int], seed: int) -> np.ndarray:
    noise = np.random.default_rng([seed, zlib.crc32(name.encode())])
    tensor = noise.standard_normal(shape)
    tensor *= 0.1 if name.endswith("biases") else np.sqrt(2 / np.prod(shape[:-1]))
    return tensor.astype("float32")


@pytest.fixture(scope="module")
def tensors(golden) -> dict[str, np.ndarray]:
    """All 72 million weights by the names of Google's checkpoint."""
    shapes = json.loads((GOLDEN / "vggish_variable_shapes.json").read_text("utf-8"))
    seed = int(golden["seed"])
    return {name: recipe_tensor(name, shape, seed) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def waveform(golden) -> np.ndarray:
    """The clip of the golden outputs, `(1, 32000)`."""
    rate_hz, seconds = int(golden["sample_rate_hz"]), float(golden["seconds"])
    noise = np.random.default_rng([int(golden["seed"]), round(seconds * 1000), rate_hz])
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    turn = 2 * np.pi * time_s
    phase = 2 * np.pi * np.cumsum(
        430 + 60 * np.sin(0.9 * turn) + 20 * np.sin(5 * turn)
    ) / rate_hz  # fmt: skip
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    tone *= 0.2 * np.clip(np.sin(0.8 * turn), 0, None)
    tone += 0.01 * noise.standard_normal(len(time_s))
    return tone.astype("float32")[None]


@pytest.fixture(scope="module")
def model(tensors):
    return cry_hub.port_weights(PRESET, tensors)


def inside(model, layer: str, waveform: np.ndarray) -> np.ndarray:
    output = model.get_layer(layer).output
    return np.asarray(keras.Model(model.input, output)(waveform))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_the_network_is_the_table_of_the_source(model, tensors):
    assert model.name == "vggish"
    assert model.embedding_features == 128
    assert model.count_params() == sum(each.size for each in tensors.values())
    assert model.count_params() == 72_141_184


def test_every_source_tensor_has_one_place(model, tensors):
    layout = slim_layout(model)
    assert layout.targets.keys() == tensors.keys()
    variables = [id(target.variable) for target in layout.targets.values()]
    assert sorted(variables) == sorted(id(each) for each in model.weights)


def test_the_front_end_is_that_of_the_reference(model, waveform, golden):
    patches = inside(model, "frontend", waveform)
    # Measured: 8e-6 nat
    np.testing.assert_allclose(patches[0], golden["log_mel_patches"], atol=1e-3)


def test_the_convolutions_are_those_of_the_reference(model, waveform, golden):
    found = inside(model, "pool4", waveform).mean(axis=(1, 2))
    # Measured: 4e-7
    assert relative_error(found, golden["features_mean_over_space"]) < 1e-4


def test_the_embedding_is_that_of_the_reference(model, waveform, golden):
    embeddings = np.asarray(model(waveform))
    assert embeddings.shape == (1, 2, 128)
    # Measured: 1.6e-6
    assert relative_error(embeddings[0], golden["embedding"]) < 1e-4
    assert (embeddings < 0).mean() > 0.3  # no ReLU behind the last layer


# Each keeps the shape of its tensor: only the values can tell.
SWAPS = {
    "conv2": lambda kernel: kernel.transpose(1, 0, 2, 3),
    "conv3_2": lambda kernel: kernel.transpose(0, 1, 3, 2),
    # The order in which a network with channels first flattens.
    "fc1_1": lambda kernel: (
        kernel.reshape(6, 4, 512, 4096).transpose(2, 0, 1, 3).reshape(12_288, 4096)
    ),
    "fc1_2": lambda kernel: kernel.T,
}


@pytest.mark.parametrize("layer", SWAPS)
def test_a_swapped_transpose_is_seen(model, waveform, golden, layer):
    kernel = model.get_layer(layer).kernel
    right = np.asarray(kernel)
    kernel.assign(SWAPS[layer](right))
    try:
        swapped = relative_error(np.asarray(model(waveform))[0], golden["embedding"])
        features = inside(model, "pool4", waveform).mean(axis=(1, 2))
    finally:
        kernel.assign(right)
    # Measured: 0.23, 0.59, 0.85, 1.12; the features 0.09 and 0.61, or 3e-7
    assert swapped > 0.1
    in_features = relative_error(features, golden["features_mean_over_space"])
    assert (in_features > 0.01) == layer.startswith("conv")


def test_pre_emphasis_and_z_score_come_before_the_same_network(waveform):
    model = cry_hub.VGGish(pre_emphasis=0.97, z_score=True)
    spec = VGGISH.replace(pre_emphasis=0.97, z_score=True)
    assert model.front_end_spec == spec
    assert model.count_params() == 72_141_184
    config = model.get_config()
    assert (config["pre_emphasis"], config["z_score"]) == (0.97, True)
    heard = inside(model, "frontend", waveform)[0]
    np.testing.assert_allclose(heard, numpy_patches(waveform[0], spec), atol=1e-4)


def refused(model, tensors) -> str:
    layouts = porting.layouts_of(PRESET, model)
    with pytest.raises(cry_hub.WeightsError) as error:
        porting.port_tensors(layouts, tensors, "here")
    return str(error.value)


def test_a_missing_tensor_is_named(model, tensors):
    rest = {name: each for name, each in tensors.items() if "fc1_2/b" not in name}
    assert "vggish/fc1/fc1_2/biases (4096,) is missing" in refused(model, rest)


def test_an_unused_tensor_is_named(model, tensors):
    more = {**tensors, "vggish/fc3/weights": np.zeros((128, 2), "float32")}
    assert "vggish/fc3/weights (128, 2) has no place" in refused(model, more)


def test_a_misshaped_tensor_is_named(model, tensors):
    # As PyTorch has it: out, in, kh, kw.
    name = "vggish/conv1/weights"
    wrong = {**tensors, name: tensors[name].transpose(3, 2, 0, 1)}
    message = refused(model, wrong)
    assert f"{name} is (64, 1, 3, 3), not (3, 3, 1, 64)" in message


def test_an_npz_under_the_names_of_the_checkpoint_is_loaded(
    model, tensors, waveform, tmp_path
):
    path = tmp_path / "vggish.npz"
    np.savez(path, **tensors)
    try:
        again = cry_hub.load(PRESET, weights=path)
    finally:
        path.unlink()  # 290 MB
    np.testing.assert_array_equal(again(waveform), model(waveform))
    assert again.weights_source == "vggish.npz (not a known file; every tensor fits)"


@pytest.mark.slow  # 290 MB; vggish/test_porting.py has it with few channels
def test_the_checkpoint_of_tensorflow_1_is_ported(model, tensors, tmp_path):
    path = tmp_path / "vggish_model.ckpt"
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        # Fed, not held by the graph, which takes 2 GB at most.
        for name, array in tensors.items():
            value = tf1.placeholder(tf.float32, array.shape)
            variable = tf1.get_variable(name, initializer=value, use_resource=False)
            session.run(variable.initializer, {value: array})
        saver = tf1.train.Saver(write_version=tf1.train.SaverDef.V1)
        saver.save(session, str(path), write_meta_graph=False)
    try:
        found = formats.read(path).tensors()
    finally:
        path.unlink()
    again = cry_hub.port_weights(PRESET, found)
    for one, other in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_tail_that_fills_no_patch_is_left_out(model, waveform):
    for samples, patches in ((1, 1), (15_600, 1), (30_959, 1), (30_960, 2)):
        assert model(waveform[:, :samples]).shape == (1, patches, 128)


def test_padding_never_changes_an_embedding(model, waveform):
    # 32000 samples are 2 patches; the padding adds 2 that are not real.
    longer = np.pad(waveform, ((0, 1), (0, 30_000)))
    longer[1, :17_000] = waveform[0, :17_000]
    mask = np.asarray(model.time_mask()(longer))
    np.testing.assert_array_equal(mask, [[1, 1, 0, 0], [1, 0, 0, 0]])
    embeddings = np.asarray(model(longer))
    # float32 in another order of summing
    both, short = model(waveform)[0], model(waveform[:, :17_000])[0]
    assert relative_error(embeddings[0, :2], both) < 1e-5
    assert relative_error(embeddings[1, :1], short) < 1e-5


@pytest.mark.slow  # 290 MB; test_backbones.py has it with random weights
def test_tflite_says_what_the_reference_says(model, waveform, golden, tmp_path):
    signature = [tf.TensorSpec((1, None), tf.float32, name="waveform")]
    model.export(
        tmp_path / "saved", "tf_saved_model", verbose=False, input_signature=signature
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert(), num_threads=2)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, waveform.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, waveform)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    # Measured: 2.6e-6
    assert relative_error(found[0], golden["embedding"]) < 1e-4
