"""The records of the presets, and that listing them costs nothing."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

import cry_hub
from cry_hub import registry
from cry_hub.preset import imported
from cry_hub.yamnet import class_names


def test_listing_presets_loads_no_framework():
    code = (
        "import sys, cry_hub, cry_hub.weights.store, cry_hub.yamnet;"
        "cry_hub.presets(); cry_hub.WeightsError; cry_hub.yamnet.class_names();"
        "heavy = {'tensorflow', 'keras'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_public_name_can_be_had():
    for name in cry_hub.__all__:
        assert getattr(cry_hub, name) is not None
    assert set(cry_hub.__all__) <= set(dir(cry_hub))
    with pytest.raises(AttributeError, match="attribute '?YAMNET"):
        _ = cry_hub.YAMNET


def test_presets_are_named_in_order():
    assert cry_hub.presets() == (
        "yamnet_audioset",
        "vggish_audioset",
        "cnn10_audioset",
        "cnn14_audioset",
        "cnn14_16k_audioset",
        "cnn14_8k_audioset",
        "cnn14_decision_max_audioset",
        "cnn14_decision_att_audioset",
        "resnet22_audioset",
        "wavegram_logmel_cnn14_audioset",
        "mn04_audioset",
        "ds_cnn_s",
        "ds_cnn_m",
    )


@pytest.mark.parametrize("preset", cry_hub.presets())
def test_a_record_is_complete_and_frozen(preset):
    record = registry.get(preset)
    assert record.name == preset
    assert record.summary
    assert record.licence
    assert record.source
    assert record.paper.startswith("https://")
    for file in record.files:
        assert file.url or file.digest
        assert file.url is None or file.url.startswith("https://")
        assert file.digest is None or re.fullmatch(
            "md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", file.digest
        )
    for reference in (record.backbone, *record.layouts, *record.heads.values()):
        assert callable(imported(reference))
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "another"  # type: ignore[misc]


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"yamnet_audioset, vggish_audioset, cnn10.*'yamnet'"
    ):
        registry.get("yamnet")


def test_an_unknown_head_names_the_known_ones():
    with pytest.raises(ValueError, match=r"\(audioset\).*head='imagenet'"):
        registry.get("yamnet_audioset").build("imagenet")
    with pytest.raises(ValueError, match=r"ds_cnn_s has \(none\)"):
        registry.get("ds_cnn_s").build("audioset")


def test_the_521_classes_of_yamnet_are_in_order():
    names = class_names()
    assert len(names) == len(set(names)) == 521
    assert names[0] == "Speech"
    assert names[19:21] == ("Crying, sobbing", "Baby cry, infant cry")
    assert names[-1] == "Field recording"
    assert registry.get("ds_cnn_s").labels == ()
