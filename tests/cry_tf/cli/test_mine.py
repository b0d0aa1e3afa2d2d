import json

import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_lite.spec import ModelSpec
from cry_tf.cli.main import main
from cry_tf.evaluation import scorer as scorers

SPEC = ModelSpec(
    task="detect", labels=("no_cry", "cry"), positive_label="cry", front_end=YAMNET
)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A detector whose score is the peak of the window."""

    def score(waveform):
        cry = min(1.0, float(np.abs(waveform).max()))
        return np.array([1 - cry, cry], np.float32)

    def loaded(path):
        return scorers.Scorer(path=path, spec=SPEC, score=score)

    monkeypatch.setattr(scorers, "load_scorer", loaded)
    return "model.tflite"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "household"
    folder.mkdir()
    for name, peak in (("quiet", 0.05), ("loud", 0.8)):
        soundfile.write(folder / f"{name}.wav", np.full(64_000, peak), 16_000)
    return folder


def test_the_false_alarms_of_a_folder_become_a_manifest(
    model, folder, tmp_path, capsys
):
    out = tmp_path / "mined"
    assert main(["mine", model, str(folder), "-o", str(out), "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["clips"], found["recordings"]) == (1, 2)
    assert found["manifest"] == str(out / "manifest.csv")
    assert "loud.wav" in (out / "manifest.csv").read_text()
    assert main(["mine", model, str(folder), "-o", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["mine", model, str(folder), "-o", str(out), "--overwrite"]) == 0


def test_what_cannot_be_read_ends_in_1_after_the_rest(model, folder, tmp_path, capsys):
    (folder / "broken.wav").write_text("no sound")
    assert main(["mine", model, str(folder), "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "broken.wav" in shown.err
    assert (tmp_path / "out" / "0001.flac").is_file()


def test_sounds_without_any_recording_are_refused(model, tmp_path, capsys):
    table = tmp_path / "cries.csv"
    soundfile.write(tmp_path / "a.wav", np.full(64_000, 0.5), 16_000)
    table.write_text("file,label\na.wav,cry\n")
    assert main(["mine", model, str(table), "-o", str(tmp_path / "out")]) == 1
    assert "at least one recording without crying" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
