"""The drawing of the architecture page against the code."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

import pytest

import cry_hub
import cry_tf

DOCS = Path(__file__).parents[2] / "docs"


def _load():
    path = DOCS / "drawings" / "data_way.py"
    spec = importlib.util.spec_from_file_location("data_way", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # A dataclass looks its module up.
    spec.loader.exec_module(module)
    return module


data_way = _load()
CALLED = [step for step in data_way.STEPS if "." in step.name]


def test_the_committed_drawing_is_that_of_the_table():
    drawn = (DOCS / "data_way.svg").read_text(encoding="utf-8")
    assert drawn == data_way.draw(), "run docs/drawings/data_way.py again"


@pytest.mark.parametrize("step", CALLED, ids=lambda step: step.name)
def test_a_step_returns_what_the_drawing_says(step):
    package, *names = step.name.split(".")
    found = importlib.import_module(package)
    for name in names:
        found = getattr(found, name)
    returned = inspect.signature(found).return_annotation
    if step.name == "cry_lite.Analyzer.scores":
        assert returned == "tuple[np.ndarray, np.ndarray, np.ndarray]"
    else:
        assert returned == step.gives


def test_the_model_has_the_layers_of_the_drawing_in_their_order():
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    model = cry_tf.CryDetector(backbone)
    steps = [step for step in data_way.STEPS if step.place == data_way.MODEL]
    names = [
        "backbone" if layer.name == backbone.name else layer.name
        for layer in model.layers
    ]
    assert [n for n in names if n in {s.name for s in steps}] == [
        step.name for step in steps
    ]
    assert backbone.get_layer("frontend") is not None
    for step in steps:
        name = backbone.name if step.name == "backbone" else step.name
        rank = len(model.get_layer(name).output.shape)
        assert rank == step.gives.count(",") + 1, step.name
