import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from cry_tf.evaluation.detection import operating_point
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import Predictions
from cry_tf.evaluation.report import Report, render

VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Fails at a tag that is closed in the wrong order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(rng, labels, positive_label=None, **changes):
    n = 60
    truth = np.arange(n) % len(labels)
    scores = rng.dirichlet(np.ones(len(labels)), n)
    predictions = Predictions(
        files=tuple(f"<{i}>.wav" for i in range(n)),
        labels=labels,
        truth=truth,
        scores=scores,
        groups=tuple(f"g{i // 2}" for i in range(n)),
        folds=np.arange(n) // 2 % 3,
        durations_s=np.full(n, 3.0),
        positive_label=positive_label,
    )
    points = ()
    if positive_label is not None:
        points = (("0.50", operating_point(predictions, 0.5)),)
    values = {
        "title": "A & B",
        "lead": "Sixty clips.",
        "predictions": predictions,
        "metrics": measure(predictions),
        "operating_points": points,
    }
    return render(Report(**{**values, **changes}))


@pytest.fixture(params=["detect", "reason"])
def html(request, rng):
    if request.param == "detect":
        return report(rng, ("no_cry", "cry"), "cry")
    return report(rng, ("hungry", "tired & cold", "a_very_long_name_of_a_reason"))


def test_the_file_needs_nothing_from_outside(html):
    for outside in ("<script", "<link", "src=", "href=", "@import", "url("):
        assert outside not in html
    assert set(re.findall(r"https?://[^\"' ]+", html)) <= {"http://www.w3.org/2000/svg"}


def test_the_markup_is_sound(html):
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    for drawing in re.findall(r"<svg.*?</svg>", html, re.S):
        ElementTree.fromstring(drawing)


def test_the_majority_row_and_n_stand_beside_the_model(html):
    assert "always “" in html
    assert "this model" in html
    assert "<td>60</td>" in html


def test_both_colour_schemes_are_served(html):
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"<svg[^§]*?#[0-9a-f]{3,6}[^§]*?</svg>", html)


def test_a_detector_shows_its_false_alarms(rng):
    html = report(rng, ("no_cry", "cry"), "cry")
    assert "False alarms" in html
    assert "false alarms an hour" in html
    assert "Recall and false alarms" in html


def test_names_and_warnings_are_escaped(rng):
    html = report(rng, ("a<b", "c"), warnings=("3 < 4",), facts=(("data", "<here>"),))
    for text in ("a&lt;b", "3 &lt; 4", "&lt;here&gt;", "A &amp; B"):
        assert text in html
    assert "<here>" not in html
    assert "a<b" not in html


def test_labels_that_do_not_occur_and_one_class_alone_can_be_drawn(rng):
    n = 4
    predictions = Predictions(
        files=tuple(map(str, range(n))),
        labels=("no_cry", "cry"),
        truth=np.zeros(n, int),
        scores=np.tile([0.9, 0.1], (n, 1)),
        groups=tuple(map(str, range(n))),
        folds=np.full(n, -1),
        durations_s=np.ones(n),
        positive_label="cry",
    )
    html = render(Report("t", "l", predictions, measure(predictions)))
    assert "none in the data" in html
    assert "nan" not in html.lower().replace("nanum", "")
