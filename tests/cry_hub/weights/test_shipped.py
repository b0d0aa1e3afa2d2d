"""Bundled weights."""

import dataclasses
import re

import numpy as np
import pytest

import cry_hub
from cry_hub import registry
from cry_hub.preset import WeightsFile
from cry_hub.weights import shipped, store

SHIPPED = ("ds_cnn_s", "ds_cnn_m")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", SHIPPED)
def test_pretrained_needs_neither_network_nor_cache(name):
    backbone = cry_hub.load(name)
    random = cry_hub.load(name, weights=None)
    assert "comes with cry-tf" in backbone.weights_source
    assert f"sha256:{backbone.weights_sha256}" == registry.get(name).files[0].digest
    pairs = zip(backbone.get_weights(), random.get_weights(), strict=True)
    assert not any(np.array_equal(mine, other) for mine, other in pairs)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_what_the_file_is_and_what_it_heard(name):
    path = shipped.shipped_file(registry.get(name))
    assert path is not None
    assert path.stat().st_size <= 2_000_000
    sha256 = registry.get(name).files[0].digest.partition(":")[2]
    card = path.with_suffix(".md").read_text()
    assert sha256 in card
    assert "ODbL" in card
    heard = shipped.trained_on(sha256)
    assert len(heard) > 1000
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in heard)


def test_other_weights_have_heard_nothing_that_is_known():
    assert shipped.trained_on(None) == frozenset()
    assert shipped.trained_on("0" * 64) == frozenset()


def test_an_installed_file_goes_before_the_one_that_comes_along(tmp_path):
    own = cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), tmp_path / "own.npz")
    store.install("ds_cnn_s", own)
    assert store.obtain("ds_cnn_s") == store.find("ds_cnn_s")
    assert "not a known file" in cry_hub.load("ds_cnn_s").weights_source


def test_a_file_with_an_address_goes_before_the_one_that_comes_along():
    file = WeightsFile(name="published.npz", url="https://example.org/published.npz")
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(file,))
    assert shipped.shipped_file(record) is None


def test_a_shipped_file_that_was_changed_is_not_used(tmp_path, monkeypatch):
    for name in SHIPPED[:1]:
        path = shipped.shipped_file(registry.get(name))
        monkeypatch.setattr(shipped, "_PACKAGE", tmp_path)
        target = tmp_path / registry.get(name).shipped
        target.parent.mkdir(parents=True)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
        side = path.with_name(path.name + ".sha256")
        target.with_name(side.name).write_bytes(side.read_bytes())
        with pytest.raises(cry_hub.WeightsError, match="has changed"):
            cry_hub.load(name)
