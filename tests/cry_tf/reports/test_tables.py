import pytest

from cry_tf.evaluation.figures import Estimate
from cry_tf.reports.tables import Cell, Table, estimate, split


@pytest.mark.parametrize(
    ("found", "cell"),
    [
        (Estimate(0.5, 0.25, 0.75), Cell("0.500", "0.250 – 0.750")),
        (Estimate(0.5), Cell("0.500")),
        (Estimate(None), Cell("–")),
        (None, Cell("–")),
    ],
)
def test_an_interval_stands_below_its_figure(found, cell):
    assert estimate(found) == cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("0.9 (0.8-1.0)", Cell("0.9", "0.8-1.0")),
        ("0.9 [0.8, 1.0]", Cell("0.9", "0.8, 1.0")),
        ("model (small)", Cell("model (small)")),
        ("0.9 (0.8", Cell("0.9 (0.8")),
        ("", Cell("")),
    ],
)
def test_what_is_in_brackets_after_a_figure_stands_below_it(text, cell):
    assert split(text) == cell


def test_only_a_table_wider_than_a_phone_has_a_hint():
    narrow = Table(["", "a", "b"], [["x", "1", "2"]])
    titles = ["as the paper prints it", "accuracy, %", "size"]
    wrapped = Table(titles, [["long " * 9, "73.63", "81M"]])
    wide = Table(["", *(["balanced accuracy"] * 5)], [["x", *["0.5"] * 5]])
    assert narrow.over_px == wrapped.over_px == 0
    assert wide.over_px == 720
