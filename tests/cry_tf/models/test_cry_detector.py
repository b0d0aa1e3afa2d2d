"""The detector's own face: which label is a cry, and how it listens."""

from __future__ import annotations

import pytest

from cry_lite.spec import DecisionSpec
from cry_tf.models import CryDetector


def test_it_needs_no_labels(toy_backbone):
    model = CryDetector(toy_backbone)
    assert model.labels == ("no_cry", "cry")
    assert model.positive_label == "cry"
    assert model.spec.task == "detect"
    assert model.spec.positive_label == "cry"


def test_it_listens_to_3_seconds_every_second(toy_backbone):
    decision = CryDetector(toy_backbone).spec.decision
    assert (decision.window_s, decision.hop_s) == (3.0, 1.0)


def test_the_decision_can_be_set(toy_backbone):
    model = CryDetector(toy_backbone)
    model.decision = model.decision.replace(onset_threshold=0.8)
    assert model.spec.decision == DecisionSpec(onset_threshold=0.8)


def test_the_positive_label_may_have_another_name_and_place(toy_backbone):
    model = CryDetector(toy_backbone, ["wail", "talk", "dog"], positive_label="wail")
    assert model.spec.positive_label == "wail"
    assert model.output_shape == (None, 3)


def test_a_positive_label_that_is_no_label_is_refused(toy_backbone):
    with pytest.raises(ValueError, match="positive_label='cry', labels="):
        CryDetector(toy_backbone, ["wail", "talk"])


def test_a_preset_gives_a_detector():
    model = CryDetector.from_preset("ds_cnn_s", weights=None, trainable_backbone=False)
    assert model.labels == ("no_cry", "cry")
    assert model.backbone.trainable_weights == []
