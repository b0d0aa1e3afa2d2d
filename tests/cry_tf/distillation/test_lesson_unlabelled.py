import numpy as np
import pytest
import soundfile

from cry_tf.data import load
from cry_tf.distillation.lesson import cut_windows
from cry_tf.runs.progress import NoProgress

RATE_HZ = 8_000


class Hears(NoProgress):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def write(path, seconds, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    soundfile.write(path, wave, RATE_HZ)
    return path


@pytest.fixture
def labelled(tmp_path):
    write(tmp_path / "labelled" / "cry" / "a.wav", 1, seed=1)
    write(tmp_path / "labelled" / "rain" / "b.wav", 1, seed=2)
    return load(tmp_path / "labelled")


def windows_of(tmp_path, labelled, progress=None):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    folder = tmp_path / "household"
    return cut_windows(folder, labelled, 3.0, work, progress or NoProgress())


def test_a_recording_becomes_windows_with_names_that_say_where(tmp_path, labelled):
    whole = write(tmp_path / "household" / "deep" / "night.wav", 7.5)
    clips = windows_of(tmp_path, labelled)
    assert [clip.name for clip in clips] == [
        "deep/night.wav@0",
        "deep/night.wav@3",
        "deep/night.wav@6",
    ]
    assert {clip.label for clip in clips} == {labelled.labels[0]}
    found = np.concatenate([soundfile.read(clip.path)[0] for clip in clips])
    np.testing.assert_allclose(found, soundfile.read(whole)[0], atol=1e-7)


def test_a_short_rest_and_silence_are_left_out(tmp_path, labelled):
    write(tmp_path / "household" / "rest.wav", 3.9)
    soundfile.write(tmp_path / "household" / "still.wav", np.zeros(RATE_HZ), RATE_HZ)
    assert [clip.name for clip in windows_of(tmp_path, labelled)] == ["rest.wav@0"]


def test_recordings_of_a_labelled_source_are_left_out_and_said(tmp_path, labelled):
    write(tmp_path / "household" / "other.wav", 2, seed=5)
    # The same bytes as a labelled clip, under another name.
    write(tmp_path / "household" / "copy.wav", 1, seed=1)
    progress = Hears()
    clips = windows_of(tmp_path, labelled, progress)
    assert [clip.name for clip in clips] == ["other.wav@0"]
    assert "1 unlabelled recording left out" in progress.warnings[0]


def test_what_cannot_be_decoded_is_named_and_the_rest_is_taken(tmp_path, labelled):
    write(tmp_path / "household" / "good.wav", 2)
    (tmp_path / "household" / "bad.wav").write_text("no sound")
    progress = Hears()
    assert len(windows_of(tmp_path, labelled, progress)) == 1
    assert "bad.wav" in progress.warnings[0]


def test_an_empty_folder_and_none_are_refused(tmp_path, labelled):
    with pytest.raises(FileNotFoundError, match="There is none"):
        windows_of(tmp_path, labelled)
    (tmp_path / "household").mkdir()
    with pytest.raises(ValueError, match="holds 0 sound files"):
        windows_of(tmp_path, labelled)
