import dataclasses
import json
from typing import Any

import keras
import numpy as np
import pytest

import cry_hub
from cry_tf.cli.main import main
from cry_tf.data import load
from cry_tf.layers import SpecAugment
from cry_tf.models import CryClassifier, with_spec_augment
from cry_tf.models.spectrogram_hiding import spec_augment_of
from cry_tf.training import recipe
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.settings import Settings
from cry_tf.training.waveform_trainer import WaveformTrainer

TINY = recipe.FULL.replace(epochs=1, batch_size=8, max_seconds=0.5, spec_augment=True)


def trainer(recordings):
    keras.utils.set_random_seed(0)
    dataset = load(recordings)
    layer = SpecAugment(seed=0)
    backbone = with_spec_augment(cry_hub.load("ds_cnn_s", weights=None), layer)
    model = CryClassifier(backbone, labels=dataset.labels)
    return WaveformTrainer(model, dataset, TINY, seed=0), model


def test_a_reset_puts_back_what_is_drawn_to_be_hidden(recordings):
    trained, model = trainer(recordings)
    places = np.arange(8, 16)
    first = trained.fit(places)["loss"]
    layer: Any = spec_augment_of(model.backbone)
    drawn = [variable.numpy() for variable in layer.variables]
    trained.reset()
    begun = [variable.numpy() for variable in layer.variables]
    assert any((a != b).any() for a, b in zip(drawn, begun, strict=True))
    assert trained.fit(places)["loss"] == first


def test_a_recipe_without_a_trained_backbone_refuses_it():
    with pytest.raises(ValueError, match="spec_augment hides parts.*finetune or full"):
        recipe.QUICK.replace(spec_augment=True)


def test_the_recipe_says_it_and_reads_it_back():
    assert "SpecAugment" in recipe_sentence(TINY)
    assert recipe.Recipe.from_dict(TINY.to_dict()) == TINY
    before = TINY.to_dict()
    del before["spec_augment"]  # of an earlier version
    assert not recipe.Recipe.from_dict(before).spec_augment


def test_the_command_records_it_and_the_saved_model_hides_nothing(
    recordings, tmp_path, monkeypatch
):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "cache"))
    argv = ["train", str(recordings), "-o", str(tmp_path / "run"), "--task", "reason"]
    argv += ["--backbone", "ds_cnn_s", "--weights", "none", "--epochs", "1"]
    argv += ["--folds", "2", "--no-baselines", "--spec-augment"]
    assert main([*argv, "--strategy", "none"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    settings = Settings.from_dict(config["settings"])
    assert settings.recipe.spec_augment
    assert dataclasses.asdict(settings)["strategy"] == "none"
    model: Any = keras.saving.load_model(tmp_path / "run" / "model.keras")
    assert spec_augment_of(model.backbone) is None
