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
