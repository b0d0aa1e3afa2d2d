import dataclasses

import numpy as np
import pytest

from cry_tf.data import load
from cry_tf.training import writing


@pytest.fixture
def two(write, tmp_path):
    """A folder of cries by infant and one of noises without a known source."""
    for number in range(2):
        write(f"all/a/cry/ann/{number}.wav")
        write(f"all/a/no_cry/{number}.wav")
        write(f"all/b/no_cry/{number}.wav")
        write(f"all/b/tired/ann/{number}.wav")
    return load(tmp_path / "all/a"), load(tmp_path / "all/b")


def test_labels_names_and_groups_of_both_are_kept(two):
    both = two[0] + two[1]
    assert len(both) == 8
    assert both.labels == ("cry", "no_cry", "tired")
    assert both.label_counts == {"cry": 2, "no_cry": 4, "tired": 2}
    names = [clip.name for clip in both.clips]
    assert len(set(names)) == 8
    assert names[0] == "a/cry/ann/0.wav"
    assert names[-1] == "b/tired/ann/1.wav"
    # One infant, however many folders; clips of no known source each alone.
    assert {c.group for c in both.clips if "ann" in c.name} == {"ann"}
    assert len({c.group for c in both.clips if "ann" not in c.name}) == 4


def test_a_run_finds_the_clips_of_both_again(two, tmp_path):
    both = two[0] + two[1]
    facts = writing.data_facts(both, "two folders", (), tmp_path / "run")
    assert facts["folder"] == "../all"
    for clip in both.clips:
        assert (tmp_path / "run" / facts["folder"] / clip.name).resolve() == clip.path


def test_the_order_of_labels_is_defined(two):
    one, other = two
    backwards = one.with_labels(("no_cry", "cry"))
    assert (backwards + other).labels == ("no_cry", "cry", "tired")
    assert (other + backwards).labels == ("no_cry", "tired", "cry")


def test_the_same_recording_under_two_names_is_one_group(write, tmp_path):
    wave = np.linspace(-0.5, 0.5, 800)
    for name in ("a/cry/one.wav", "b/no_cry/other.wav"):
        write(name, wave)
    write("b/no_cry/third.wav")
    both = load(tmp_path / "a") + load(tmp_path / "b")
    first, second, third = both.groups
    assert first == second != third
    assert "byte for byte: 1 (1 group joined" in both.grouping


def test_parts_of_one_folder_become_it_again(two):
    train, test = two[0].subset([0, 1]), two[0].subset([2, 3])
    assert train + test == two[0]


def test_a_clip_in_both_is_refused(two):
    with pytest.raises(ValueError, match=r"4 in both, first .*0\.wav"):
        two[0] + two[0]
    with pytest.raises(TypeError):
        two[0] + "b"


def test_folders_without_a_common_root_keep_whole_paths(write, tmp_path):
    write("one/cry/a.wav")
    write("sounds/b.wav")
    manifest = tmp_path / "two" / "list.csv"
    manifest.parent.mkdir()
    manifest.write_text("file,label\n../sounds/b.wav,cry\n")
    both = load(tmp_path / "one") + load(manifest)
    for clip in both.clips:
        assert clip.path.samefile(clip.name)


def test_several_paths_are_loaded_as_one_set(two, tmp_path):
    both = load([tmp_path / "all/a", str(tmp_path / "all/b")])
    joined = two[0] + two[1]
    assert [clip.domain for clip in both.clips] == ["a"] * 4 + ["b"] * 4
    clips = tuple(dataclasses.replace(clip, domain="") for clip in both.clips)
    assert dataclasses.replace(both, clips=clips) == joined
    assert load([tmp_path / "all/a"]) == two[0]
    with pytest.raises(ValueError, match="none"):
        load([])
