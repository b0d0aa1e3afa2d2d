import base64
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from cry_tf.evaluation.detection import operating_point
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.report import Report, render
from cry_tf.runs.predictions import Predictions

VOID = {"meta", "br", "img"}


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
    for outside in ("<script", "<link", "@import"):
        assert outside not in html
    # What is referred to is inside: an element of the page, or the data themselves.
    assert not re.search(r"""(src|href)=["'](?!#|data:)|url\((?!#)""", html)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"' ]+", html)) <= namespaces


def test_the_markup_is_sound(html):
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(drawings) >= 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "could not be drawn" not in html


def test_the_majority_row_and_n_stand_beside_the_model(html):
    assert "always “" in html
    assert "this model" in html
    assert "<td>60</td>" in html


def test_both_colour_schemes_are_served(html):
    assert "prefers-color-scheme: dark" in html
    for drawing in re.findall(r"<svg.*?</svg>", html, re.S):
        own = re.sub(r"(href=\"|url\()#\w+", "", drawing)
        assert not re.search(r"#[0-9a-f]{3,6}\b", own)


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
    assert "could not be drawn" not in html
    assert "nan" not in html.lower().replace("nanum", "")


def wrong_clips(folder, rng, seconds, count=3):
    """Recordings that a detector has wrong, and where they are."""
    recordings = {}
    for i in range(count):
        name = f"<b>{i}</b> & co.wav"
        recordings[name] = folder / f"{i}.wav"
        noise = rng.uniform(-0.9, 0.9, round(seconds * 16_000))
        soundfile.write(recordings[name], noise, 16_000)
    predictions = Predictions(
        files=tuple(recordings),
        labels=("no_cry", "cry"),
        truth=np.zeros(count, int),
        scores=np.tile([0.1, 0.9], (count, 1)),
        groups=tuple(map(str, range(count))),
        folds=np.full(count, -1),
        durations_s=np.full(count, seconds),
        positive_label="cry",
    )
    return predictions, recordings


def players(html):
    player = r'<audio controls[^>]*src="data:audio/flac;base64,([^"]*)"'
    found = [base64.b64decode(each) for each in re.findall(player, html)]
    return [soundfile.read(io.BytesIO(each)) for each in found]


def test_a_mistake_is_played_as_it_was_scored(tmp_path, rng):
    predictions, recordings = wrong_clips(tmp_path, rng, 2.0)
    html = render(
        Report("t", "l", predictions, measure(predictions), recordings=recordings)
    )
    played = players(html)
    assert len(played) == 3
    for (waveform, rate_hz), path in zip(played, recordings.values(), strict=True):
        assert rate_hz == 16_000
        written, _ = soundfile.read(path)
        np.testing.assert_array_equal(waveform, written)
    assert html.count('<img alt="Spectrogram') == 3
    assert "This page contains these recordings" in html
    assert "&lt;b&gt;0&lt;/b&gt; &amp; co.wav" in html
    assert "<b>0</b>" not in html
    parser = Balance()
    parser.feed(html)
    assert parser.open == []


def test_a_long_recording_is_cut_and_says_so(tmp_path, rng):
    predictions, recordings = wrong_clips(tmp_path, rng, 12.0, count=1)
    html = render(
        Report("t", "l", predictions, measure(predictions), recordings=recordings)
    )
    [(waveform, rate_hz)] = players(html)
    assert len(waveform) == 10 * rate_hz
    assert "The first 10 s." in html


def test_a_mistake_without_a_readable_recording_is_listed_all_the_same(tmp_path, rng):
    predictions, recordings = wrong_clips(tmp_path, rng, 1.0)
    first, second, third = recordings
    recordings[first].write_bytes(b"not a sound")
    recordings[second].unlink()
    del recordings[third]
    html = render(
        Report("t", "l", predictions, measure(predictions), recordings=recordings)
    )
    assert players(html) == []
    assert "This page contains these recordings" not in html
    assert html.count("No player: ") == 2
    assert "The recording is not known." in html
    assert html.count("labelled <b>no_cry</b>, predicted <b>cry</b>") == 3


def test_a_report_of_the_longest_and_noisiest_mistakes_stays_under_8_mb(tmp_path, rng):
    predictions, recordings = wrong_clips(tmp_path, rng, 10.0, count=20)
    html = render(
        Report("t", "l", predictions, measure(predictions), recordings=recordings)
    )
    assert len(html) < 8_000_000
    assert len(players(html)) == 12


def test_the_row_of_labels_survives_many_and_odd_names(rng):
    labels = tuple(f"{i} $x_{i}$ 泣き声 " + "long " * 9 for i in range(12))
    html = report(rng, labels)
    assert "could not be drawn" not in html
    assert '<svg class="broad"' in html
