import sys

import pytest

from cry_tf.cli.console import Console


def test_a_download_is_a_bar_where_a_person_watches(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console().byte_progress("weights.bin") as tell:
        tell(0, 4_000_000)
        tell(4_000_000, 4_000_000)
    shown = capsys.readouterr()
    assert "weights.bin" in shown.err
    assert "4.0/4.0 MB" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("total", "lines"),
    [
        (
            40_000_000,
            ["0.0 of 40.0 MB", "12.0 of 40.0 MB", "40.0 of 40.0 MB"],
        ),
        (None, ["0.0 MB", "12.0 MB", "40.0 MB"]),
    ],
)
def test_a_download_is_a_line_now_and_then_where_it_is_piped(total, lines, capsys):
    with Console().byte_progress("weights.bin") as tell:
        for done in (0, 1_000_000, 12_000_000, 13_000_000, 40_000_000):
            tell(done, total)
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [f"weights.bin: {line}" for line in lines]
    assert shown.out == ""


def test_letters_that_take_two_columns_leave_the_columns_straight(capsys):
    Console().table(["label", "n"], [["泣き声", "10"], ["cry", "7"]])
    assert capsys.readouterr().out.splitlines() == [
        "  label    n",
        "  ------  --",
        "  泣き声  10",
        "  cry      7",
    ]


def test_columns_of_text_stand_to_the_left_and_figures_to_the_right(capsys):
    Console().table(["name", "kind", "n"], [["a", "b", "10"]], text_columns=2)
    assert capsys.readouterr().out.splitlines() == [
        "  name  kind   n",
        "  ----  ----  --",
        "  a     b     10",
    ]
