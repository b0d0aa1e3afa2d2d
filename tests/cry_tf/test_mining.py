import csv
import json

import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_tf import mining
from cry_tf.data import load
from cry_tf.evaluation.scorer import Scorer

RATE_HZ = 16_000
SPEC = ModelSpec(
    task="detect",
    labels=("no_cry", "cry"),
    positive_label="cry",
    front_end=YAMNET,
    decision=DecisionSpec(onset_threshold=0.6, offset_threshold=0.5),
)


def by_loudness(waveform):
    cry = min(1.0, float(np.abs(waveform).max()))
    return np.array([1 - cry, cry], np.float32)


@pytest.fixture
def scorer(tmp_path):
    return Scorer(path=tmp_path, spec=SPEC, score=by_loudness)


def write(path, peaks_at, seconds=20.0, rate_hz=RATE_HZ):
    """Writes a recording with a click of that size at each time."""
    waveform = np.full(round(seconds * rate_hz), 0.01, np.float32)
    for at_s, peak in peaks_at.items():
        waveform[round(at_s * rate_hz)] = peak
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate_hz)
    return path


def test_the_surest_windows_come_first_and_do_not_overlap(scorer, tmp_path):
    write(tmp_path / "in" / "a.wav", {4.5: 0.9, 15.5: 0.7})
    write(tmp_path / "in" / "b.wav", {10.5: 0.8})
    clips, left_out, problems = mining.recordings_of([str(tmp_path / "in")])
    found = mining.mine(scorer, clips)

    assert (left_out, problems) == (0, [])
    assert [round(each.score, 2) for each in found.alarms] == [0.9, 0.8, 0.7]
    assert found.hours == pytest.approx(40 / 3600)
    for alarm, at_s in zip(found.alarms, (4.5, 10.5, 15.5), strict=True):
        assert alarm.start_s <= at_s < alarm.end_s


def test_one_recording_does_not_fill_the_list(scorer, tmp_path):
    many = {at + 0.5: 0.9 for at in range(1, 60, 4)}
    path = write(tmp_path / "a.wav", many, seconds=61)
    clips, _, _ = mining.recordings_of([str(path)])
    assert len(mining.mine(scorer, clips, most_each=3).alarms) == 3
    assert len(mining.mine(scorer, clips, most=2).alarms) == 2


def test_what_is_far_below_the_threshold_is_no_false_alarm(scorer, tmp_path):
    path = write(tmp_path / "a.wav", {5.5: 0.31, 15.5: 0.29})
    clips, _, _ = mining.recordings_of([str(path)])
    assert [round(a.score, 2) for a in mining.mine(scorer, clips).alarms] == [0.31]
    assert len(mining.mine(scorer, clips, least=0.2).alarms) == 2


def test_the_manifest_is_data_for_the_next_training(scorer, tmp_path):
    sound = write(tmp_path / "in" / "a.wav", {4.5: 0.9}, rate_hz=8_000)
    table = tmp_path / "in" / "all.csv"
    table.write_text(
        "file,label,group,dataset\n"
        "a.wav,music,band,household\nb.wav,cry,infant,home\nc.wav,unsure,x,home\n"
    )
    for name in ("b", "c"):
        write(tmp_path / "in" / f"{name}.wav", {4.5: 1.0})
    clips, left_out, _ = mining.recordings_of([str(table)])
    assert left_out == 2
    manifest = mining.write(mining.mine(scorer, clips), tmp_path / "out", "m.tflite")

    dataset = load(manifest)
    (clip,) = dataset.clips
    assert (clip.label, clip.group) == ("no_cry", "band")
    assert clip.columns["source"] == str(sound)
    waveform, rate_hz = soundfile.read(clip.path)
    assert rate_hz == 8_000
    assert np.abs(waveform).max() == pytest.approx(0.9, abs=1e-3)
    assert len(waveform) <= 5 * 8_000
    assert (tmp_path / "out" / "0001.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert facts["model"] == "m.tflite"
    with open(manifest, newline="") as stream:
        (row,) = csv.DictReader(stream)
    # The peak of a click changes with the sample rate.
    assert float(row["score"]) == pytest.approx(0.9, abs=0.05)
    assert row["dataset"] == "household"


def test_what_cannot_be_read_is_named_and_the_rest_is_scored(scorer, tmp_path):
    write(tmp_path / "in" / "a.wav", {4.5: 0.9})
    (tmp_path / "in" / "b.wav").write_text("no sound")
    clips, _, _ = mining.recordings_of([str(tmp_path / "in")])
    found = mining.mine(scorer, clips)
    assert len(found.alarms) == found.recordings == 1
    assert "b.wav" in found.problems[0]


def test_a_classifier_has_no_false_alarms(tmp_path):
    spec = SPEC.replace(task="reason", positive_label=None, labels=("a", "b"))
    scorer = Scorer(path=tmp_path, spec=spec, score=by_loudness)
    with pytest.raises(ValueError, match="a classifier of a, b"):
        mining.mine(scorer, [])
