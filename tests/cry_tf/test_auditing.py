import csv
import json

import numpy as np
import pytest
import soundfile

from cry_tf import auditing
from cry_tf.cli.main import main
from cry_tf.data import load

RATE_HZ = 16_000


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def write(tmp_path, rng):
    def write_one(name, waveform=None, seconds=0.5, rate_hz=RATE_HZ, level=0.1):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if waveform is None:
            waveform = level * rng.normal(size=round(seconds * rate_hz))
        soundfile.write(path, waveform, rate_hz)
        return path

    return write_one


@pytest.fixture
def audited(write, tmp_path):
    def make(**options):
        return auditing.audit(load(tmp_path / "data"), **options)

    return make


def test_formats_durations_and_rates_are_counted_by_label(write, audited):
    write("cry/a/1.wav", seconds=0.5)
    write("cry/a/2.flac", seconds=2.5, rate_hz=8_000)
    write("rain/b/1.wav", np.zeros((RATE_HZ, 2)) + [0.1, 0.2], seconds=1)
    cry, rain = audited().labels

    assert (cry.name, cry.clips, cry.groups) == ("cry", 2, 1)
    assert (cry.shortest_s, cry.median_s, cry.longest_s) == (0.5, 1.5, 2.5)
    assert cry.hours == pytest.approx(3 / 3600)
    assert cry.formats == {"wav PCM_16 x1": 1, "flac PCM_16 x1": 1}
    assert cry.sample_rates_hz == {"16000": 1, "8000": 1}
    assert rain.formats == {"wav PCM_16 x2": 1}


def test_the_same_samples_in_another_format_and_group_are_a_leak(write, audited, rng):
    wave = rng.integers(-3000, 3000, RATE_HZ).astype(np.int16)
    write("cry/a/1.wav", wave)
    write("cry/b/other.flac", np.concatenate([np.zeros(100, np.int16), wave]))
    write("rain/c/1.wav")
    found = audited()
    assert found.same_sound == (("cry/a/1.wav", "cry/b/other.flac"),)
    assert any("same samples in several files" in each for each in found.warnings)


def test_copies_byte_for_byte_are_of_one_group_and_no_leak(write, audited, tmp_path):
    path = write("cry/a/1.wav")
    copy = tmp_path / "data" / "cry" / "b" / "2.wav"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    write("rain/c/1.wav")
    found = audited()
    assert found.same_files == (("cry/a/1.wav", "cry/b/2.wav"),)
    assert found.same_sound == ()
    assert not any("samples" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("night_part1", "night_part2"),
        ("baby", "generated3_baby"),
        ("baby", "baby_aug_pitch"),
        ("Baby", "baby (1)"),
        ("baby_slice_01", "generated_baby_slice_07"),
    ],
)
def test_versions_and_slices_in_different_groups_are_named(write, audited, one, other):
    write(f"cry/a/{one}.wav")
    write(f"cry/b/{other}.wav")
    write("rain/c/night2.wav")
    found = audited()
    assert found.same_names == ((f"cry/a/{one}.wav", f"cry/b/{other}.wav"),)
    assert any("versions or slices of 1 recording" in each for each in found.warnings)


def test_slices_of_one_group_and_names_that_are_merely_alike_are_no_leak(
    write, audited
):
    for name in ("cry/a/x_part1", "cry/a/x_part2", "cry/b/1", "rain/c/2", "rain/d/1"):
        write(f"{name}.wav")
    assert audited().same_names == ()


def test_groups_with_both_labels_and_the_most_folds_are_told(write, audited):
    for name in ("cry/a/1", "cry/b/1", "cry/b/2", "rain/a/1", "rain/c/1", "rain/d/1"):
        write(f"{name}.wav")
    found = audited()
    assert found.mixed_groups == ("a",)
    assert found.folds == 2
    assert found.notes[0] == "1 of 4 groups have clips of more than one label."


@pytest.fixture
def two_recorders(write, tmp_path):
    """A manifest of loud cries of a phone, and quiet rain of a studio."""
    rows = ["file,label,group,recorder"]
    for i in range(6):
        write(f"c{i}.wav", level=0.1)
        write(f"r{i}.wav", level=0.001)
        rows += [f"c{i}.wav,cry,c{i},phone", f"r{i}.wav,rain,r{i},studio"]
    path = tmp_path / "data" / "clips.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_labels_that_the_recorder_gives_away_are_warned_of(two_recorders):
    found = auditing.audit(load(two_recorders, domain_by="recorder"))
    assert found.channel is not None
    assert found.channel.recorded.value == 1
    assert found.warnings[0].startswith(
        "All cries were recorded by phone; no other sound was"
    )
    assert [part.name for part in found.domains] == ["phone", "studio"]
    assert found.domains[0].labels == {"cry": 6}


def test_reasons_are_asked_for_as_they_are(write, audited):
    for i in range(10):
        write(f"hungry/a{i}/1.wav", level=0.1)
        write(f"tired/b{i}/1.wav", level=0.001)
    found = audited()
    assert found.channel is not None
    assert found.channel.limited.value == pytest.approx(1, abs=0.1)
    assert not any("recorded by" in each for each in found.warnings)


def test_a_clip_that_cannot_be_used_is_named_and_the_others_are_audited(
    write, tmp_path, capsys
):
    write("cry/a/1.wav")
    write("rain/b/1.wav")
    (tmp_path / "data" / "rain" / "b" / "2.wav").write_bytes(b"no sound")
    assert main(["audit", str(tmp_path / "data"), "--json"]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["clips"] == 2
    assert [each["is_usable"] for each in found["problems"]] == [False]
    assert "2.wav" in captured.err


def test_nothing_usable_is_an_error(write, tmp_path, capsys):
    write("cry/a/1.wav", np.zeros(RATE_HZ))
    assert main(["audit", str(tmp_path / "data")]) == 1
    assert "At least one clip must be usable" in capsys.readouterr().err


def test_a_folder_of_results_has_the_findings_the_clips_and_a_page(
    two_recorders, tmp_path, capsys
):
    out = tmp_path / "out"
    argv = ["audit", str(two_recorders), "--domain", "recorder", "-o", str(out)]
    assert main(argv) == 0
    shown = capsys.readouterr()
    assert "warning: All cries were recorded by phone" in shown.err
    assert {path.name for path in out.iterdir()} == {
        "metrics.json",
        "clips.csv",
        "report.html",
    }
    with open(out / "clips.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 12
    assert rows[0]["domain"] == "phone"
    assert float(rows[0]["duration_s"]) == 0.5
    assert json.loads((out / "metrics.json").read_text())["folds"] == 6
    page = (out / "report.html").read_text()
    assert "All cries were recorded by phone" in page
    assert "<td>studio</td>" in page
    assert main(argv) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_column_that_is_missing_is_named_with_the_nearest(two_recorders, capsys):
    assert main(["audit", str(two_recorders), "--domain", "recoder"]) == 1
    assert "Nearest: 'recorder'" in capsys.readouterr().err
