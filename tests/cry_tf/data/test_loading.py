import csv
import os
import unicodedata
from pathlib import Path

import pytest

from cry_tf.data import Clip, Dataset, load


def _manifest(path: Path, header: str, *rows: str, encoding="utf-8") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def test_a_folder_gives_its_labels_in_order_and_its_clips(write, tmp_path):
    for name in ("tired/b.wav", "hungry/a.wav", "hungry/deep/er/c.flac"):
        write(name)
    data = load(tmp_path)
    assert data.labels == ("hungry", "tired")
    assert [c.name for c in data.clips] == [
        "hungry/a.wav",
        "hungry/deep/er/c.flac",
        "tired/b.wav",
    ]
    assert data.label_indices.tolist() == [0, 0, 1]
    assert all(c.path.is_file() for c in data.clips)


def test_names_with_spaces_and_any_script_are_read(write, tmp_path):
    write("hungry baby/a b.wav")
    write("疲れた/крик é.wav")
    data = load(tmp_path)
    assert data.labels == ("hungry baby", "疲れた")
    assert {clip.path.name for clip in data.clips} == {"a b.wav", "крик é.wav"}


def test_files_that_are_no_sounds_are_counted_and_hidden_ones_passed_over(
    write, tmp_path
):
    write("a/1.wav")
    write("b/2.WAV")
    write("loose.wav")
    for name in ("a/notes.txt", "b/x.jpg", "README", "a/._1.wav", ".hidden/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no sound")
    data = load(tmp_path)
    assert len(data) == 2
    assert "3 files ignored" in data.notes[0]
    assert ".txt 1" in data.notes[0]
    assert "1 sound file ignored, outside label folders" in data.notes[1]


def test_a_link_to_its_own_parent_does_not_loop(write, tmp_path):
    write("a/1.wav")
    write("b/2.wav")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    assert len(load(tmp_path)) == 2


def test_a_linked_label_folder_is_followed(write, tmp_path):
    write("store/cries/1.wav")
    write("set/noise/2.wav")
    (tmp_path / "set" / "cry").symlink_to(tmp_path / "store" / "cries")
    assert load(tmp_path / "set").label_counts == {"cry": 1, "noise": 1}


@pytest.mark.parametrize("files", [[], ["loose.wav"], ["a/readme.txt"]])
def test_a_folder_without_labelled_sounds_is_refused(write, tmp_path, files):
    for name in files:
        if name.endswith(".wav"):
            write(name)
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match="one folder per label") as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_label_folder_without_sounds_is_named(write, tmp_path):
    write("a/1.wav")
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="'b'"):
        load(tmp_path)


def test_a_missing_path_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="Nothing is at .*gone"):
        load(tmp_path / "gone")


def test_one_sound_file_is_no_dataset(write):
    with pytest.raises(ValueError, match="single sound file"):
        load(write("a.wav"))


def test_group_by_on_a_folder_is_refused(write, tmp_path):
    write("a/1.wav")
    with pytest.raises(ValueError, match="group_by"):
        load(tmp_path, group_by="infant")


def test_a_manifest_gives_labels_groups_and_further_columns(write, tmp_path):
    write("x/1.wav")
    write("x/2.wav")
    path = _manifest(
        tmp_path / "set.csv",
        "file,label,group,age_months",
        "x/1.wav,tired,infant1,4",
        "x/2.wav, hungry ,infant2,",
    )
    data = load(path)
    assert data.labels == ("hungry", "tired")
    assert data.groups.tolist() == ["infant1", "infant2"]
    assert data.clips[0].columns == {"age_months": "4"}
    assert data.clips[0].name == "x/1.wav"
    assert "the column 'group'" in data.grouping


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_manifest_from_a_spreadsheet_is_read(write, tmp_path, delimiter, encoding):
    write("é ü.wav")
    path = tmp_path / "set.csv"
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(
            [["file", "label"], ["é ü.wav", "müde"], []]
        )
    data = load(path)
    assert data.labels == ("müde",)
    assert data.clips[0].path.name == "é ü.wav"


def test_a_name_in_another_unicode_form_is_found(write, tmp_path):
    write(unicodedata.normalize("NFD", "é.wav"))
    path = _manifest(tmp_path / "set.csv", "file,label", "\u00e9.wav,a")
    assert load(path).clips[0].path.is_file()


def test_paths_are_relative_to_the_manifest_or_absolute(write, tmp_path, monkeypatch):
    absolute = write("elsewhere/1.wav")
    write("set/2.wav")
    path = _manifest(
        tmp_path / "set" / "m.csv", "file,label", f"{absolute},a", "2.wav,b"
    )
    monkeypatch.chdir("/")
    assert all(clip.path.is_file() for clip in load(path).clips)


def test_other_columns_can_hold_label_and_group(write, tmp_path):
    write("1.wav")
    path = _manifest(
        tmp_path / "m.csv", "file,reason,group,device", "1.wav,pain,g,phone7"
    )
    data = load(path, label_column="reason", group_by="device")
    assert data.labels == ("pain",)
    assert data.groups.tolist() == ["phone7"]
    assert data.clips[0].columns == {"group": "g"}
    assert "the column 'device'" in data.grouping


def test_a_folder_with_a_manifest_is_read_through_it_and_says_so(write, tmp_path):
    write("sounds/1.wav")
    _manifest(tmp_path / "manifest.csv", "file,label", "sounds/1.wav,tired")
    data = load(tmp_path)
    assert data.labels == ("tired",)
    assert "manifest.csv" in data.notes[-1]


@pytest.mark.parametrize(
    ("header", "arguments", "absent"),
    [
        ("path,label", {}, "'file'"),
        ("file,reason", {}, "'label'"),
        ("file,label", {"group_by": "infant"}, "'infant'"),
        ("", {}, "'file', 'label'"),
    ],
)
def test_missing_columns_are_named(tmp_path, header, arguments, absent):
    path = _manifest(tmp_path / "m.csv", header, "1.wav,a")
    with pytest.raises(ValueError, match=f"lacks {absent}"):
        load(path, **arguments)


def test_missing_files_are_named_up_to_five_and_counted(write, tmp_path):
    write("there.wav")
    rows = [f"gone{i}.wav,a" for i in range(7)] + ["there.wav,a", ",a"]
    path = _manifest(tmp_path / "m.csv", "file,label", *rows)
    with pytest.raises(FileNotFoundError) as caught:
        load(path)
    message = str(caught.value)
    assert "8 of 9 files" in message
    assert "'gone4.wav' (line 6)" in message
    assert "gone5" not in message
    assert "3 more" in message


def test_empty_labels_are_named_with_their_line(write, tmp_path):
    write("1.wav")
    path = _manifest(tmp_path / "m.csv", "file,label", "1.wav,a", "1.wav, ", "1.wav,")
    with pytest.raises(ValueError, match=r"2 rows .* line 3 .* line 4"):
        load(path)


def rows_of(write, count: int) -> list[str]:
    for number in range(count):
        write(f"{number}.wav")
    return [f"{number}.wav,{'ab'[number % 2]},g{number}" for number in range(count)]


@pytest.mark.parametrize(
    "row",
    [
        '2.wav,"a,g',
        '"2.wav,a,g',
        '2.wav,a,"g',
        '2.wav,a,"g\n3.wav,b,g"',
        '2.wav,"a" b,g',
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("later", ["", '"'])
def test_an_unclosed_quote_takes_no_rows_with_it(write, tmp_path, row, end, later):
    rows = rows_of(write, 24)
    rows[2] = row.replace("\n", end)
    rows[20] = f"20.wav,{later}a{later},g"
    path = tmp_path / "m.csv"
    path.write_bytes(end.join(["file,label,group", *rows]).encode())
    with pytest.raises(ValueError, match=r"one line.*not: line 4 \(.*quote") as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_break_in_a_value_is_named_as_such(write, tmp_path, end):
    rows = rows_of(write, 6)
    rows[1] = f'1.wav,"a{end}b",g'
    rows[4] = f'4.wav,a,"g{end}{end}h"'
    path = tmp_path / "m.csv"
    path.write_bytes(end.join(["file,label,group", *rows]).encode())
    named = r"2 rows .*: line 3 \(a line break.*in line 4\), line 7 .* in line 9\)"
    with pytest.raises(ValueError, match=named) as error:
        load(path)
    assert "is not closed" not in str(error.value)


def test_quotes_that_are_closed_are_read(write, tmp_path):
    write("a, b.wav")
    path = _manifest(
        tmp_path / "m.csv", "file,label,note", '"a, b.wav", "x, y","the ""first"""'
    )
    clip = load(path).clips[0]
    assert (clip.label, clip.columns["note"]) == ("x, y", 'the "first"')


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("2.wav,a", "2 values"),
        ("2.wav", "1 value"),
        ("2.wav,a,g,more", "4 values"),
        ("2.wav a,g", "2 values"),
        ("2.wav;a;g", "1 value"),
    ],
)
def test_a_row_has_a_value_for_each_column(write, tmp_path, row, fault):
    rows = rows_of(write, 4)
    rows[2] = row
    path = _manifest(tmp_path / "m.csv", "file,label,group", *rows)
    with pytest.raises(ValueError, match=rf"1 row of .* is not: line 4 \({fault}\)"):
        load(path)


def test_empty_lines_and_empty_columns_of_a_spreadsheet_are_passed_over(
    write, tmp_path
):
    rows = [f"{row},," for row in rows_of(write, 2)]
    path = _manifest(tmp_path / "m.csv", "file,label,group,,", *rows, ",,,,", "", "  ")
    data = load(path)
    assert [clip.columns for clip in data.clips] == [{}, {}]


def test_a_column_that_is_there_twice_is_refused(write, tmp_path):
    write("1.wav")
    path = _manifest(tmp_path / "m.csv", "file,label, label", "1.wav,a,b")
    with pytest.raises(ValueError, match="more than one 'label'"):
        load(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("file,label\n1.wav,a\n".encode("utf-16"), "UTF-16"),
        ("file,label\n1.wav,a\n".encode("utf-16-be"), "line 1 holds a zero byte"),
        (b"file,label\n1.wav,a\n2.wav,\0\n", "line 3 holds a zero byte"),
        (b"file,label\n\xff.wav,a\n", "utf-8"),
    ],
)
def test_a_manifest_in_another_encoding_says_what_to_do(tmp_path, content, fault):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'{fault}.*Save it as "CSV UTF-8"'):
        load(path)


def test_accents_in_either_form_are_one_label_one_group_and_one_column(write, tmp_path):
    write("1.wav")
    write("2.wav")
    composed, decomposed = "m\u00fcde", "mu\u0308de"
    path = _manifest(
        tmp_path / "m.csv",
        f"file,{decomposed},group",
        f"1.wav,{composed},{decomposed}",
        f"2.wav,{decomposed},{composed}",
    )
    data = load(path, label_column=composed)
    assert data.labels == (composed,)
    assert data.groups.tolist() == [composed, composed]
    assert load(path, composed, group_by=decomposed).groups[0] == composed


def test_clips_of_ones_own_have_their_labels_composed():
    clip = Clip("1.wav", "mu\u0308de", "g")
    data = Dataset((clip,), ("mu\u0308de",))
    assert data.labels == (clip.label,) == ("m\u00fcde",)


@pytest.mark.parametrize("character", ["\n", "\t", "\x1b", "\x85", "\u2028"])
def test_a_label_with_a_control_character_is_refused_with_its_place(
    write, tmp_path, character
):
    label = f"a{character}b"
    write(f"folder/{label}/1.wav")
    with pytest.raises(ValueError, match=r"one line.*Received: 'a.*the folder '/"):
        load(tmp_path / "folder")
    with pytest.raises(ValueError, match=r"one line.*\(1\.wav\)"):
        Clip("1.wav", label, "g")
    if character != "\n":
        write("1.wav")
        path = _manifest(tmp_path / "m.csv", "file,label", "1.wav,a", f"1.wav,{label}")
        with pytest.raises(ValueError, match=r"one line.*m\.csv, line 3\)"):
            load(path)


def test_a_file_listed_twice_is_refused(write, tmp_path):
    write("1.wav")
    path = _manifest(tmp_path / "m.csv", "file,label", "1.wav,a", "1.wav,b")
    with pytest.raises(ValueError, match="lines 2 and 3"):
        load(path)


def test_a_header_alone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        load(_manifest(tmp_path / "m.csv", "file,label"))


def test_a_manifest_that_is_no_utf8_says_what_to_do(tmp_path):
    path = _manifest(tmp_path / "m.csv", "file,label", "é.wav,a", encoding="latin-1")
    with pytest.raises(ValueError, match="CSV UTF-8"):
        load(path)


@pytest.mark.assets
def test_donateacry_has_the_groups_of_its_manifest(assets):
    data = load(assets / "data" / "donateacry")
    with open(assets / "data" / "MANIFEST.csv", newline="") as file:
        groups = {
            row["file"].removeprefix("donateacry/"): row["group"]
            for row in csv.DictReader(file)
            if row["dataset"] == "donateacry"
        }
    assert {clip.name: clip.group for clip in data.clips} == groups
    assert len(set(groups.values())) == 221
    assert "457 clips in 221 groups" in data.grouping
    assert data.label_counts["hungry"] == 382


@pytest.mark.assets
def test_esc10_has_the_groups_of_its_manifest(assets):
    data = load(assets / "data" / "esc10")
    whole = load(assets / "data" / "MANIFEST.csv")
    groups = {c.name: c.group for c in whole.clips if c.columns["dataset"] == "esc10"}
    assert {f"esc10/{c.name}": c.group for c in data.clips} == groups


def test_a_folder_that_cannot_be_entered_is_no_empty_label(write, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root enters every folder")
    write("a/1.wav")
    (tmp_path / "b").mkdir(mode=0)
    with pytest.raises(PermissionError):
        load(tmp_path)
