import numpy as np
import pytest

from cry_tf.runs.checkpoint import Checkpoint

FACTS = {"data": {"sha256": "a"}, "settings": {"recipe": {"epochs": 3}}}


@pytest.fixture
def kept(tmp_path):
    return Checkpoint.of(tmp_path / "run")


def stopped(kept, *epochs):
    """Begins a run, keeps an epoch for each name, and is stopped."""
    with kept.open(False, False):
        kept.require_same(FACTS)
        for name in epochs:
            kept.slot(name).save({"progress": {}}, {"now0": np.arange(3)})
        raise KeyboardInterrupt


def interrupted(kept):
    with pytest.raises(KeyboardInterrupt):
        stopped(kept, "0")


def test_what_an_interrupted_run_did_is_there_again(kept):
    interrupted(kept)
    with kept.open(True, False):
        facts, arrays = kept.slot("0").load()
        assert facts["progress"] == {}
        np.testing.assert_array_equal(arrays["now0"], np.arange(3))
        assert kept.slot("1").load() is None  # an epoch belongs to its fold
    assert not kept.folder.exists()  # the run is done


def test_a_finished_fold_takes_the_place_of_its_epochs(kept):
    with kept.open(False, False):
        kept.slot("0").save({"progress": {}}, {"now0": np.arange(3)})
        kept.save_fold("0", np.ones((2, 2), "float32"), {"loss": [0.5]})
        assert kept.slot("0").load() is None
        scores, history = kept.fold("0")
        np.testing.assert_array_equal(scores, np.ones((2, 2)))
        assert history == {"loss": [0.5]}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"data": {"sha256": "b"}}, "data.sha256 'b', which was 'a'"),
        ({"settings": {"recipe": {"epochs": 4}}}, "settings.recipe.epochs 4.*was 3"),
    ],
)
def test_changed_data_or_settings_are_refused_by_name(kept, change, name):
    interrupted(kept)
    with (
        pytest.raises(ValueError, match=f"needs the data.*{name}"),
        kept.open(True, False),
    ):
        kept.require_same(FACTS | change)
    assert kept.has_progress  # nothing is lost by asking


def test_an_interrupted_run_is_not_thrown_away_unasked(kept):
    interrupted(kept)
    with pytest.raises(FileExistsError, match="--resume.*--overwrite"):
        stopped(kept)
    assert kept.has_progress
    with kept.open(False, True):
        assert not kept.has_progress


def test_an_interrupt_before_the_first_epoch_leaves_nothing(kept):
    with pytest.raises(KeyboardInterrupt):
        stopped(kept)
    assert not kept.folder.exists()


def test_what_was_computed_for_an_interrupted_run_goes_with_it(kept):
    def begin(is_resumed):
        with kept.open(is_resumed, not is_resumed):
            found = kept.maps.exists()
            kept.maps.mkdir(exist_ok=True)
            kept.slot("0").save({"progress": {}}, {})
            (kept.maps / "0.maps").touch()
            raise KeyboardInterrupt(found)

    for is_resumed, is_there in ((False, False), (True, True), (False, False)):
        with pytest.raises(KeyboardInterrupt, match=str(is_there)):
            begin(is_resumed)


def test_one_process_at_a_time_makes_a_run(kept):
    with (
        kept.open(False, False),
        pytest.raises(FileExistsError, match="One process at a time"),
    ):
        Checkpoint(kept.folder).open(True, False).__enter__()


def test_a_damaged_file_is_as_good_as_none(kept):
    with kept.open(False, False):
        kept.slot("0").save({"progress": {}}, {"now0": np.arange(3)})
        path = kept.folder / "now.npz"
        path.write_bytes(path.read_bytes()[:50])
        assert kept.slot("0").load() is None
