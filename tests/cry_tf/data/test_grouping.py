import pytest

from cry_tf.data import load
from cry_tf.data.grouping import known_source

UUID = "0c8f14a9-6999-485b-97a2-913c1cbf099c"


@pytest.mark.parametrize(
    ("stem", "source"),
    [
        (f"{UUID}-1430760379259-1.7-m-26-hu", ("donateacry", UUID)),
        (f"{UUID.upper()}-1430138495-1.0-m-72-bp", ("donateacry", UUID)),
        ("1-187207-A", ("esc", "freesound:187207")),
        ("4-251959-B-47", ("esc", "freesound:251959")),
        (UUID, None),
        ("6-187207-A", None),
        ("1-187207-A-47-x", None),
        ("2024-11-20", None),
        ("clip1", None),
        ("", None),
    ],
)
def test_names_of_known_corpora_tell_the_source(stem, source):
    assert known_source(stem) == source


def test_the_folder_inside_the_label_folder_is_the_source_under_every_label(
    write, tmp_path
):
    for name in ("tired/ann/1.wav", "hungry/ann/sub/2.wav", "hungry/bob/3.wav"):
        write(name)
    data = load(tmp_path)
    assert {c.name: c.group for c in data.clips} == {
        "hungry/ann/sub/2.wav": "ann",
        "hungry/bob/3.wav": "bob",
        "tired/ann/1.wav": "ann",
    }
    assert "3 clips in 2 groups by the folder inside the label folder" in data.grouping
    assert "leakage" not in data.grouping


def test_what_the_user_states_goes_before_names(write, tmp_path):
    write(f"hungry/ann/{UUID}-1430760379259-1.7-m-26-hu.wav")
    assert load(tmp_path).groups.tolist() == ["ann"]


def test_clips_of_unknown_source_stand_alone_and_the_user_is_told(write, tmp_path):
    for name in ("a/1.wav", "a/2.wav", "b/1.wav", f"b/{UUID}-1.wav"):
        write(name)
    data = load(tmp_path)
    assert len(set(data.groups)) == 4
    assert "No known source for 3 clips" in data.grouping
    assert "leakage" in data.grouping
    assert "1 clip in 1 group by the device id" in data.grouping


def test_a_row_without_a_group_is_told_apart_by_its_name(write, tmp_path):
    write("1-99-A.wav")
    write("x.wav")
    (tmp_path / "m.csv").write_text("file,label,group\n1-99-A.wav,a,\nx.wav,a,g\n")
    assert load(tmp_path / "m.csv").groups.tolist() == ["freesound:99", "g"]


def test_the_same_recording_in_two_groups_joins_them(write, tmp_path, rng):
    wave = rng.uniform(-0.5, 0.5, 1600)
    write("a/ann/1.wav", wave)
    write("a/bob/2.wav", wave)
    write("a/bob/3.wav")
    write("b/cas/4.wav", rng.uniform(-0.5, 0.5, 1600))  # same size, other content
    data = load(tmp_path)
    assert {c.name: c.group for c in data.clips} == {
        "a/ann/1.wav": "ann",
        "a/bob/2.wav": "ann",
        "a/bob/3.wav": "ann",
        "b/cas/4.wav": "cas",
    }
    assert "byte for byte: 1 (1 group joined" in data.grouping
    assert "more than one label" not in data.grouping


def test_chains_of_copies_join_all_their_groups(write, tmp_path, rng):
    waves = rng.uniform(-0.5, 0.5, (3, 1600))
    for name, wave in {
        "a/g1/1.wav": 0,
        "a/g2/2.wav": 0,
        "a/g2/3.wav": 1,
        "a/g3/4.wav": 1,
        "a/g3/5.wav": 2,
        "b/g0/6.wav": 2,
    }.items():
        write(name, waves[wave])
    assert set(load(tmp_path).groups) == {"g0"}


def test_a_recording_with_two_labels_is_joined_and_reported(write, tmp_path, rng):
    wave = rng.uniform(-0.5, 0.5, 1600)
    write("hungry/1.wav", wave)
    write("tired/2.wav", wave)
    data = load(tmp_path)
    assert len(set(data.groups)) == 1
    assert "hungry/1.wav is hungry, tired/2.wav is tired" in data.grouping
