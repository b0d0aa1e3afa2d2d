"""What every preset's backbone must do, whatever its weights."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import registry
from cry_hub.front_end import FrontEnd

pytestmark = pytest.mark.usefixtures("few_filters")

# CNN14 is the same network at its other two rates and with the heads that decide for
# each segment: what they add is compared with the original's in
# panns/test_cnn10_and_cnn14.py and panns/test_decision_level.py.
PRESETS = [
    name
    for name in cry_hub.presets()
    if not name.startswith(("cnn14_16k", "cnn14_8k", "cnn14_decision"))
]
# What is not checked with these is code that they share with CNN10, or that
# panns/test_resnet22.py and test_wavegram.py check.
DEEP_PRESETS = (
    "cnn14_audioset",
    "resnet22_audioset",
    "wavegram_logmel_cnn14_audioset",
)
SHALLOW_PRESETS = [name for name in PRESETS if name not in DEEP_PRESETS]


def clip(rng, samples: int) -> np.ndarray:
    """A chirp in noise whose last sample is not zero."""
    time_s = np.arange(samples) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (300 + 400 * time_s) * time_s)
    clip = (chirp + rng.normal(0, 0.02, samples)).astype("float32")
    clip[-1] = 0.1
    return clip


def padded(clips: list[np.ndarray]) -> np.ndarray:
    batch = np.zeros((len(clips), max(len(each) for each in clips)), "float32")
    for row, each in zip(batch, clips, strict=True):
        row[: len(each)] = each
    return batch


@pytest.fixture(scope="module", params=PRESETS)
def preset(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def build(few_filters):
    """Builds a backbone once, with moving statistics that are not 0 and 1."""

    @functools.cache
    def of(preset):
        keras.utils.set_random_seed(0)
        backbone = registry.get(preset).build()
        rng = np.random.default_rng(0)
        for variable in backbone.weights:
            if variable.name in ("beta", "moving_mean"):
                variable.assign(rng.normal(0, 0.1, variable.shape))
            elif variable.name == "moving_variance":
                variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        return backbone

    return of


# Not of the module: some tests name presets themselves, and in some orders of tests
# pytest would keep the one before.
@pytest.fixture
def backbone(preset, build):
    return build(preset)


def test_it_keeps_the_interface(preset, backbone, rng):
    record = registry.get(preset)
    assert isinstance(backbone, cry_hub.Backbone)
    assert isinstance(backbone.get_layer("frontend"), FrontEnd)
    assert backbone.front_end_spec == record.front_end
    assert backbone.output.shape == (None, None, backbone.embedding_features)
    rate = record.front_end.sample_rate_hz
    for samples in (1, 400, rate // 2, 2 * rate + 17):
        embeddings = backbone(clip(rng, samples)[None])
        steps = backbone.time_mask().compute_output_shape((1, samples))[1]
        assert embeddings.shape == (1, steps, backbone.embedding_features)
        assert np.isfinite(embeddings).all()
        assert np.std(embeddings) > 1e-3  # it says something


def test_it_takes_silence_and_full_scale(backbone):
    silence = np.zeros((1, 8000), "float32")
    full_scale = np.tile(np.float32([1, 1, -1, -1]), 4000)[None]
    for waveform in (silence, full_scale):
        assert np.isfinite(backbone(waveform)).all()


def test_padding_never_changes_an_embedding(backbone, rng):
    clips = [clip(rng, samples) for samples in (32_000, 9_000, 50_001)]
    together = backbone.predict(padded(clips), verbose=0)
    mask = np.asarray(backbone.time_mask()(padded(clips)))
    for row, waveform in enumerate(clips):
        alone = np.asarray(backbone(waveform[None]))[0]
        assert mask[row].sum() == len(alone)
        scale = max(1.0, np.abs(alone).max())
        # float32 in another order of summing
        np.testing.assert_allclose(
            together[row][mask[row]] / scale, alone / scale, atol=2e-5
        )


def test_what_stands_for_silence_at_the_end_changes_no_embedding(backbone, rng):
    zeros = padded([clip(rng, samples) for samples in (32_000, 9_000)])
    faint = zeros.copy()
    faint[1, 9_000:] = np.resize([2.0**-15, 0, -(2.0**-12)], 23_000)
    mask = np.asarray(backbone.time_mask()(zeros))
    np.testing.assert_array_equal(backbone.time_mask()(faint), mask)
    np.testing.assert_array_equal(
        np.asarray(backbone(faint))[mask], np.asarray(backbone(zeros))[mask]
    )


def test_it_is_saved_and_reloaded_by_plain_keras(backbone, rng, tmp_path):
    path = tmp_path / "backbone.keras"
    backbone.save(path)
    again = keras.saving.load_model(path)
    assert type(again) is type(backbone)
    assert again.get_config() == backbone.get_config()
    waveform = clip(rng, 20_000)[None]
    np.testing.assert_array_equal(again(waveform), backbone(waveform))


@pytest.mark.parametrize("preset", SHALLOW_PRESETS)
def test_the_cutoff_and_the_frozen_state_are_saved(preset, tmp_path):
    backbone = registry.get(preset).build(cutoff_hz=4000.0)
    backbone.trainable = False
    backbone.save(tmp_path / "backbone.keras")
    again = keras.saving.load_model(tmp_path / "backbone.keras")
    assert again.front_end_spec.cutoff_hz == 4000
    assert again.trainable_weights == []


@pytest.mark.parametrize("preset", SHALLOW_PRESETS)
def test_nothing_above_the_cutoff_is_heard(preset, rng):
    keras.utils.set_random_seed(0)
    backbone = registry.get(preset).build(cutoff_hz=4000.0)
    time_s = np.arange(32_000) / 16_000
    low = clip(rng, 32_000)[None]
    # Faded: a tone that begins at once sounds at every frequency.
    fade = np.hanning(32_000)
    high = (0.2 * fade * np.sin(2 * np.pi * 6000 * time_s)).astype("float32")
    everything = registry.get(preset).build()
    everything.set_weights(backbone.get_weights())
    heard = np.abs(everything(low + high) - everything(low)).max()
    leaked = np.abs(backbone(low + high) - backbone(low)).max()
    # Measured: 0.02 and 0.04, the side lobes of the window
    assert leaked < 0.1 * heard


@pytest.mark.parametrize("preset", SHALLOW_PRESETS)
def test_a_frozen_backbone_keeps_its_statistics_in_training(preset, rng):
    backbone = registry.get(preset).build(
        **({"freeze_batch_norm": False} if preset == "yamnet_audioset" else {})
    )
    waveform = padded([clip(rng, 20_000), clip(rng, 30_000)])
    inference = np.asarray(backbone(waveform, training=False))
    moving = [each.name.startswith("moving") for each in backbone.weights]
    assert any(moving) == (preset != "vggish_audioset")  # which has no batch norm

    backbone.trainable = False
    before = backbone.get_weights()
    np.testing.assert_array_equal(backbone(waveform, training=True), inference)
    for old, new in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

    if not any(moving):
        return
    backbone.trainable = True
    assert np.abs(backbone(waveform, training=True) - inference).max() > 0.01
    for old, new, moves in zip(before, backbone.get_weights(), moving, strict=True):
        assert (np.abs(old - new).max() > 0) == moves


# Each family by its smallest. Tracing a step of mn04 takes 20 s.
@pytest.mark.parametrize(
    ("preset", "is_eager"),
    [
        ("yamnet_audioset", False),
        ("vggish_audioset", False),
        ("cnn10_audioset", False),
        ("mn04_audioset", True),
        ("ds_cnn_s", False),
        pytest.param("mn04_audioset", False, marks=pytest.mark.slow),
    ],
)
def test_a_step_of_fit_trains_every_trainable_weight(preset, is_eager, rng):
    backbone = registry.get(preset).build()
    waveform = keras.Input((None,))
    x = keras.layers.GlobalMaxPooling1D()(backbone(waveform))
    model = keras.Model(waveform, keras.layers.Dense(2)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    is_compiled = backbone.prefers_jit and not is_eager
    model.compile("adam", loss, run_eagerly=is_eager, jit_compile=is_compiled)
    before = [np.asarray(each) for each in backbone.trainable_weights]
    batch = padded([clip(rng, 16_000), clip(rng, 20_000)])
    history = model.fit(batch, np.array([0, 1]), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    still = [
        variable.path
        for old, variable in zip(before, backbone.trainable_weights, strict=True)
        if np.array_equal(old, variable)
    ]
    assert still == []


def test_mixed_bfloat16_comes_close(preset, backbone, rng):
    mixed = registry.get(preset).build(dtype="mixed_bfloat16")
    assert not mixed.prefers_jit
    mixed.set_weights(backbone.get_weights())
    assert mixed.get_layer("frontend").dtype_policy.compute_dtype == "float32"
    waveform = clip(rng, 30_000)[None]
    expected = np.asarray(backbone(waveform)).ravel()
    found = np.asarray(mixed(waveform)).astype("float32").ravel()
    assert mixed(waveform).dtype == "bfloat16"
    # 8 bits of mantissa a layer
    assert np.corrcoef(expected, found)[0, 1] > 0.999
    again = type(mixed).from_config(mixed.get_config())
    assert again(waveform).dtype == "bfloat16"


# DS-CNN is one network in two sizes.
@pytest.mark.parametrize(
    "preset", [name for name in PRESETS if name != "ds_cnn_m"], scope="module"
)
def test_tflite_of_any_length_says_the_same_in_builtin_ops(backbone, check_tflite):
    check_tflite(backbone, None)


# Patches and blocks, which the others have too, once each.
@pytest.mark.parametrize(
    "preset",
    [
        "yamnet_audioset",
        "cnn10_audioset",
        pytest.param("mn04_audioset", marks=pytest.mark.slow),
    ],
    scope="module",
)
def test_tflite_of_one_length_says_the_same_in_builtin_ops(backbone, check_tflite):
    check_tflite(backbone, 24_000)


@pytest.mark.parametrize(
    ("preset", "classes", "cry"),
    [("yamnet_audioset", 521, 20), ("mn04_audioset", 527, 23)],
)
def test_a_head_brings_the_names_of_its_classes(preset, classes, cry, tmp_path):
    model = cry_hub.load(preset, weights=None, head="audioset")
    assert len(model.labels) == model.output_shape[-1] == classes
    assert model.labels[cry] == "Baby cry, infant cry"
    model.save(tmp_path / "tags.keras")
    again = keras.saving.load_model(tmp_path / "tags.keras")
    assert again.labels == model.labels
    assert again.sample_rate_hz == registry.get(preset).front_end.sample_rate_hz
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, 40_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), model(waveform))
