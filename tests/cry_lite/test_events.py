from __future__ import annotations

import csv
import io

import pytest

from cry_lite import events
from cry_lite.events import Event

CRY = Event(start_s=1.0, end_s=3.5, label="cry", peak=0.987654321, mean=0.75)
ODD = Event(start_s=7200.25, end_s=7201.0, label='hunger, "now"', peak=1.0, mean=0.5)


def test_csv_is_read_back_by_any_reader():
    rows = list(csv.DictReader(io.StringIO(events.to_csv([CRY, ODD]))))
    assert rows[0] == {
        "start_s": "1.000",
        "end_s": "3.500",
        "label": "cry",
        "peak": "0.987654",
        "mean": "0.750000",
    }
    assert rows[1]["label"] == 'hunger, "now"'


def test_csv_without_events_has_its_header():
    assert events.to_csv([]) == "start_s,end_s,label,peak,mean\n"


def test_audacity_takes_start_end_label_with_tabs():
    text = events.to_audacity([CRY, ODD])
    assert text.splitlines()[0] == "1.000000\t3.500000\tcry"
    assert events.to_audacity([]) == ""


def test_raven_takes_a_numbered_table_with_a_band():
    rows = list(
        csv.DictReader(
            io.StringIO(events.to_raven([CRY, ODD], max_hz=8000.0)), delimiter="\t"
        )
    )
    assert rows[0]["Selection"] == "1"
    assert rows[1]["Selection"] == "2"
    assert rows[0]["View"] == "Spectrogram 1"
    assert float(rows[0]["Begin Time (s)"]) == 1.0
    assert float(rows[0]["End Time (s)"]) == 3.5
    assert float(rows[0]["High Freq (Hz)"]) == 8000.0
    assert rows[0]["Label"] == "cry"


def test_raven_without_events_has_its_header():
    text = events.to_raven([], max_hz=8000.0)
    assert text.startswith("Selection\tView\tChannel\t")
    assert text.count("\n") == 1


def test_a_tab_in_a_label_does_not_break_a_table():
    odd = Event(start_s=0.0, end_s=1.0, label="a\tb", peak=1.0, mean=1.0)
    assert events.to_audacity([odd]).count("\t") == 2
    assert events.to_raven([odd], 8000.0).splitlines()[1].count("\t") == 9


def test_json_values_are_rounded_to_what_was_measured():
    assert CRY.to_dict() == {
        "start_s": 1.0,
        "end_s": 3.5,
        "label": "cry",
        "peak": 0.987654,
        "mean": 0.75,
    }


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    events.write_text(tmp_path / "größe.csv", "ä\n")
    assert (tmp_path / "größe.csv").read_bytes() == "ä\n".encode()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_exists_is_kept(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.csv exists"):
        events.write_text(path, "new")
    assert path.read_text() == "mine"
    events.write_text(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_writing_that_is_stopped_leaves_no_half_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("mine")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(events.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        events.write_text(path, "new", overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "mine"
