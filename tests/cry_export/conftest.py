"""A small model that hears as the real ones do, and sounds to check it on."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import RECIPES, QuantizationRecipe
from cry_hub.front_end import FrontEnd
from cry_hub.patches import MeanOverPatches, MergePatches, SplitPatches
from cry_hub.time_mask import TimeMask
from cry_lite.front_ends import YAMNET
from cry_lite.spec import ModelSpec

LABELS = ("hungry", "tired", "belly_pain")


def build_model(
    seed: int = 0, front_end: str = "frontend", scores: int = 3
) -> keras.Model:
    """Front end, plain and depthwise convolutions, pooling, a dense head."""
    keras.utils.set_random_seed(seed)
    waveform = keras.Input((None,), name="waveform")
    patches = FrontEnd(YAMNET, name=front_end)(waveform)
    x = MergePatches()(patches)
    x = keras.layers.Conv2D(16, 5, strides=4, activation="relu", name="conv")(x)
    x = keras.layers.DepthwiseConv2D(5, strides=2, name="depthwise")(x)
    x = keras.layers.Conv2D(1024, 1, activation="relu", name="pointwise")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(32, activation="relu", name="embedding")(x)
    x = SplitPatches()(x, patches)
    x = MeanOverPatches()(x, mask=TimeMask(YAMNET, name="time_mask")(waveform))
    # Wide weights, so that the scores of different sounds and models differ.
    wide = keras.initializers.RandomNormal(stddev=20.0)
    x = keras.layers.Dense(scores, kernel_initializer=wide, name="logits")(x)
    scores_layer = keras.layers.Activation("softmax", name="scores")
    return keras.Model(waveform, scores_layer(x), name="small")


@pytest.fixture(scope="session", name="build_model")
def _build_model() -> Callable[..., keras.Model]:
    return build_model


@pytest.fixture(scope="session")
def model() -> keras.Model:
    return build_model()


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec(task="reason", labels=LABELS, front_end=YAMNET)


def make_clips() -> list[np.ndarray]:
    """Tones in noise of different lengths, 0.3 to 2.2 s at 16 kHz."""
    rng = np.random.default_rng(0)
    made = []
    for seconds, hz in ((1.0, 440.0), (0.3, 900.0), (2.2, 300.0), (1.5, 3000.0)):
        time = np.arange(round(seconds * 16_000)) / 16_000
        tone = 0.4 * np.sin(2 * np.pi * hz * time)
        made.append((tone + 0.05 * rng.standard_normal(len(time))).astype(np.float32))
    return made


@pytest.fixture
def clips() -> list[np.ndarray]:
    return make_clips()


@pytest.fixture(scope="session")
def convert_once() -> Callable[..., bytes]:
    """`to_tflite` that converts each model once a recipe and length."""
    from cry_export.convert import to_tflite

    done: dict[tuple[int, str, int | None], tuple[keras.Model, bytes]] = {}

    def convert(
        model: keras.Model, recipe: QuantizationRecipe, samples: int | None
    ) -> bytes:
        key = (id(model), recipe.name, samples)
        if key not in done:  # the model is kept, so that its id is not given away
            done[key] = model, to_tflite(model, recipe, samples)
        return done[key][1]

    return convert


@pytest.fixture(scope="session")
def other_model() -> keras.Model:
    """The small model with other weights."""
    return build_model(seed=1)


@pytest.fixture(scope="session")
def tflite(model, convert_once) -> dict[str, bytes]:
    """The small model in every recipe, of dynamic length."""
    content = convert_once(model, RECIPES["none"], None)
    return {
        name: apply_recipe(content, recipe, make_clips())
        for name, recipe in RECIPES.items()
    }
