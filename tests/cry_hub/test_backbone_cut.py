import keras
import numpy as np
import pytest

import cry_hub
from cry_hub.backbone_cut import cut
from cry_hub.yamnet import yamnet

pytestmark = pytest.mark.usefixtures("few_filters")

# The first layer that is trained.
NETWORKS = {
    "yamnet_audioset": "layer4_pointwise_conv",
    "vggish_audioset": "conv4_1",
    "ds_cnn_s": "block5_depthwise_conv",
    "cnn10_audioset": "conv_block4_conv1",
    # Within a residual block and within squeeze-and-excitation.
    "resnet22_audioset": "resnet_layer4_0_conv2",
    "mn04_audioset": "block13_fc2",
}


@pytest.fixture
def load(monkeypatch):
    """Loads a backbone, with few layers if it is YAMNet, and its last ones."""
    monkeypatch.setattr(yamnet, "LAYERS", (("conv", 2, 8), *yamnet.LAYERS[4:7]))

    def of(name):
        backbone = cry_hub.load(name, weights=None)
        if name == "yamnet_audioset":
            backbone = yamnet.YAMNet(freeze_batch_norm=True)
        names = [layer.name for layer in backbone.layers]
        start = names.index(NETWORKS[name])
        last = [layer for layer in backbone.layers[start:] if layer.trainable_weights]
        return backbone, last

    return of


@pytest.mark.parametrize("name", NETWORKS)
def test_the_two_parts_are_the_backbone_and_padding_takes_no_part(load, rng, name):
    backbone, last = load(name)
    halves = cut(backbone, last)
    rate_hz = backbone.front_end_spec.sample_rate_hz
    long = rng.normal(0, 0.1, (1, 2 * rate_hz)).astype("float32")
    short = long[:, : round(0.9 * rate_hz)]
    both = np.concatenate([long, np.pad(short, ((0, 0), (0, 11 * rate_hz // 10)))])
    expected = np.asarray(backbone(both))
    scale = np.abs(expected).max()

    maps = [np.asarray(x) for x in halves.stem(both)]
    found = np.asarray(halves.top(maps[:-1]))
    np.testing.assert_allclose(found, expected, atol=1e-6 * scale)

    alone = [np.asarray(x) for x in halves.stem(short)]
    for number, (each, of_both) in enumerate(zip(alone, maps, strict=True)):
        padded = np.zeros_like(of_both[:1])
        padded[:, : each.shape[1]] = each
        maps[number] = np.concatenate([of_both[:1], padded])
    found = np.asarray(halves.top(maps[:-1]))
    steps = alone[-1].sum()
    assert steps == maps[-1][1].sum() < expected.shape[1]
    # Sums over other shapes are rounded otherwise.
    np.testing.assert_allclose(found[1, :steps], expected[1, :steps], atol=1e-5 * scale)


def test_the_parts_share_the_layers_of_the_backbone(load, rng):
    backbone, last = load("ds_cnn_s")
    halves = cut(backbone, last)
    trained = {id(v) for layer in last for v in layer.weights}
    assert {id(v) for v in halves.top.weights} == trained
    rest = {id(v) for v in backbone.weights} - trained
    assert {id(v) for v in halves.stem.weights} == rest


def test_statistics_that_take_padding_in_are_refused(load):
    _, last = load("yamnet_audioset")
    names = {layer.name for layer in last}
    backbone = yamnet.YAMNet(freeze_batch_norm=False)
    layers = [layer for layer in backbone.layers if layer.name in names]
    with pytest.raises(ValueError, match="statistics of layer4_.*take padding in"):
        cut(backbone, layers)


def test_layers_of_something_else_and_the_first_ones_are_refused(load):
    backbone, _ = load("cnn10_audioset")
    with pytest.raises(ValueError, match="not in its graph"):
        cut(backbone, [keras.layers.Dense(2)])
    front_end = backbone.get_layer("frontend")
    with pytest.raises(ValueError, match="need the waveform itself"):
        cut(backbone, [front_end])
