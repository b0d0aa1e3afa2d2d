import json

import pytest

from cry_tf.training import recipe
from cry_tf.training.settings import Settings


def test_settings_become_json():
    settings = Settings(task="detect", recipe=recipe.QUICK, positive=("cry",))
    assert json.loads(json.dumps(settings.to_dict()))["recipe"]["name"] == "quick"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "sleep"}, "task must be detect or reason"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"task": "reason", "positive": ("cry",)}, "for task=detect"),
        ({"weights": None}, "trains the head alone"),
    ],
)
def test_what_cannot_work_is_said_at_once(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        Settings(**{"task": "detect", "recipe": recipe.QUICK, **change})


def test_settings_are_the_same_after_json():
    settings = Settings(
        task="detect", recipe=recipe.FINE_TUNE, positive=("cry",), bandwidth=4000.0
    )
    again = Settings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings


def test_settings_of_another_version_are_refused():
    values = Settings(task="reason", recipe=recipe.QUICK).to_dict()
    with pytest.raises(ValueError, match="fields of this version.*device"):
        Settings.from_dict({**values, "device": "gpu"})


@pytest.mark.parametrize("min_recall", [0.0, 1.2, -1.0])
def test_a_recall_is_a_share(min_recall):
    with pytest.raises(ValueError, match=f"min_recall={min_recall}"):
        Settings(task="detect", recipe=recipe.QUICK, min_recall=min_recall)
