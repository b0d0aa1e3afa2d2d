"""Our CNN10 and CNN14 beside PANNs' PyTorch code, layer by layer, on recipe weights.

See `conftest.py` for the recipe.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import frames, registry
from cry_hub.panns import class_names
from cry_hub.panns.porting import front_end_tensors
from cry_hub.preset import imported
from cry_lite.front_ends import PANNS_8K, PANNS_16K, PANNS_32K

ORIGINALS = {
    "cnn10_audioset": "Cnn10",
    "cnn14_audioset": "Cnn14",
    "cnn14_16k_audioset": "Cnn14_16k",
    "cnn14_8k_audioset": "Cnn14_8k",
}
MEL = "logmel_extractor.melW"


def blocks_of(backbone: Any) -> keras.Model:
    """A model from waveform to what each block gives, after its pool."""
    ends = [
        backbone.get_layer(f"conv_block{i}_{'pool' if pools else 'relu2'}").output
        for i, (_, pools) in enumerate(backbone.blocks, start=1)
    ]
    return keras.Model(backbone.input, ends)


def relative_error(found: Any, expected: np.ndarray) -> float:
    found = np.asarray(found)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.fixture(scope="module")
def tensors(original) -> dict[str, np.ndarray]:
    """A checkpoint of CNN10 with recipe weights and the front end's matrices."""
    return {**original("Cnn10").tensors(), **front_end_tensors(PANNS_32K)}


@pytest.fixture(scope="module")
def cnn10(tensors) -> Any:
    return cry_hub.port_weights("cnn10_audioset", tensors)


# CNN14 is the same network at its other rates, but for the front end: see below.
@pytest.mark.parametrize(
    "preset",
    [
        *("cnn10_audioset", "cnn14_audioset"),
        pytest.param("cnn14_16k_audioset", marks=pytest.mark.slow),
        pytest.param("cnn14_8k_audioset", marks=pytest.mark.slow),
    ],
)
def test_front_end_blocks_embedding_and_logits_are_those_of_panns(preset, original):
    panns = original(ORIGINALS[preset])
    expected, waveform = panns.expected, panns.waveform
    model = cry_hub.port_weights(preset, panns.tensors(), "audioset")
    backbone = next(each for each in model.layers if isinstance(each, cry_hub.Backbone))

    assert backbone.front_end_spec == registry.get(preset).front_end
    # Measured: 2e-4 dB
    log_mel = backbone.get_layer("frontend")(waveform)
    np.testing.assert_allclose(log_mel, expected["log_mel"], atol=1e-3)
    for number, block in enumerate(blocks_of(backbone)(waveform), start=1):
        batch, channels, time, bands = expected[f"shape/conv_block{number}"]
        assert block.shape == (batch, time, bands, channels)
        mean = expected[f"mean_over_time_freq/conv_block{number}"]
        # Measured: 2e-6 here, and for the embedding
        assert relative_error(np.asarray(block).mean((1, 2)), mean) < 1e-4
    hidden = keras.Model(model.input, model.get_layer("fc1").output)
    assert relative_error(hidden(waveform), expected["out/embedding"]) < 1e-4
    logits = np.asarray(model(waveform))
    # Measured: 1e-5, of logits up to 14
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-3)
    scores = 1 / (1 + np.exp(-logits.astype("float64")))
    np.testing.assert_allclose(scores, expected["out/clipwise_output"], atol=1e-4)


@pytest.mark.parametrize("preset", ["cnn14_16k_audioset", "cnn14_8k_audioset"])
def test_front_end_and_first_blocks_are_those_of_panns_at_another_rate(
    preset, original, monkeypatch
):
    """The blocks 5 and 6 have 94 % of the weights, and know nothing of the rate."""
    # The original knows no padding; this clip's last sample is faint.
    monkeypatch.setattr("cry_hub.time_mask.PADDING_LEVEL", 0.0)
    panns = original(ORIGINALS[preset])
    monkeypatch.setattr(cry_hub.CNN14, "blocks", cry_hub.CNN14.blocks[:4])
    tensors = {
        name: panns.tensor(name)
        for name in panns.shapes
        if name.startswith(("bn0", *(f"conv_block{i}." for i in range(1, 5))))
    }
    backbone = cry_hub.port_weights(preset, tensors)
    assert backbone.front_end_spec == registry.get(preset).front_end
    log_mel = backbone.get_layer("frontend")(panns.waveform)
    np.testing.assert_allclose(log_mel, panns.expected["log_mel"], atol=1e-3)
    for number, block in enumerate(blocks_of(backbone)(panns.waveform), start=1):
        mean = panns.expected[f"mean_over_time_freq/conv_block{number}"]
        assert relative_error(np.asarray(block).mean((1, 2)), mean) < 1e-4


@pytest.mark.parametrize(
    "name", ["conv_block1.conv1", "conv_block2.conv2", "conv_block4.conv1"]
)
def test_a_swapped_transpose_is_noticed(name, tensors, original):
    expected, waveform = original("Cnn10").expected, original("Cnn10").waveform
    swapped = {
        **tensors,
        f"{name}.weight": tensors[f"{name}.weight"].swapaxes(2, 3),  # time for band
    }
    found = blocks_of(cry_hub.port_weights("cnn10_audioset", swapped))(waveform)
    number = int(name[len("conv_block")])
    mean = expected[f"mean_over_time_freq/conv_block{number}"]
    error = relative_error(np.asarray(found[number - 1]).mean((1, 2)), mean)
    print(f"relative error {error:.3f}")
    assert error > 0.01


def test_a_swapped_transpose_of_a_dense_layer_is_noticed(tensors, original):
    expected, waveform = original("Cnn10").expected, original("Cnn10").waveform
    swapped = {**tensors, "fc1.weight": tensors["fc1.weight"].T}
    model = cry_hub.port_weights("cnn10_audioset", swapped, "audioset")
    assert np.abs(model(waveform) - expected["logits"]).max() > 1


@pytest.mark.parametrize("preset", ["cnn10_audioset", "cnn14_audioset"])
def test_every_tensor_of_a_checkpoint_has_a_place(preset, original):
    model = registry.get(preset).build("audioset")
    (layout,) = (imported(name)(model) for name in registry.get(preset).layouts)
    shapes = {name: target.shape for name, target in layout.targets.items()}
    shapes.update({name: value.shape for name, value in layout.fixed.items()})
    shapes.update(dict.fromkeys(layout.ignored, ()))
    assert shapes == original(ORIGINALS[preset]).shapes
    variables = [id(target.variable) for target in layout.targets.values()]
    assert sorted(variables) == sorted(id(each) for each in model.weights)


def refused(tensors, head="audioset", preset="cnn10_audioset") -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        cry_hub.port_weights(preset, tensors, head)
    return str(error.value)


def test_what_is_missing_unused_or_misshaped_is_named(tensors):
    missing = dict(tensors)
    del missing["conv_block3.bn2.running_var"]
    assert "conv_block3.bn2.running_var (256,) is missing" in refused(missing)
    unused = {**tensors, "conv_block5.conv1.weight": np.zeros((2, 2), "float32")}
    assert "conv_block5.conv1.weight (2, 2) has no place" in refused(unused)
    # As Keras has it.
    kernel = tensors["conv_block2.conv1.weight"].transpose(2, 3, 1, 0)
    message = refused({**tensors, "conv_block2.conv1.weight": kernel})
    assert "conv_block2.conv1.weight is (3, 3, 64, 128), not (128, 64, 3, 3)" in message


def test_the_head_is_needed_only_with_the_head(tensors):
    body = {name: each for name, each in tensors.items() if not name.startswith("fc")}
    cry_hub.port_weights("cnn10_audioset", body)
    assert "fc1.weight (512, 512) is missing" in refused(body)


def test_the_front_end_matrices_may_be_absent_but_not_wrong(tensors):
    body = {name: each for name, each in tensors.items() if "extractor" not in name}
    cry_hub.port_weights("cnn10_audioset", body)

    message = refused({**body, **front_end_tensors(PANNS_16K)})
    assert f"{MEL} is (257, 64), not (513, 64)" in message
    assert "of another front end (sample rate" in message

    other = front_end_tensors(PANNS_32K.replace(max_hz=16_000.0))
    message = refused({**body, MEL: other[MEL]})
    assert f"{MEL} is off by up to" in message
    for bad in (np.full_like(other[MEL], np.nan), np.zeros(other[MEL].shape, "int8")):
        assert MEL in refused({**body, MEL: bad})


def test_a_cutoff_of_ours_takes_the_checkpoint_as_it_is(tensors):
    backbone = cry_hub.port_weights("cnn10_audioset", tensors, cutoff_hz=4000.0)
    assert backbone.front_end_spec.cutoff_hz == 4000


@pytest.mark.parametrize("spec", [PANNS_32K, PANNS_16K, PANNS_8K])
def test_the_front_end_matrices_compute_the_power_of_the_dft(spec, rng):
    matrices = front_end_tensors(spec)
    frame = rng.normal(size=spec.fft_length)
    real = matrices["spectrogram_extractor.stft.conv_real.weight"][:, 0] @ frame
    imaginary = matrices["spectrogram_extractor.stft.conv_imag.weight"][:, 0] @ frame
    turn = 2 * np.pi * np.arange(spec.fft_length) / spec.fft_length
    expected = np.fft.rfft(frame * (0.5 - 0.5 * np.cos(turn)))
    np.testing.assert_allclose(real + 1j * imaginary, expected, atol=1e-9)


# Frames around the multiples of 16, odd lengths at every pool among them.
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 31, 32, 33, 47, 62, 63])
def test_padding_never_changes_a_real_step(count, cnn10, rng):
    clip = rng.normal(0, 0.1, (1, count * 320 - 1)).astype("float32")
    alone = np.asarray(cnn10(clip))
    assert alone.shape == (1, max(1, count // 16), 512)
    together = np.zeros((2, 70 * 320), "float32")
    together[0, : clip.shape[1]] = clip[0]
    together[1] = rng.normal(0, 0.1, together.shape[1])
    mask = np.asarray(cnn10.time_mask()(together))
    assert mask.shape == (2, 4)
    assert mask.sum(axis=1).tolist() == [alone.shape[1], 4]
    # float32 in another order of summing, of embeddings around 1
    np.testing.assert_allclose(cnn10(together)[0][mask[0]], alone[0], atol=2e-5)


def test_padding_never_changes_the_logits(tensors, rng):
    model = cry_hub.port_weights("cnn10_audioset", tensors, "audioset")
    clip = rng.normal(0, 0.1, (1, 12_345)).astype("float32")
    padded = np.pad(clip, ((0, 0), (0, 20_000)))
    np.testing.assert_allclose(model(padded), model(clip), atol=1e-4)


def test_padding_never_changes_what_a_training_step_learns(
    cnn10, rng, check_training_ignores_padding
):
    batch = rng.normal(0, 0.1, (2, 20_000)).astype("float32")
    moves = 2 * (1 + 4 * 2)  # mean and variance
    check_training_ignores_padding(cnn10, batch, moves)


def test_a_classifier_is_saved_and_reloaded_by_plain_keras(tensors, rng, tmp_path):
    model = cry_hub.port_weights("cnn10_audioset", tensors, "audioset")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    waveform = rng.normal(0, 0.1, (1, 20_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), model(waveform))


def test_saved_weights_with_the_head_come_back_with_and_without_it(
    tensors, rng, tmp_path
):
    model = cry_hub.port_weights("cnn10_audioset", tensors, "audioset")
    path = cry_hub.save_npz(model, tmp_path / "all.npz")
    waveform = rng.normal(0, 0.1, (1, 20_000)).astype("float32")
    again = cry_hub.load("cnn10_audioset", weights=path, head="audioset")
    np.testing.assert_array_equal(again(waveform), model(waveform))
    backbone = cry_hub.load("cnn10_audioset", weights=path)
    np.testing.assert_array_equal(
        backbone(waveform), model.get_layer("cnn10")(waveform)
    )


def test_the_rate_of_cnn14_is_in_its_config(monkeypatch):
    monkeypatch.setattr(cry_hub.CNN14, "blocks", ((8, True),))
    backbone = cry_hub.CNN14(sample_rate_hz=8_000, cutoff_hz=3_000.0)
    assert backbone.get_config()["sample_rate_hz"] == 8_000
    again = cry_hub.CNN14.from_config(backbone.get_config())
    assert again.front_end_spec == backbone.front_end_spec


def test_another_rate_is_refused():
    with pytest.raises(ValueError, match=r"32000, 16000 or 8000.*sample_rate_hz=44100"):
        cry_hub.CNN14(sample_rate_hz=44_100)


def test_the_527_classes_of_audioset_are_in_order():
    names = class_names()
    assert len(names) == len(set(names)) == 527
    assert names[0] == "Speech"
    assert names[22:24] == ("Crying, sobbing", "Baby cry, infant cry")
    assert names[-1] == "Field recording"


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_the_mask_of_an_image_is_real_for_its_minimum_and_halves_downwards(count):
    mask = np.arange(7)[None] < count
    image = frames.ImageMask(4)(mask)
    found = [np.asarray(image)[..., 0].sum()]
    for _ in range(2):
        image = frames.HalveMask()(image)
        found.append(np.asarray(image)[..., 0].sum())
    real = min(max(count, 4), 7)
    assert found == [real, real // 2, real // 2 // 2]


def test_the_maximum_and_the_mean_take_the_real_steps(rng):
    x = rng.normal(-5, 1, (2, 6, 3)).astype("float32")
    is_real = np.arange(6) < np.array([[6], [2]])
    expected = [
        each[real].max(0) + each[real].mean(0)
        for each, real in zip(x, is_real, strict=True)
    ]
    found = frames.MaxPlusMeanOverTime()(x, is_real)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
