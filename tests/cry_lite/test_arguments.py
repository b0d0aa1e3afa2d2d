"""The home folder in arguments, where a shell leaves it."""

from __future__ import annotations

import sys

import pytest

from cry_lite import sound_file
from cry_lite.arguments import expand_home
from cry_lite.errors import ModelFileError, SoundFileError
from cry_lite.metadata import read_metadata


@pytest.fixture(autouse=True)
def home(monkeypatch) -> str:
    monkeypatch.setenv("HOME", "/home/ana")
    return "/home/ana"


@pytest.mark.parametrize(
    ("given", "expanded"),
    [
        ("~", "/home/ana"),
        ("~/run", "/home/ana/run"),
        ("--weights=~/a b.npz", "--weights=/home/ana/a b.npz"),
        ("~/run1,~/run2", "/home/ana/run1,/home/ana/run2"),
        ("mn04_audioset=~/a.pt", "mn04_audioset=/home/ana/a.pt"),
        ("a~/b", "a~/b"),
        ("backup~", "backup~"),
        ("./~/a", "./~/a"),
        ("~x", "~x"),
        ("a,~b", "a,~b"),
        ("", ""),
    ],
)
def test_the_home_folder_takes_the_place_of_its_sign(given, expanded):
    assert expand_home([given]) == [expanded]


def test_the_arguments_of_the_shell_are_the_default(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cry-tf", "audit", "~/data"])
    assert expand_home(None) == ["audit", "/home/ana/data"]


def test_python_paths_have_it_too():
    with pytest.raises(SoundFileError, match="File not found: /home/ana/a.wav"):
        sound_file.read("~/a.wav", 16_000)
    with pytest.raises(ModelFileError, match="File not found: /home/ana/a.tflite"):
        read_metadata("~/a.tflite")
