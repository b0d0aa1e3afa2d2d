import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cry_tf.evaluation.figures import Estimate
from cry_tf.reports import plots
from cry_tf.reports.plots import Bar, Dot

SVG = "{http://www.w3.org/2000/svg}"
DOTS = [Dot(0.1, 0.9, 1, True), Dot(0.1, 0.9, 1, False), Dot(80, 0.5, 9, True)]


def every_plot():
    scores = np.linspace(0, 1, 40)
    yield plots.confusion_matrix("m", ["a", "b"], [[3, 1], [0, 0]])
    yield plots.interval_bars(
        "b",
        ["a<b", "c"],
        [[Bar(Estimate(0.5, 0.2, 0.9), "accent")], [Bar(Estimate(None), "muted")]],
        "share",
        (("recall", "accent"),),
    )
    yield plots.alarm_curve(
        "a",
        np.array([0.0, 1.0, 50.0]),
        np.array([0.0, 0.9, 1.0]),
        np.array([0.1, 1.0]),
        np.array([[0.1, 0.5], [np.nan, np.nan]]),
        0.05,
        (1.0, 0.9, "the model’s threshold"),
    )
    yield plots.receiver_curve("r", scores, scores, (0.0, 0.9, "threshold 0.50"))
    yield plots.score_histogram("h", scores, scores > 0.4, "cry", 0.5)
    yield plots.calibration("c", "it is", [(0.1, 0.2, 3), (0.9, 1.0, 500)], "caption")
    yield plots.trade_off("t", DOTS, "MB", "AUC", "caption")
    yield plots.trade_off("t", DOTS[:1], "MB", "ms", "", is_y_a_cost=True)
    yield plots.share_dots(
        "d", [("x", 0, 1, 0.5)], ("seen", "unseen", "majority within"), "share", ""
    )


@pytest.fixture(scope="module")
def drawn():
    return list(every_plot())


def test_text_is_text_of_at_least_12_px_on_a_phone(drawn):
    for plot in drawn:
        assert not plot.problem
        root = ElementTree.fromstring(plot.svg)
        width = float(root.get("viewBox").split()[2])
        assert width == 328  # what a phone of 360 px leaves: a unit is a pixel
        texts = list(root.iter(f"{SVG}text"))
        assert texts
        for text in texts:
            style = text.get("style")
            assert "font-family" not in style
            assert float(re.search(r"font-size: ([\d.]+)px", style)[1]) >= 12


def test_no_text_stands_outside_its_drawing(drawn):
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg)
        _, _, width, height = map(float, root.get("viewBox").split())
        for text in root.iter(f"{SVG}text"):
            moved = text.get("transform", "")
            at = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", moved)
            x, y = at.groups() if at else (text.get("x"), text.get("y"))
            assert 0 <= float(x) <= width
            if "text-anchor" not in text.get("style"):  # from x to the right
                assert float(x) + 5.5 * len(text.text) <= width
            assert 0 <= float(y) <= height


def test_a_row_of_a_confusion_matrix_is_shaded_by_its_shares():
    svg = plots.confusion_matrix("m", ["a", "b"], [[3, 1], [0, 4]]).svg
    assert re.findall(r"var\(--accent\); (?:fill-)?opacity: ([\d.]+)", svg) == [
        "0.45",  # three quarters of 0.6
        "0.6",
    ]
    assert re.findall(r"var\(--contrast\); (?:fill-)?opacity: ([\d.]+)", svg) == [
        "0.15"
    ]


def test_the_same_plot_has_the_same_bytes(drawn):
    assert [plot.svg for plot in every_plot()] == [plot.svg for plot in drawn]


def test_a_plot_that_fails_says_why_and_costs_nothing_else():
    plot = plots.trade_off("t", [Dot(-1, 1, 1, True)], "x", "y", "")
    assert not plot.svg
    assert plot.problem.startswith("ValueError: ")


def test_a_label_is_never_read_as_a_formula():
    svg = plots.confusion_matrix("m", ["$x", "a_b^c$"], [[1, 0], [0, 1]]).svg
    assert ">$x<" in svg
    assert ">a_b^c$<" in svg
