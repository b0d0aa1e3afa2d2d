"""Which recorder or data set each clip is read to be of."""

import pytest

from cry_tf.data import load


@pytest.fixture
def manifest(write, tmp_path):
    """Writes a manifest of two clips into a folder, with further columns."""

    def make(folder, columns="", values=("", "")):
        for name in ("a.wav", "b.wav"):
            write(f"{folder}/{name}")
        rows = [f"a.wav,cry{values[0]}", f"b.wav,rain{values[1]}"]
        path = tmp_path / folder / f"{folder}.csv"
        path.write_text("\n".join([f"file,label{columns}", *rows]) + "\n")
        return path

    return make


def domains(*arguments, **columns):
    return load(*arguments, **columns).domains.tolist()


def test_a_column_dataset_names_the_domain(manifest):
    path = manifest("x", ",dataset", (",phone", ", studio "))
    assert domains(path) == ["phone", "studio"]
    assert load(path).clips[0].columns["dataset"] == "phone"


def test_another_column_can_name_it(manifest):
    path = manifest("x", ",dataset,device", (",one,p1", ",one,p2"))
    assert domains(path, domain_by="device") == ["p1", "p2"]


def test_without_a_column_there_is_none(manifest):
    assert domains(manifest("x")) == ["", ""]


def test_of_several_each_is_a_domain(manifest, write, tmp_path):
    write("folder/rain/c.wav")
    stated = manifest("z", ",dataset", (",phone", ","))
    parts = [manifest("x"), tmp_path / "folder", stated]
    assert domains(parts) == ["x", "x", "folder", "phone", ""]


def test_a_manifest_in_its_folder_has_the_name_of_the_folder(manifest, tmp_path):
    manifest("x").rename(tmp_path / "x" / "MANIFEST.csv")
    paths = [tmp_path / "x" / "MANIFEST.csv", manifest("y")]
    assert domains(paths) == ["x", "x", "y", "y"]
    assert domains([tmp_path / "x", paths[1]]) == ["x", "x", "y", "y"]


def test_two_of_one_name_have_their_paths(write, tmp_path):
    for folder in ("one/night", "two/night"):
        write(f"{folder}/rain/c.wav")
    paths = [tmp_path / "one" / "night", tmp_path / "two" / "night"]
    assert domains(paths) == list(map(str, paths))


def test_a_missing_column_is_named_with_the_nearest(manifest):
    path = manifest("x", ",recorder", (",a", ",b"))
    with pytest.raises(ValueError, match=r"lacks 'recorders'\. Nearest: 'recorder'\."):
        load(path, domain_by="recorders")
    with pytest.raises(ValueError, match=r"lacks 'zzz'\. Its columns"):
        load(path, domain_by="zzz")


def test_a_folder_has_no_columns(write, tmp_path):
    write("rain/c.wav")
    with pytest.raises(ValueError, match="domain_by names a column of a manifest"):
        load(tmp_path, domain_by="device")


def test_the_label_is_no_recorder(manifest):
    path = manifest("x", ",dataset", (",phone", ",studio"))
    assert domains(path, label_column="dataset") == ["", ""]
    with pytest.raises(ValueError, match="another one than that of the label"):
        load(path, domain_by="label")


def test_joined_split_and_mapped_clips_keep_theirs(manifest):
    data = load(manifest("x", ",dataset", (",a", ",b")))
    joined = data + load(manifest("y", ",dataset", (",c", ",d")))
    assert joined.domains.tolist() == ["a", "b", "c", "d"]
    assert joined.subset([3, 1]).domains.tolist() == ["d", "b"]
    assert joined.map_labels(str.upper).domains.tolist() == ["a", "b", "c", "d"]
