import json

import pytest

from cry_tf.distillation.distill_settings import RECIPE, DistillSettings
from cry_tf.training.recipe import FINE_TUNE
from cry_tf.training.settings import Settings


def student(recipe=RECIPE):
    return Settings(task="detect", recipe=recipe, backbone="ds_cnn_s", weights=None)


def test_settings_survive_json():
    settings = DistillSettings(student=student(), teacher_weights=(1.0, 2.0))
    values = json.loads(json.dumps(settings.to_dict()))
    assert DistillSettings.from_dict(values) == settings


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"temperature": float("inf")}, "temperature must be positive"),
        ({"alpha": 1.5}, r"must be in \[0, 1\]"),
        ({"alpha": -0.1}, r"must be in \[0, 1\]"),
        ({"filter_precision": 1.0}, r"filter_precision must be in \(0, 1\)"),
        ({"window_s": 0.5}, "window_s must be at least 1"),
        ({"copies": 2}, "copies is the number of augmented copies"),
        ({"student": student(FINE_TUNE)}, "in one stage"),
        ({"student": student(RECIPE.replace(mixup=0.2))}, "has its own loss"),
    ],
)
def test_what_cannot_be_distilled_is_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        DistillSettings(**{"student": student(), **changes})
