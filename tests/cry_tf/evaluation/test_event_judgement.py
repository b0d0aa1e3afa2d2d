"""A detector that knows how loud it is, on recordings with tones in them."""

import csv
import json

import numpy as np
import pytest
import soundfile

from cry_lite.front_ends import YAMNET
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_tf.data import event_files
from cry_tf.evaluation.event_judgement import find_recordings, judge_events
from cry_tf.evaluation.scorer import Scorer

RATE_HZ = 16_000
SPEC = ModelSpec(
    task="detect",
    labels=("no_cry", "cry"),
    positive_label="cry",
    front_end=YAMNET,
    decision=DecisionSpec(
        window_s=1.0, hop_s=1.0, onset_threshold=0.4, offset_threshold=0.2
    ),
)


def loudness(waveform):
    score = min(1.0, float(np.sqrt(np.square(waveform).mean())))
    return np.array([1 - score, score], np.float32)


@pytest.fixture
def scorer(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(b"loudness")
    return Scorer(path=path, spec=SPEC, score=loudness)


def write(path, spans, length_s=120):
    """Writes a square wave of a level within spans, and silence."""
    wave = np.zeros(length_s * RATE_HZ)
    for start, end, level in spans:
        wave[start * RATE_HZ : end * RATE_HZ] = level
    wave[1::2] *= -1
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE_HZ)
    return path


@pytest.fixture
def nights(tmp_path):
    """Two bouts found and one missed, one false alarm, one recording without."""
    folder = tmp_path / "nights"
    write(folder / "a.wav", [(10, 20, 0.8), (50, 55, 0.3), (90, 95, 0.6)])
    write(folder / "b.flac", [(30, 40, 0.9)])
    write(folder / "deep" / "quiet.wav", [(60, 62, 0.05)])
    events = folder / "events.csv"
    events.write_text(
        "file;start_s;end_s;room\n"
        "a.wav;10,0;14,5;kitchen\na.wav;15;20;kitchen\n"
        "a.wav;50;55;bedroom\nb.flac;30;40;bedroom\n"
    )
    return folder


def judged(scorer, nights, out, **settings):
    recordings = find_recordings([nights])
    files = event_files.read([nights / "events.csv"])
    return judge_events(scorer, recordings, files, out, **settings)


def test_every_figure_is_that_of_the_recordings(scorer, nights, tmp_path):
    found = judged(scorer, nights, tmp_path / "out", by="room")
    figures = found.figures

    assert found.left_out == ()
    assert (figures.recordings, figures.bouts, figures.bout_s) == (3, 3, 10.0)
    assert figures.hours == pytest.approx(0.1)
    assert figures.hours_without == pytest.approx((360 - 25 - 3 * 4) / 3600)
    assert figures.own.recall.value == pytest.approx(2 / 3)
    assert figures.own.false_alarms == 1
    # Both found bouts are placed exactly; the third event is wrong, the third bout not
    # found.
    assert figures.event_f1.value == pytest.approx(2 * 2 / (3 + 3))
    assert figures.intersection_f1.value == pytest.approx(2 / 3)
    assert figures.segment_f1.value == pytest.approx(2 * 20 / (25 + 25))
    assert figures.onset_delay_s.value == 0
    assert figures.alarm_delay_s.value == 1.0  # the first window of a second is over
    best = dict(figures.at_rates)
    assert best[0.1].recall.value == pytest.approx(2 / 3)
    assert best[0.1].false_alarms == 0
    assert figures.psds1.value == pytest.approx(
        (2 / 3 * 10 + 1.0 * 90) / 100, abs=0.001
    )  # one false alarm in a tenth of an hour lies at a rate of 10
    assert [(each.name, each.bouts) for each in figures.conditions] == [
        ("bedroom", 2),
        ("kitchen", 1),
    ]
    assert figures.conditions[0].recall.value == 0.5
    assert figures.conditions[0].recall.low is not None
    kitchen = figures.conditions[1].recall  # of one recording: no interval
    assert (kitchen.value, kitchen.low) == (1.0, None)


def test_the_folder_holds_every_bout_and_every_alarm(scorer, nights, tmp_path):
    out = tmp_path / "out"
    judged(scorer, nights, out)
    assert {path.name for path in out.iterdir()} == {
        "alarms.csv",
        "bouts.csv",
        "metrics.json",
        "report.html",
    }
    with open(out / "bouts.csv", newline="") as file:
        bouts = list(csv.DictReader(file))
    assert [(row["file"], row["found"], row["alarm_delay_s"]) for row in bouts] == [
        ("a.wav", "yes", "1.000"),
        ("a.wav", "no", ""),
        ("b.flac", "yes", "1.000"),
    ]
    with open(out / "alarms.csv", newline="") as file:
        alarms = list(csv.DictReader(file))
    assert [(row["start_s"], row["false_alarms"]) for row in alarms] == [
        ("10.000", "0"),
        ("90.000", "1"),
        ("30.000", "0"),
    ]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["judged"]["merge_gap_s"] == 5.0
    assert metrics["events"]["curve"][0]["recall"] == 0
    page = (out / "report.html").read_text()
    assert "could not be drawn" not in page
    assert "Recall against false alarms an hour" in page
    for word in ("event-F1", "PSDS1", "3&nbsp;/&nbsp;T"):
        assert word in page


def test_pauses_longer_than_the_gap_part_two_bouts(scorer, nights, tmp_path):
    assert judged(scorer, nights, tmp_path / "a", merge_gap_s=0.0).figures.bouts == 4
    assert judged(scorer, nights, tmp_path / "b", merge_gap_s=40.0).figures.bouts == 2


def test_a_long_recording_is_scored_like_its_blocks(scorer, nights):
    from cry_tf.data import sound_source

    (_, path), *_ = find_recordings([nights])
    whole = scorer.record("a", [sound_source.read(path, RATE_HZ)])
    streamed = scorer.record("a", sound_source.stream(path, RATE_HZ))
    np.testing.assert_array_equal(whole.scores, streamed.scores)
    assert whole.duration_s == streamed.duration_s == 120.0


def test_what_is_missing_or_unannotated_is_left_out_and_said(scorer, nights, tmp_path):
    (nights / "events.csv").write_text("file,start_s,end_s\na.wav,1,2\nz.wav,1,2\n")
    found = judged(scorer, nights, tmp_path / "out")
    assert len(found.left_out) == 1
    assert "names 1 recordings" in found.left_out[0]

    (nights / "events.csv").unlink()
    (nights / "a.txt").write_text("10\t20\tcry\n12\t13\tTV\n")
    found = judge_events(
        scorer,
        find_recordings([nights]),
        event_files.read([nights]),
        tmp_path / "labels",
    )
    assert (found.figures.recordings, found.figures.bouts) == (1, 1)
    assert "2 recordings have no file of events" in found.left_out[0]


def test_a_recording_that_cannot_be_read_costs_only_itself(scorer, nights, tmp_path):
    (nights / "deep" / "quiet.wav").write_bytes(b"RIFF")
    found = judged(scorer, nights, tmp_path / "out")
    assert found.figures.recordings == 2
    assert "quiet.wav" in found.left_out[0]


@pytest.mark.parametrize(
    ("text", "settings", "sentence"),
    [
        ("file,start,end\na.wav,500,501\n", {}, "starts at 500 s, but a.wav is 120"),
        ("file,start,end,label\na.wav,1,2,tv\n", {}, "Name those that do"),
        ("file,start,end\na.wav,1,2\n", {"by": "room"}, "--by must name a column"),
        ("file,start,end\na.wav,1,2\n", {"merge_gap_s": -1.0}, "merge_gap_s"),
    ],
)
def test_events_that_do_not_fit_are_refused(
    scorer, nights, tmp_path, text, settings, sentence
):
    (nights / "events.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        judged(scorer, nights, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_recordings_without_any_crying_give_a_rate_and_no_recall(
    scorer, nights, tmp_path
):
    (nights / "events.csv").write_text("file,start_s,end_s\n")
    figures = judged(scorer, nights, tmp_path / "out").figures
    assert figures.own.recall.value is None
    assert figures.own.false_alarms == 3
    assert figures.psds1.value is None
    assert figures.onset_delay_s.value is None


def test_a_classifier_has_no_events(scorer, nights, tmp_path):
    spec = SPEC.replace(task="reason", positive_label=None)
    reasons = Scorer(path=scorer.path, spec=spec, score=loudness)
    with pytest.raises(ValueError, match="for a detector"):
        judged(reasons, nights, tmp_path / "out")


def test_recordings_are_files_folders_and_manifests(nights, tmp_path):
    names = [name for name, _ in find_recordings([nights, nights / "a.wav"])]
    assert names == ["a.wav", "b.flac", "deep/quiet.wav"]
    manifest = tmp_path / "m.csv"
    manifest.write_text("file,label\nnights/a.wav,cry\n")
    assert [name for name, _ in find_recordings([manifest])] == ["nights/a.wav"]
    with pytest.raises(FileNotFoundError, match="File not found"):
        find_recordings([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No sound file"):
        find_recordings([tmp_path / "empty"])


def test_intervals_hold_their_figures(scorer, nights, tmp_path):
    figures = judged(scorer, nights, tmp_path / "out").figures
    for name in ("event_f1", "intersection_f1", "segment_f1", "psds1", "psds2"):
        estimate = getattr(figures, name)
        assert estimate.low <= estimate.value <= estimate.high
