"""Our EfficientAT beside the original: front end, blocks, end to end, padding."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import formats, registry
from cry_hub.efficientat import class_names, table
from cry_hub.efficientat.convolutions import EverySecondFrame, HardSwish
from cry_hub.efficientat.porting import state_dict_layout
from cry_lite.log_mel import log_mel
from cry_lite.sound_file import read

GOLDEN = Path(__file__).parents[2] / "golden" / "EfficientAT_mn04_as.npz"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """What the original computes with its own weights on `waveform`."""
    with np.load(GOLDEN) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def waveform(expected) -> np.ndarray:
    """A hum with harmonics in noise, as the original heard it, `(1, samples)`."""
    rate, seconds = int(expected["sample_rate_hz"]), float(expected["seconds"])
    rng = np.random.default_rng([int(expected["seed"]), round(seconds * 1000), rate])
    time_s = np.arange(round(seconds * rate)) / rate
    f0 = 430 + 60 * np.sin(2 * np.pi * 0.9 * time_s)
    f0 += 20 * np.sin(2 * np.pi * 5 * time_s)
    phase = 2 * np.pi * np.cumsum(f0) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    loudness = 0.2 * np.clip(np.sin(2 * np.pi * 0.8 * time_s), 0, None)
    noise = 0.01 * rng.standard_normal(len(time_s))
    return (loudness * tone + noise).astype("float32")[None]


@pytest.fixture(scope="module")
def tensors(assets) -> dict[str, np.ndarray]:
    path = assets / "weights" / "efficientat" / "mn04_as_mAP_432.pt"
    return formats.read(path).tensors()


@pytest.fixture(scope="module")
def model(tensors) -> Any:
    return cry_hub.port_weights("mn04_audioset", tensors, "audioset")


@pytest.fixture(scope="module")
def backbone(model) -> Any:
    return model.get_layer("mn04")


@pytest.fixture(scope="module")
def random_backbone() -> Any:
    """Random weights, and statistics and offsets that are not 0 and 1."""
    keras.utils.set_random_seed(0)
    backbone = registry.get("mn04_audioset").build()
    rng = np.random.default_rng(0)
    for variable in backbone.weights:
        if variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
        elif variable.name == "moving_variance":
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return backbone


def relative_error(found: Any, expected: np.ndarray) -> float:
    found = np.asarray(found)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_the_front_end_is_that_of_the_original(waveform, expected, random_backbone):
    spec = random_backbone.front_end_spec
    assert expected["log_mel"].shape == (200, 128)
    # Measured: 1.1e-5, of numbers up to 1.8
    np.testing.assert_allclose(
        log_mel(waveform[0], spec), expected["log_mel"], atol=5e-5
    )
    # Measured: 1.2e-5
    found = random_backbone.get_layer("frontend")(waveform)[0]
    np.testing.assert_allclose(found, expected["log_mel"], atol=5e-5)


@pytest.mark.assets
def test_embedding_and_logits_are_those_of_the_original(
    waveform, expected, model, backbone
):
    embeddings = np.asarray(backbone(waveform))
    assert embeddings.shape == (1, 7, 384)
    # Measured: 1.3e-6. Every block alone, compared once with the original's code on
    # clips of 2, 10, 105 and 200 frames: 4.5e-6 of its largest number.
    assert relative_error(embeddings.mean(axis=1), expected["embedding"]) < 1e-4
    # Measured: 1.4e-5, of logits up to 13
    np.testing.assert_allclose(model(waveform), expected["logits"], atol=1e-3)


SWAPS = {
    "features.0.0.weight": (2, 3),  # band for time
    "features.2.block.1.0.weight": (2, 3),
    "features.4.block.1.0.weight": (2, 3),
    "features.15.block.1.0.weight": (2, 3),
    "features.8.block.0.0.weight": None,  # channels of the input, in another order
    "features.14.block.2.conc_se_layers.0.fc1.weight": None,
    "classifier.2.weight": None,
}


@pytest.mark.assets
@pytest.mark.parametrize("name", SWAPS)
def test_a_swapped_transpose_is_noticed(name, tensors, waveform, expected):
    tensor = tensors[name]
    axes = SWAPS[name]
    swapped = (
        tensor.swapaxes(*axes)
        if axes
        # What reading the tensor in the order of its transpose would give.
        else tensor.reshape(tensor.shape[:2]).T.reshape(tensor.shape)
    )
    assert swapped.shape == tensor.shape
    wrong = cry_hub.port_weights(
        "mn04_audioset", {**tensors, name: swapped}, "audioset"
    )
    error = np.abs(wrong(waveform) - expected["logits"]).max()
    print(f"logits off by {error:.2f}")
    # Measured: 1.0 to 15, beside 1.4e-5
    assert error > 0.5


# Trainable parameters with the head; counted in the original, and in its README for
# mn04, mn05 and mn10.
@pytest.mark.parametrize(
    ("width", "parameters"),
    [
        (0.1, 123_783),
        (0.2, 324_695),
        (0.4, 983_599),
        (0.5, 1_431_239),
        (1.0, 4_876_831),
    ],
)
def test_a_width_has_the_parameters_of_the_original(width, parameters):
    model = registry.get("mn04_audioset").build("audioset", width=width)
    counts = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(counts) == parameters
    assert model.layers[1].name == f"mn{round(10 * width):02d}"
    # Every weight has exactly one place in a checkpoint.
    layout = state_dict_layout(model)
    variables = [id(target.variable) for target in layout.targets.values()]
    assert sorted(variables) == sorted(id(each) for each in model.weights)


def test_channels_are_multiples_of_8_and_lose_a_tenth_at_most():
    channels = [table.scaled(count, 0.4) for count in (16, 24, 40, 80, 112, 160, 1280)]
    assert channels == [8, 16, 16, 32, 48, 64, 512]
    assert table.scaled(1) == 8
    assert table.scaled(12) == 16  # halfway is up
    assert table.scaled(43) == 40
    assert table.scaled(11) == 16  # 8 is a quarter less
    for count in range(1, 400):
        assert table.scaled(count) % 8 == 0
        assert 0.9 * count <= table.scaled(count) <= max(8, count + 7)


@pytest.mark.parametrize("width", [0.0, -0.4, float("nan"), float("inf")])
def test_a_width_that_is_not_positive_is_refused(width):
    with pytest.raises(ValueError, match="width must be positive.*Received: width="):
        cry_hub.EfficientAT(width)


def test_the_width_is_in_its_config():
    backbone = cry_hub.EfficientAT(0.1, cutoff_hz=4_000.0)
    again = cry_hub.EfficientAT.from_config(backbone.get_config())
    assert (again.width, again.name) == (0.1, "mn01")
    assert again.front_end_spec == backbone.front_end_spec
    assert again.embedding_features == backbone.embedding_features == 96


@pytest.mark.assets
def test_what_is_missing_unused_or_misshaped_is_named(tensors):
    def refused(changed, head="audioset") -> str:
        with pytest.raises(cry_hub.WeightsError) as error:
            cry_hub.port_weights("mn04_audioset", changed, head)
        return str(error.value)

    name = "features.4.block.2.conc_se_layers.0.fc1.bias"
    missing = {each: tensors[each] for each in tensors if each != name}
    assert f"{name} (8,) is missing" in refused(missing)
    unused = {**tensors, "features.17.0.weight": np.zeros((2, 2), "float32")}
    assert "features.17.0.weight (2, 2) has no place" in refused(unused)
    # Of mn05, whose channels are others.
    wider = {**tensors, "features.16.0.weight": np.zeros((480, 80, 1, 1), "float32")}
    assert "features.16.0.weight is (480, 80, 1, 1), not (384, 64, 1, 1)" in refused(
        wider, None
    )
    body = {each: tensors[each] for each in tensors if "classifier" not in each}
    cry_hub.port_weights("mn04_audioset", body)
    assert "classifier.5.bias (527,) is missing" in refused(body)


# Frames around the multiples of 32, odd lengths at every stride among them.
@pytest.mark.parametrize("count", [1, 2, 3, 17, 31, 32, 33, 47, 62, 65])
def test_padding_never_changes_a_real_step(count, random_backbone, rng):
    samples = (count - 1) * 320 + 1 + 17
    clip = rng.normal(0, 0.1, (1, samples)).astype("float32")
    alone = np.asarray(random_backbone(clip))
    assert alone.shape == (1, -(-count // 32), 384)
    together = np.zeros((2, 70 * 320), "float32")
    together[0, :samples] = clip[0]
    together[1] = rng.normal(0, 0.1, together.shape[1])
    mask = np.asarray(random_backbone.time_mask()(together))
    assert mask.sum(axis=1).tolist() == [alone.shape[1], 3]
    found = np.asarray(random_backbone(together))[0][mask[0]]
    # float32 in another order of summing
    assert np.abs(found - alone[0]).max() < 2e-5 * np.abs(alone).max()


@pytest.mark.assets
def test_padding_never_changes_the_logits(model, waveform):
    padded = np.pad(waveform[:, :12_345], ((0, 0), (0, 20_000)))
    np.testing.assert_allclose(model(padded), model(padded[:, :12_345]), atol=1e-4)


def test_padding_never_changes_what_a_training_step_learns(
    rng, check_training_ignores_padding
):
    batch = rng.normal(0, 0.1, (2, 20_000)).astype("float32")
    backbone = cry_hub.EfficientAT(0.1)
    moves = sum(weight.name.startswith("moving") for weight in backbone.weights)
    assert moves > 2 * 30  # mean and variance
    check_training_ignores_padding(backbone, batch, moves)


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
def test_a_frame_is_real_after_a_stride_if_the_one_it_stands_on_is(frames):
    is_real = np.arange(frames) < np.arange(1, frames + 1)[:, None]
    found = np.asarray(EverySecondFrame()(is_real[..., None]))[..., 0]
    assert found.shape == (frames, -(-frames // 2))
    np.testing.assert_array_equal(found.sum(axis=1), -(-is_real.sum(axis=1) // 2))


def test_hard_swish_is_its_definition(rng):
    x = rng.uniform(-5, 5, (2, 50)).astype("float32")
    expected = x * np.minimum(np.maximum(x + 3, 0), 6) / 6
    np.testing.assert_allclose(HardSwish()(x), expected, rtol=1e-6)


def test_squeeze_and_excitation_weighs_channels_by_the_mean_of_real_frames(
    random_backbone, rng
):
    """Block 4 from its depthwise convolution on, against NumPy."""
    names = [f"block4_{part}" for part in ("depthwise_relu", "excite")]
    inside = keras.Model(
        random_backbone.input,
        [random_backbone.get_layer(name).output for name in names],
    )
    waveform = rng.normal(0, 0.1, (2, 30_000)).astype("float32")
    waveform[0, 9_999:] = 0.0  # 32 frames: 4 of 12 after three strides
    x, found = (np.asarray(each) for each in inside(waveform))
    for row, real in enumerate((4, x.shape[1])):
        mean = x[row, :real].mean(axis=(0, 1))
        for dense, function in (
            ("fc1", lambda y: np.maximum(y, 0)),
            ("fc2", lambda y: 1 / (1 + np.exp(-y))),
        ):
            kernel, bias = random_backbone.get_layer(f"block4_{dense}").get_weights()
            mean = function(mean @ kernel + bias)
        np.testing.assert_allclose(
            found[row, :real], x[row, :real] * mean, rtol=1e-4, atol=1e-5
        )


@pytest.mark.assets
def test_a_classifier_is_saved_and_reloaded_by_plain_keras(model, waveform, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(waveform), model(waveform))
    path = cry_hub.save_npz(model, tmp_path / "all.npz")
    for head, ours in (("audioset", model), (None, model.get_layer("mn04"))):
        again = cry_hub.load("mn04_audioset", weights=path, head=head)
        np.testing.assert_array_equal(again(waveform), ours(waveform))


@pytest.mark.assets
def test_the_classes_are_in_the_order_of_the_original(assets):
    path = assets / "weights" / "efficientat" / "class_labels_indices.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert class_names() == tuple(row["display_name"] for row in rows)
    assert [int(row["index"]) for row in rows] == list(range(527))


@pytest.mark.assets
def test_a_baby_cry_is_heard_without_any_training(assets, model):
    with (assets / "data" / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "esc10"]
    # All cries, and every fifth of the others.
    others = [row for row in rows if row["label"] != "baby_cry"][::5]
    rows = [row for row in rows if row["label"] == "baby_cry"] + others
    waveforms = np.zeros((len(rows), 160_000), "float32")
    for waveform, row in zip(waveforms, rows, strict=True):
        sound = read(assets / "data" / row["file"], 32_000)[:160_000]
        waveform[: len(sound)] = sound
    logits = model.predict(waveforms, batch_size=4, verbose=0).astype("float64")
    scores = 1 / (1 + np.exp(-logits))
    is_cry = np.array([row["label"] == "baby_cry" for row in rows])
    assert is_cry.sum() >= 20
    # "Crying, sobbing" and "Baby cry, infant cry"
    for score in (scores[:, 22:24].max(axis=1), scores[:, 22:24].sum(axis=1)):
        area = (score[is_cry][:, None] > score[~is_cry][None]).mean()
        print(f"AUC {area:.4f} of {is_cry.sum()} cries and {(~is_cry).sum()} others")
        # Measured: 1.0000 both, beside all the others too
        assert area >= 0.99
