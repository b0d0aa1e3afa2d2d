import json

import pytest

from cry_tf.runs import result_folder


def write(path, overwrite=False, text="{}"):
    with result_folder.writing(path, overwrite) as part:
        (part / result_folder.MARK).write_text(text)


def test_the_folder_appears_only_when_all_is_written(tmp_path):
    with result_folder.writing(tmp_path / "run") as part:
        (part / "metrics.json").write_text("{}")
        assert not (tmp_path / "run").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def fail_in_the_middle(path, error):
    with result_folder.writing(path) as part:
        (part / "half").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_error_in_the_middle_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        fail_in_the_middle(tmp_path / "run", error)
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_earlier_result(tmp_path):
    write(tmp_path / "run", text='"first"')
    with (
        pytest.raises(KeyboardInterrupt),
        result_folder.writing(tmp_path / "run", overwrite=True),
    ):
        raise KeyboardInterrupt
    assert (tmp_path / "run" / "metrics.json").read_text() == '"first"'
    assert len(list(tmp_path.iterdir())) == 1


def test_an_earlier_result_is_replaced_only_when_asked_for(tmp_path):
    write(tmp_path / "run", text='"first"')
    with pytest.raises(FileExistsError, match="--overwrite"):
        write(tmp_path / "run")
    write(tmp_path / "run", overwrite=True, text='"second"')

    assert (tmp_path / "run" / "metrics.json").read_text() == '"second"'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_of_recordings_is_never_replaced(tmp_path):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "cry.wav").write_bytes(b"cry")
    with pytest.raises(FileExistsError, match="something else, which is left alone"):
        write(tmp_path / "recordings", overwrite=True)
    assert (tmp_path / "recordings" / "cry.wav").read_bytes() == b"cry"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("notes")
    with pytest.raises(FileExistsError, match="must be a folder"):
        write(tmp_path / "run", overwrite=True)


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty")
    write(tmp_path / "a" / "b" / "run")
    assert (tmp_path / "empty" / "metrics.json").is_file()
    assert (tmp_path / "a" / "b" / "run" / "metrics.json").is_file()


def test_json_without_a_finite_number_is_refused(tmp_path):
    result_folder.write_json(tmp_path / "x.json", {"é": 1.5})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"é": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        result_folder.write_json(tmp_path / "x.json", {"loss": float("nan")})
