from __future__ import annotations

import os
import sys

import pytest

from cry_lite.sound_folder import CONTAINER_SUFFIXES, SUFFIXES, find_sounds


@pytest.fixture
def folder(tmp_path):
    for name in ("b.wav", "a.WAV", "sub/c.flac", "sub/deep/d ä.ogg", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for hidden in ("._b.wav", ".trash/e.wav"):
        path = tmp_path / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_folder_stands_for_all_sounds_below_it(folder):
    sounds, problems = find_sounds([str(folder)])
    names = [os.path.relpath(sound, folder) for sound in sounds]
    assert names == ["a.WAV", "b.wav", "sub/c.flac", "sub/deep/d ä.ogg"]
    assert problems == []


def test_a_named_file_is_taken_as_it_is(folder):
    named = [str(folder / "notes.txt"), str(folder / "none.wav")]
    assert find_sounds(named) == (named, [])


def test_a_sound_that_is_named_twice_is_heard_once(folder):
    one = str(folder / "sub" / "c.flac")
    sounds, _ = find_sounds([one, one, str(folder / "sub"), str(folder)])
    assert sounds[0] == one
    assert len(sounds) == 4


def test_a_folder_without_sounds_is_a_problem(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"x")
    sounds, problems = find_sounds([str(tmp_path)])
    assert sounds == []
    assert len(problems) == 1
    assert "has no sound files below it" in problems[0]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="anyone may read here"
)
def test_a_folder_that_cannot_be_read_is_a_problem(folder):
    (folder / "sub").chmod(0)
    try:
        sounds, problems = find_sounds([str(folder)])
    finally:
        (folder / "sub").chmod(0o755)
    assert len(sounds) == 2
    assert len(problems) == 1


def test_other_endings_can_be_asked_for(folder):
    sounds, problems = find_sounds([str(folder)], {".txt"})
    assert [os.path.basename(sound) for sound in sounds] == ["notes.txt"]
    assert problems == []


def test_sounds_of_formats_that_are_not_read_are_named(folder):
    for name in ("x.m4a", "sub/y y.AMR", "sub/.hidden.mp4"):
        (folder / name).write_bytes(b"x")
    sounds, problems = find_sounds([str(folder)])
    assert len(sounds) == 4
    (problem,) = problems
    assert "x.m4a, " in problem
    assert "y y.AMR were left out, in a format that is not read here" in problem
    assert problem.endswith(f"ffmpeg -i {folder / 'x.m4a'} sound.wav")
    # Who reads them is told nothing.
    sounds, problems = find_sounds([str(folder)], SUFFIXES | CONTAINER_SUFFIXES)
    assert len(sounds) == 6
    assert problems == []


def test_many_sounds_that_are_not_read_are_counted(tmp_path):
    for number in range(9):
        (tmp_path / f"{number}.m4a").write_bytes(b"x")
    sounds, problems = find_sounds([str(tmp_path)])
    assert sounds == []
    (problem,) = problems
    assert "4.m4a and 4 more were left out" in problem
