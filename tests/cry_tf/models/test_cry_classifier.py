"""The classifier's own face: labels and presets."""

from __future__ import annotations

import pytest

import cry_hub
from cry_tf.models import CryClassifier


def test_a_preset_gives_a_classifier_with_its_backbone():
    model = CryClassifier.from_preset(
        "ds_cnn_s",
        labels=["hungry", "tired"],
        pooling="attention",
        weights=None,
        cutoff_hz=4_000.0,
        dropout=0.1,
        name="why",
    )
    assert isinstance(model.backbone, cry_hub.DSCNN)
    assert model.name == "why"
    assert model.labels == ("hungry", "tired")
    assert model.positive_label is None
    assert model.spec.task == "reason"
    assert model.spec.front_end.cutoff_hz == 4_000.0
    assert model.backbone.trainable
    assert model.get_layer("dropout").rate == 0.1


def test_arguments_of_the_backbone_and_of_the_model_find_their_place():
    model = CryClassifier.from_preset(
        "ds_cnn_s",
        ["hungry", "tired"],
        weights=None,
        head="mlp",
        pre_emphasis=0.97,
        z_score=True,
    )
    assert model.head == "mlp"
    assert model.spec.front_end.pre_emphasis == 0.97
    assert model.spec.front_end.z_score
    with pytest.raises(ValueError, match="ds_cnn_s takes no hed: its backbone DSCNN"):
        CryClassifier.from_preset("ds_cnn_s", ["a", "b"], weights=None, hed="mlp")


def test_a_preset_can_be_frozen():
    model = CryClassifier.from_preset(
        "ds_cnn_s", ["hungry", "tired"], weights=None, trainable_backbone=False
    )
    assert model.backbone.trainable_weights == []
    head = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert head == {"pooling", "logits"}


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="ds_cnn_s"):
        CryClassifier.from_preset("cnn99", ["hungry", "tired"])


def test_missing_weights_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path))
    with pytest.raises(cry_hub.WeightsError, match="yamnet_audioset"):
        CryClassifier.from_preset("yamnet_audioset", ["hungry", "tired"])
