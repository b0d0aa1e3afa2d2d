import pytest

from cry_tf.studies.quickstart.backbone_choice import BackboneChoice
from cry_tf.studies.quickstart.material import STANDARD


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))


def test_nothing_installed_means_a_small_network_that_comes_with_the_package():
    choice = BackboneChoice.choose(None)
    assert (choice.preset, choice.weights) == ("ds_cnn_s", "pretrained")
    assert "No YAMNet weights are installed" in choice.sentence


def test_none_is_taken_at_its_word():
    assert BackboneChoice.choose("none").weights is None
    assert "as asked" in BackboneChoice.choose("none").sentence


def test_a_file_is_used_and_named(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"")
    choice = BackboneChoice.choose(str(path))
    assert (choice.preset, choice.weights) == ("yamnet_audioset", str(path))
    assert str(path) in choice.sentence


def test_pretrained_is_yamnet_whether_or_not_it_is_installed():
    choice = BackboneChoice.choose("pretrained")
    assert (choice.preset, choice.weights) == ("yamnet_audioset", "pretrained")
    assert "published weights" in choice.sentence


def test_a_folder_or_the_prefix_of_a_checkpoint_is_taken(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    for path in (tmp_path / "saved", tmp_path / "model.ckpt"):
        assert BackboneChoice.choose(str(path)).weights == str(path)


def test_a_missing_file_is_refused():
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        BackboneChoice.choose("nowhere.npz")


def test_scratch_trains_everything_and_pretrained_the_head(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"")
    scratch = BackboneChoice.choose("none").settings("detect", 0, STANDARD, 2)
    pretrained = BackboneChoice.choose(str(path)).settings("reason", 3, STANDARD, 5)
    assert scratch.recipe.trains == "all"
    assert pretrained.recipe.trains == "head"
    assert (pretrained.seed, pretrained.folds) == (3, 5)
