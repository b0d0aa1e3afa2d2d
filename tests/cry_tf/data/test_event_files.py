from pathlib import Path

import pytest

from cry_tf.data import event_files
from cry_tf.data.event_files import AnnotatedEvent

LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 9.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "baby 2"
        xmin = 0
        xmax = 9.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = ""
        intervals [2]:
            xmin = 1.25
            xmax = 4
            text = "cry"
        intervals [3]:
            xmin = 4
            xmax = 9.5
            text = "a ""quiet"" room"
    item [2]:
        class = "TextTier"
        name = "notes"
        xmin = 0
        xmax = 9.5
        points: size = 1
        points [1]:
            number = 3
            mark = "4 5"
"""
SHORT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
9.5
<exists>
1
"IntervalTier"
"baby"
0
9.5
2
0
1.25
""
1.25
4
"cry"
"""


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def times(path):
    return [(e.start_s, e.end_s, e.label) for e in event_files.read_file(path).events]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file,start_s,end_s\na.wav,1.5,2\n", [(1.5, 2.0, "")]),
        ("file;start_s;end_s;label\r\na.wav;1,5;2;cry\r\n", [(1.5, 2.0, "cry")]),
        ("filename\tonset\toffset\tevent_label\na.wav\t1.5\t2\tcry", [(1.5, 2, "cry")]),
        ('file,start_s,end_s\n"a,b.wav","1,5","2,25"\n', [(1.5, 2.25, "")]),
        ("file,start_s,end_s\na.wav,1:02:03.5,1:02:04\n", [(3723.5, 3724.0, "")]),
        ("file,start_s,end_s\na.wav,,\n", []),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path, text, expected):
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path = write(tmp_path, "events.csv", text, encoding)
        assert times(path) == expected
        assert event_files.read_file(path).names_recordings


def test_a_table_without_files_is_about_the_recording_with_its_name(tmp_path):
    path = write(tmp_path, "night.csv", "start_s,end_s,label,peak,mean\n1,2,cry,1,1\n")
    assert not event_files.read_file(path).names_recordings
    assert event_files.read_file(path).events[0].columns == {"peak": "1", "mean": "1"}


def test_audacity_labels_are_read_with_their_frequencies_left_out(tmp_path):
    text = "0.500000\t1.250000\tcry\n\\\t100.0\t4000.0\n3,5\t4\t\n"
    assert times(write(tmp_path, "night.txt", text)) == [
        (0.5, 1.25, "cry"),
        (3.5, 4.0, ""),
    ]
    assert times(write(tmp_path, "quiet.txt", "")) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_both_forms_of_a_text_grid_are_read(tmp_path, encoding):
    path = write(tmp_path, "night.TextGrid", LONG_GRID, encoding)
    assert times(path) == [(1.25, 4.0, "cry"), (4.0, 9.5, 'a "quiet" room')]
    path = write(tmp_path, "short.TextGrid", SHORT_GRID, encoding)
    assert times(path) == [(1.25, 4.0, "cry")]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("e.csv", "file,start,end\na.wav,2,1\n", "line 2: it starts at 2 s and ends"),
        ("e.csv", "file,start,end\na.wav,2,2\n", "An event ends after it starts"),
        ("e.csv", "file,start,end\na.wav,x,2\n", "line 2: received 'x'"),
        ("e.csv", "file,start,end\na.wav,-1,2\n", "line 2: received '-1'"),
        ("e.csv", "file,start,end\na.wav,nan,2\n", "received 'nan'"),
        ("e.csv", "file,start,end\na.wav,1,5,2,5\n", "A decimal comma needs semi"),
        ("e.csv", "file,start,end\n,1,2\n", "line 2 names no file"),
        ("e.csv", 'file,start,end\n"a.wav,1,2\n', "line 2 is no row of a table"),
        ("e.csv", "file,begin,end\na.wav,1,2\n", "lacks start_s"),
        ("e.csv", "file,start,onset,end\n", "has a name of its own"),
        ("e.csv", "", "lacks start_s and end_s"),
        ("e.txt", "1.0\tcry\n", "The end of an event is a time"),
        ("e.TextGrid", LONG_GRID[:600], "cut short"),
        ("e.TextGrid", "hello", "is no TextGrid"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, name, text, sentence):
    path = write(tmp_path, name, text)
    with pytest.raises(ValueError, match=sentence) as error:
        event_files.read_file(path)
    assert str(path) in str(error.value)


def test_another_encoding_is_refused(tmp_path):
    path = write(tmp_path, "e.csv", "file,start,end\nbébé.wav,1,2\n", "latin-1")
    with pytest.raises(ValueError, match="Save it as UTF-8"):
        event_files.read_file(path)


def test_a_folder_of_files_is_read_and_an_empty_one_refused(tmp_path):
    write(tmp_path, "a.TextGrid", SHORT_GRID)
    write(tmp_path, "deep/b.txt", "1\t2\tcry\n")
    found = event_files.read([tmp_path])
    assert [file.path.name for file in found] == ["a.TextGrid", "b.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file of events"):
        event_files.read([tmp_path / "empty"])
    with pytest.raises(FileNotFoundError, match="File not found"):
        event_files.read([tmp_path / "none.csv"])


RECORDINGS = [
    (name, Path("/nights") / name) for name in ("one/a.wav", "two/a.wav", "b.flac")
]


def test_a_recording_is_found_by_path_or_by_a_name_that_only_it_has(tmp_path):
    text = "file,start,end\none/a.wav,1,2\nb.flac,3,4\na.wav,5,6\nc.wav,7,8\n"
    files = event_files.read([write(tmp_path, "e.csv", text)])
    found = event_files.assign(files, RECORDINGS)
    assert {i: [e.start_s for e in events] for i, events in found.events.items()} == {
        0: [1.0],
        1: [],  # a table says of every recording when there was an event
        2: [3.0],
    }
    (sentence,) = found.missing
    assert "names 2 recordings" in sentence
    assert "a.wav, c.wav" in sentence


def test_a_table_beside_the_recordings_is_relative_to_itself(tmp_path):
    recordings = [("x", tmp_path / "one" / "a.wav"), ("y", tmp_path / "a.wav")]
    path = write(tmp_path, "e.csv", "file,start,end\none/a.wav,1,2\na.wav,3,4\n")
    found = event_files.assign(event_files.read([path]), recordings)
    assert [e.start_s for e in found.events[0]] == [1.0]
    assert [e.start_s for e in found.events[1]] == [3.0]


def test_a_recording_without_a_label_track_is_not_annotated(tmp_path):
    files = event_files.read(
        [write(tmp_path, "b.txt", ""), write(tmp_path, "z.txt", "1\t2\tcry\n")]
    )
    found = event_files.assign(files, RECORDINGS)
    assert dict(found.events) == {2: ()}
    assert "none found" in found.missing[0]


def test_only_labels_that_mean_crying_count():
    events = [
        AnnotatedEvent(0, 1, label) for label in ("cry", "tv", "", "Baby cry", "fuss")
    ]
    kept, sentence = event_files.crying(events)
    assert [event.label for event in kept] == ["cry", "", "Baby cry"]
    assert "cry 1" in sentence
    kept, _ = event_files.crying(events, ["fuss"])
    assert [event.label for event in kept] == ["", "fuss"]
    with pytest.raises(ValueError, match="Name those that do with --positive"):
        event_files.crying(events[1:2])


def test_an_event_is_cut_at_the_end_of_its_recording():
    events = [AnnotatedEvent(5, 9, place="e.csv, line 2"), AnnotatedEvent(1, 2)]
    kept, notes = event_files.within(events, 7.0, "a.wav")
    assert [(e.start_s, e.end_s) for e in kept] == [(1, 2), (5, 7)]
    assert notes == [
        "e.csv, line 2: the event ends at 9 s, beyond the end of a.wav (7.00 s). It "
        "is cut there."
    ]
    with pytest.raises(ValueError, match=r"e.csv, line 2: an event starts at 5 s"):
        event_files.within(events, 4.0, "a.wav")


def test_overlapping_events_are_noticed():
    events = [AnnotatedEvent(1, 4), AnnotatedEvent(2, 3), AnnotatedEvent(3.5, 5)]
    _, notes = event_files.within(events, 9.0, "a.wav")
    assert notes == [
        "a.wav: 2 events overlap the one before and are counted as one with it."
    ]


@pytest.mark.assets
def test_the_annotations_of_donateacry_fit_its_clips(assets):
    from cry_tf.data import load

    data = load(assets / "data" / "MANIFEST.csv")
    files = event_files.read([assets / "data" / "donateacry_events.csv"])
    found = event_files.assign(files, [(clip.name, clip.path) for clip in data.clips])
    assert not found.missing
    assert sum(map(len, found.events.values())) == 1862
