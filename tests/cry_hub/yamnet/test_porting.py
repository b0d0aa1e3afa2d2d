"""Google's own YAMNet, batch norm and all, as .h5 and as SavedModel."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub import formats, registry
from cry_hub.yamnet.porting import folded_layout, keras_layout, variable_name

PRESET = "yamnet_audioset"
EPSILON = 1e-4  # params.py of the source


def unfold(folded, rng) -> dict[str, np.ndarray]:
    """The variables of a YAMNet whose batch norm folds into these tensors.

    Named as in the source; the moving statistics are invented.
    """
    variables = {name: folded[name] for name in ("dense/kernel", "dense/bias")}
    for name, kernel in folded.items():
        layer, _, kind = name.rpartition("/")
        if kind != "kernel" or layer == "dense":
            continue
        bias = folded[f"{layer}/bias"]
        mean = rng.normal(0, 2, bias.shape).astype("float32")
        variance = rng.uniform(0.2, 5, bias.shape).astype("float32")
        deviation = np.sqrt(variance + EPSILON)
        is_depthwise = layer.endswith("depthwise_conv")
        if is_depthwise:  # kh, kw, channels, 1
            variables[f"{layer}/depthwise_kernel"] = kernel * deviation[:, None]
        else:  # kh, kw, in, out
            variables[f"{layer}/kernel"] = kernel * deviation
        variables[f"{layer}/bn/beta"] = bias + mean / deviation
        variables[f"{layer}/bn/moving_mean"] = mean
        variables[f"{layer}/bn/moving_variance"] = variance
    return variables


def fold(tensors, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The kernel and bias of one layer, from variables as in the source."""
    scale = 1 / np.sqrt(tensors[f"{layer}/bn/moving_variance"] + EPSILON)
    bias = tensors[f"{layer}/bn/beta"] - tensors[f"{layer}/bn/moving_mean"] * scale
    if layer.endswith("depthwise_conv"):
        return tensors[f"{layer}/depthwise_kernel"] * scale[:, None], bias
    return tensors[f"{layer}/kernel"] * scale, bias


@pytest.fixture(scope="module")
def folded() -> dict[str, np.ndarray]:
    """Random tensors of a folded YAMNet, of the size that keeps a signal alive."""
    rng = np.random.default_rng(0)
    layout = folded_layout(registry.get(PRESET).build("audioset"))
    return {
        name: rng.normal(
            0, 0.1 if len(shape) == 1 else np.sqrt(2 / fan_in(name, shape)), shape
        ).astype("float32")
        for name, shape in ((n, t.shape) for n, t in layout.targets.items())
    }


def fan_in(name: str, shape: tuple[int, ...]) -> int:
    return 9 if "depthwise" in name else int(np.prod(shape[:-1]))


@pytest.fixture(scope="module")
def variables(folded) -> dict[str, np.ndarray]:
    return unfold(folded, np.random.default_rng(1))


@pytest.fixture(scope="module")
def waveform() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.normal(0, 0.1, (2, 24_000)).astype("float32")


@pytest.fixture(scope="module")
def expected(folded, waveform) -> np.ndarray:
    """Logits of the network whose batch norm is folded."""
    return np.asarray(cry_hub.port_weights(PRESET, folded, "audioset")(waveform))


def relative_error(found, expected) -> float:
    found = np.asarray(found)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def layer_of(name: str) -> str:
    return name.rpartition("/")[0]


def numbered(name: str) -> str:
    return name.replace("dense/", "dense_3/")


# How files write the name of a variable, and what else they hold.
PATHS = {
    "variables": str,
    "save_weights of Keras 2": lambda name: f"{layer_of(name)}/{name}:0",
    "save of Keras 2": lambda name: f"model_weights/model_2/{numbered(name)}:0",
    "numbered": lambda name: f"{layer_of(numbered(name))}/{numbered(name)}:0",
    "logits": lambda name: name.replace("dense/", "logits/"),
}


@pytest.mark.parametrize("kind", PATHS)
def test_every_path_leads_to_the_name_of_the_variable(variables, kind):
    for name in variables:
        assert variable_name(PATHS[kind](name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "layer1/conv/bn/gamma",  # there is none in YAMNet
        "layer1/conv/kernel/m",
        "my_dense/kernel",
        "dense_a/kernel",
        "optimizer_weights/Adam/layer1/conv/kernel",
        "layers/dense/vars/0",
    ],
)
def test_the_name_of_something_else_stays_as_it_is(name):
    assert variable_name(name) == name


@pytest.mark.parametrize("kind", PATHS)
def test_an_h5_is_the_network_whose_batch_norm_is_folded(
    variables, waveform, expected, tmp_path, kind
):
    path = tmp_path / "yamnet.h5"
    with h5py.File(path, "w") as file:
        for name, array in variables.items():
            file[PATHS[kind](name)] = array
        if kind == "save of Keras 2":
            file["optimizer_weights/Adam/iter:0"] = np.int64(9)
            kernel = variables["layer1/conv/kernel"]
            file["optimizer_weights/Adam/layer1/conv/kernel/m:0"] = kernel
    model = cry_hub.port_weights(PRESET, formats.read(path).tensors(), "audioset")
    # float32 roundings of the unfolding, as in the real network: 3e-6
    assert relative_error(model(waveform), expected) < 1e-4


def test_keras_2_names_its_weights_so(tmp_path):
    # Its files are read, its package is not needed otherwise.
    keras_2 = pytest.importorskip("tf_keras", reason="needs tf_keras, which is Keras 2")
    layers = keras_2.layers
    x = inputs = keras_2.Input((8, 4, 1))
    x = layers.Conv2D(2, 3, use_bias=False, name="layer1/conv")(x)
    x = layers.BatchNormalization(scale=False, name="layer1/conv/bn")(x)
    x = layers.DepthwiseConv2D(1, use_bias=False, name="layer2/depthwise_conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras_2.Model(inputs, layers.Dense(3)(x))
    model.compile("adam", "mse")
    model.fit(np.ones((1, 8, 4, 1)), np.ones((1, 3)), verbose=0)
    model.save_weights(tmp_path / "weights.h5")
    with pytest.warns(UserWarning, match="legacy"):
        model.save(tmp_path / "model.h5")
    expected = {
        "layer1/conv/kernel",
        "layer1/conv/bn/beta",
        "layer1/conv/bn/moving_mean",
        "layer1/conv/bn/moving_variance",
        "layer2/depthwise_conv/depthwise_kernel",
        "dense/kernel",
        "dense/bias",
    }
    for name in ("weights.h5", "model.h5"):
        found = {variable_name(n) for n in formats.read(tmp_path / name).tensors()}
        others = found - expected
        assert expected <= found
        assert all(other.startswith("optimizer_weights/") for other in others)
        assert bool(others) == (name == "model.h5")


class HubYAMNet(tf.Module):
    """The signature and the variables of YAMNet on TensorFlow Hub."""

    def __init__(self, variables):
        super().__init__()
        self.weights = [tf.Variable(each, name=n) for n, each in variables.items()]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        patches = tf.signal.frame(waveform, 15_600, 7_680)[:, :64]
        embeddings = tf.repeat(patches, 16, axis=1)
        return {
            "predictions": tf.sigmoid(embeddings[:, :521]),
            "embeddings": embeddings,
            "log_mel": patches + tf.add_n([tf.reduce_sum(w) for w in self.weights]),
        }


def test_the_saved_model_of_the_hub_is_the_same_network(
    variables, waveform, expected, tmp_path
):
    tf.saved_model.save(HubYAMNet(variables), str(tmp_path / "yamnet_1"))
    tensors = formats.read(tmp_path / "yamnet_1").tensors()
    assert set(tensors) == set(variables)
    model = cry_hub.port_weights(PRESET, tensors, "audioset")
    assert relative_error(model(waveform), expected) < 1e-4
    backbone = cry_hub.port_weights(PRESET, tensors)
    inner = model.get_layer("yamnet")
    np.testing.assert_array_equal(backbone(waveform), inner(waveform))


def test_every_variable_of_the_model_has_one_source(variables):
    model = registry.get(PRESET).build("audioset")
    layout = keras_layout(model)
    assert layout.targets.keys() == variables.keys()
    targets = [id(target.variable) for target in layout.targets.values()]
    assert sorted(targets) == sorted(id(each) for each in model.weights)


# Each keeps the shape of its tensors: only the values can tell.
SWAPS = {
    "mean and offset": ("layer3/pointwise_conv/bn/beta", "bn/beta", "bn/moving_mean"),
    "mean and variance": (
        "layer1/conv/bn/moving_mean",
        "bn/moving_mean",
        "bn/moving_variance",
    ),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swapped_statistic_is_seen(variables, waveform, expected, swap):
    name, this, that = SWAPS[swap]
    other = name.replace(this, that)
    swapped = {**variables, name: variables[other], other: abs(variables[name])}
    model = cry_hub.port_weights(PRESET, swapped, "audioset")
    assert relative_error(model(waveform), expected) > 0.01


def test_a_swapped_transpose_is_seen(variables, waveform, expected):
    name = "layer2/depthwise_conv/depthwise_kernel"
    swapped = {**variables, name: variables[name].swapaxes(0, 1)}
    model = cry_hub.port_weights(PRESET, swapped, "audioset")
    assert relative_error(model(waveform), expected) > 0.01


def refused(tensors, head: str | None = "audioset") -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        cry_hub.port_weights(PRESET, tensors, head)
    return str(error.value)


def test_a_tensor_is_refused_by_the_name_it_has_in_the_file(variables):
    path = PATHS["save_weights of Keras 2"]
    tensors = {path(name): array for name, array in variables.items()}
    beta = "layer4/pointwise_conv/bn/layer4/pointwise_conv/bn/beta:0"
    message = refused({**tensors, beta: tensors[beta][:-1]})
    assert f"{beta} is (127,), not (128,)" in message
    rest = {name: each for name, each in tensors.items() if name != beta}
    assert "layer4/pointwise_conv/bn/beta (128,) is missing" in refused(rest)
    gamma = beta.replace("beta", "gamma")
    message = refused({**tensors, gamma: tensors[beta]})
    assert f"{gamma} (128,) has no place in the model" in message
    twice = refused({**tensors, "dense_1/dense_1/bias:0": np.zeros(521, "float32")})
    assert "dense/dense/bias:0 and dense_1/dense_1/bias:0 are both dense/bias" in twice


def test_the_head_is_needed_only_with_the_head(variables):
    body = {n: each for n, each in variables.items() if not n.startswith("dense")}
    cry_hub.port_weights(PRESET, body)
    assert "dense/kernel (1024, 521) is missing" in refused(body)


@pytest.fixture(scope="module")
def real_folded(assets) -> dict[str, np.ndarray]:
    name = "yamnet_reconstructed_folded_f32.npz"
    return formats.read(assets / "weights" / "yamnet" / name).tensors()


@pytest.fixture(scope="module")
def real_part(assets) -> dict[str, np.ndarray]:
    """Layers 1 to 6 with their real statistics, by the names of the variables."""
    path = assets / "weights" / "yamnet" / "yamnet_256_f32.h5"
    tensors = formats.read(path).tensors()
    return {variable_name(name): each for name, each in tensors.items()}


@pytest.mark.assets
def test_a_real_file_of_six_layers_is_refused_and_the_seventh_named(assets):
    tensors = formats.read(
        assets / "weights" / "yamnet" / "yamnet_256_f32.h5"
    ).tensors()
    message = refused(tensors, None)
    assert "layer7/depthwise_conv/depthwise_kernel (3, 3, 256, 1) is missing" in message
    # 8 layers, of 2 convolutions, of 4 tensors; 8 are listed
    assert "and 56 more" in message
    assert "layer6" not in message


EXACT = [
    f"layer{number}/{kind}_conv"
    for number in range(2, 7)
    for kind in ("depthwise", "pointwise")
]


@pytest.mark.assets
@pytest.mark.parametrize("layer", ["layer1/conv", *EXACT])
def test_real_statistics_fold_into_the_real_folded_layers(
    real_part, real_folded, layer
):
    kernel, bias = fold(real_part, layer)
    # Layers 2 to 6 were folded from this very file: not a bit differs. Layer 1 comes
    # of another copy: 6e-8.
    for found, kind in ((kernel, "kernel"), (bias, "bias")):
        assert relative_error(found, real_folded[f"{layer}/{kind}"]) < 1e-6


@pytest.mark.assets
def test_real_weights_with_batch_norm_give_the_logits_of_the_folded_ones(
    real_part, real_folded, waveform, rng, tmp_path
):
    """Real statistics where there are some, invented ones from layer 7 on."""
    variables = {**unfold(real_folded, rng), **real_part}
    path = tmp_path / "yamnet.h5"
    with h5py.File(path, "w") as file:
        for name, array in variables.items():
            file[PATHS["save_weights of Keras 2"](name)] = array
    model = cry_hub.port_weights(PRESET, formats.read(path).tensors(), "audioset")
    expected = cry_hub.port_weights(PRESET, real_folded, "audioset")(waveform)
    # Measured: 3e-6
    assert relative_error(model(waveform), np.asarray(expected)) < 1e-4
