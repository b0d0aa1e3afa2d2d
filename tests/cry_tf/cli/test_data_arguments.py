"""Names of labels and columns on the command line."""

from __future__ import annotations

import argparse

import pytest

from cry_tf.cli.data_arguments import add_data_arguments


def positive(*arguments: str):
    parser = argparse.ArgumentParser()
    add_data_arguments(parser)
    return parser.parse_args(arguments).positive


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        ([], None),
        (["--positive", "hungry, tired"], ("hungry", "tired")),
        (["--positive", r"pain\, belly,tired"], ("pain, belly", "tired")),
        (["--positive", r"a\,b", "--positive=c,d"], ("a,b", "c", "d")),
        (["--positive", r"a\b"], (r"a\b",)),
    ],
)
def test_every_label_can_be_named(arguments, labels):
    assert positive(*arguments) == labels


def test_no_label_is_refused(capsys):
    with pytest.raises(SystemExit):
        positive("--positive", " , ")
    assert "at least one label" in capsys.readouterr().err
