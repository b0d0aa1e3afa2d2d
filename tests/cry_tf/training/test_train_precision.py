"""Training in bfloat16, from the recipe to the saved model."""

from typing import Any

import keras
import numpy as np
import pytest

from cry_tf.data import load
from cry_tf.training import recipe
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.settings import Settings
from cry_tf.training.train import train

pytestmark = pytest.mark.usefixtures("shallow_student")

HALF = recipe.FULL.replace(epochs=1, batch_size=12, max_seconds=0.5)
HALF = HALF.replace(precision="bfloat16")


@pytest.fixture
def computed_in(monkeypatch):
    """The types that convolutions were computed in."""
    seen = set()
    call = keras.layers.DepthwiseConv2D.call

    def noting(layer, inputs):
        seen.add(layer.compute_dtype)
        return call(layer, inputs)

    monkeypatch.setattr(keras.layers.DepthwiseConv2D, "call", noting)
    return seen


def test_a_run_computes_in_bfloat16_and_saves_float32(
    recordings, tmp_path, computed_in
):
    settings = Settings(
        task="reason",
        recipe=HALF,
        backbone="ds_cnn_s",
        weights=None,
        folds=2,
        baselines=False,
    )
    run = train(load(recordings), settings, tmp_path / "run")
    assert "bfloat16" in computed_in
    assert run.config["settings"]["recipe"]["precision"] == "bfloat16"
    model: Any = run.load_model()
    assert {layer.compute_dtype for layer in model.backbone.layers} <= {
        "float32",
        "bool",
    }
    scores = np.asarray(model(np.full((1, 8_000), 0.1, "float32")))
    np.testing.assert_allclose(scores.sum(), 1, atol=1e-5)
    found = np.array(run.predictions().scores)
    assert np.isfinite(found).all()


def test_the_record_says_so():
    assert "computed in bfloat16" in recipe_sentence(HALF)
    assert "bfloat16" not in recipe_sentence(recipe.FULL)


def test_a_recipe_of_an_earlier_version_is_float32():
    values = recipe.FULL.to_dict()
    del values["precision"]
    assert recipe.Recipe.from_dict(values).precision == "float32"


@pytest.mark.parametrize(
    ("base", "precision", "words"),
    [
        (recipe.QUICK, "bfloat16", "train every layer"),
        (recipe.FULL, "float16", "one of float32, bfloat16"),
    ],
)
def test_what_cannot_be_is_refused(base, precision, words):
    with pytest.raises(ValueError, match=words):
        base.replace(precision=precision)
