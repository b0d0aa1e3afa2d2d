"""Our ResNet22 and Wavegram-Logmel-CNN14 beside PANNs' PyTorch code.

See `conftest.py` for the recipe weights. One model of each serves a whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry
from cry_hub.panns.porting import front_end_tensors
from cry_hub.preset import imported
from cry_lite.front_ends import PANNS_16K, PANNS_32K

ORIGINALS = {
    "resnet22_audioset": "ResNet22",
    "wavegram_logmel_cnn14_audioset": "Wavegram_Logmel_Cnn14",
}


def relative_error(found: Any, expected: np.ndarray) -> float:
    found = np.asarray(found)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@dataclass(frozen=True)
class Network:
    """A ported network with its head, and what it was ported from."""

    preset: str
    original: Any
    tensors: dict[str, np.ndarray]
    model: Any

    @property
    def backbone(self) -> Any:
        return self.model.layers[1]

    def end_of(self, module: str) -> Any:
        """What a block of PyTorch gives, after its pool if it pools in the block."""
        name = module.replace(".", "_")
        if module.startswith("resnet."):
            return self.backbone.get_layer(f"{name}_1_relu2").output
        layers = {layer.name: layer for layer in self.backbone.layers}
        return layers.get(f"{name}_pool", layers[f"{name}_relu2"]).output

    def error_of(self, module: str) -> float:
        """The relative error of the mean over time and bands of a block."""
        block = keras.Model(self.backbone.input, self.end_of(module))
        found = np.asarray(block(self.original.waveform)).mean((1, 2))
        return relative_error(
            found, self.original.expected[f"mean_over_time_freq/{module}"]
        )

    def port_one(self, name: str, tensor: np.ndarray) -> None:
        target = porting.layouts_of(self.preset, self.model)[0].targets[name]
        assert tensor.shape == target.shape
        target.variable.assign(target.arrange(tensor))

    def port(self, tensors: dict[str, np.ndarray]) -> None:
        layouts = porting.layouts_of(self.preset, self.model)
        porting.port_tensors(layouts, tensors, "the test")


@pytest.fixture(scope="module", params=ORIGINALS)
def network(request, original) -> Network:
    panns = original(ORIGINALS[request.param])
    tensors = {**panns.tensors(), **front_end_tensors(PANNS_32K)}
    model = cry_hub.port_weights(request.param, tensors, "audioset")
    return Network(request.param, panns, tensors, model)


def test_front_end_blocks_embedding_and_logits_are_those_of_panns(network):
    expected, waveform = network.original.expected, network.original.waveform
    backbone, model = network.backbone, network.model
    assert backbone.front_end_spec == registry.get(network.preset).front_end
    modules = [
        key.removeprefix("shape/") for key in expected if key.startswith("shape/")
    ]
    assert len(modules) in (6, 7)
    outputs = [
        backbone.get_layer("frontend").output,
        *(network.end_of(module) for module in modules),
    ]
    log_mel, *blocks = keras.Model(backbone.input, outputs)(waveform)
    # Measured: 2e-4 dB
    np.testing.assert_allclose(log_mel, expected["log_mel"], atol=1e-3)
    for module, block in zip(modules, blocks, strict=True):
        batch, channels, time, bands = expected[f"shape/{module}"]
        assert block.shape == (batch, time, bands, channels)
        mean = expected[f"mean_over_time_freq/{module}"]
        # Measured: 2e-6 here, 1e-6 for the embedding
        assert relative_error(np.asarray(block).mean((1, 2)), mean) < 1e-4
    ends = (model.get_layer("fc1").output, model.output)
    embedding, logits = keras.Model(model.input, ends)(waveform)
    assert relative_error(embedding, expected["out/embedding"]) < 1e-4
    # Measured: 5e-6 of logits up to 4, and with ResNet22 3e-4 of logits up to 211:
    # as much as rounding each sample of its waveform to float32 once more moves them.
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-3)
    scores = 1 / (1 + np.exp(-np.asarray(logits, "float64")))
    np.testing.assert_allclose(scores, expected["out/clipwise_output"], atol=1e-4)


def as_if_in_came_first(tensor: np.ndarray) -> np.ndarray:
    """Reads (out, in, ...) as (in, out, ...) and swaps: the shape still fits."""
    outputs, inputs, *size = tensor.shape
    return tensor.reshape(inputs, outputs, *size).swapaxes(0, 1)


def with_time_and_band_swapped(tensor: np.ndarray) -> np.ndarray:
    return tensor.swapaxes(2, 3)


# By kind of kernel: the tensor, what goes wrong, and the block that notices.
SWAPPED = {
    "resnet22_audioset": [
        ("conv_block1.conv2", with_time_and_band_swapped, "conv_block1"),
        ("resnet.layer2.0.conv1", as_if_in_came_first, "resnet.layer2"),
        ("resnet.layer2.0.downsample.1", as_if_in_came_first, "resnet.layer2"),
    ],
    "wavegram_logmel_cnn14_audioset": [
        ("conv_block1.conv1", with_time_and_band_swapped, "conv_block1"),
        ("pre_block2.conv1", as_if_in_came_first, "pre_block4"),
        ("pre_block3.conv2", as_if_in_came_first, "pre_block4"),
    ],
}


def test_a_swapped_transpose_is_noticed(network):
    original, tensors = network.original, network.tensors
    try:
        for module, swap, block in SWAPPED[network.preset]:
            name = f"{module}.weight"
            network.port_one(name, swap(tensors[name]))
            error = network.error_of(block)
            print(f"{name}: relative error {error:.3f}")
            assert error > 0.01
            network.port_one(name, tensors[name])
        network.port_one("fc1.weight", tensors["fc1.weight"].T)
        logits = network.model(original.waveform)
        assert np.abs(logits - original.expected["logits"]).max() > 1
    finally:
        network.port(tensors)  # the fixture, as it was


def test_every_tensor_of_a_checkpoint_has_a_place_and_what_is_not_one_is_named(
    network,
):
    model, tensors = network.model, network.tensors
    (layout,) = (imported(name)(model) for name in registry.get(network.preset).layouts)
    shapes = {name: target.shape for name, target in layout.targets.items()}
    shapes.update({name: value.shape for name, value in layout.fixed.items()})
    shapes.update(dict.fromkeys(layout.ignored, ()))
    assert shapes == network.original.shapes
    variables = [id(target.variable) for target in layout.targets.values()]
    assert sorted(variables) == sorted(id(each) for each in model.weights)

    def refused(changed: dict[str, np.ndarray]) -> str:
        with pytest.raises(cry_hub.WeightsError) as error:
            network.port(changed)
        return str(error.value)

    name = {
        "resnet22_audioset": "resnet.layer3.0.downsample.2.running_var",
        "wavegram_logmel_cnn14_audioset": "pre_block3.bn2.running_var",
    }[network.preset]
    shape = shapes[name]
    missing = {each: tensors[each] for each in tensors if each != name}
    assert f"{name} {shape} is missing" in refused(missing)
    unused = {**tensors, "pre_block9.conv1.weight": np.zeros((2, 2, 3), "float32")}
    assert "pre_block9.conv1.weight (2, 2, 3) has no place" in refused(unused)
    misshaped = {**tensors, name: np.ones((3,), "float32")}
    assert f"{name} is (3,), not {shape}" in refused(misshaped)
    assert "of another front end" in refused(
        {**tensors, **front_end_tensors(PANNS_16K)}
    )
