"""A detector's run tells whether the recorder gives the label away."""

import csv
import json

import pytest

from cry_tf.data import load
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe
from cry_tf.training.settings import Settings
from cry_tf.training.train import train

from ..conftest import write_tones

pytestmark = pytest.mark.usefixtures("shallow_student")


class Kept(NoProgress):
    """Keeps what a run reports."""

    def __init__(self):
        self.lines, self.warnings, self.tables = [], [], []

    def line(self, text=""):
        self.lines.append(text)

    def warn(self, text):
        self.warnings.append(text)

    def table(self, header, rows):
        self.tables.append((header, rows))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Most cries by phones, rain by studios, both by one tablet."""
    folder = tmp_path_factory.mktemp("two_recorders")
    write_tones(folder, {"hungry": 500, "rain": 2000}, sources=8, takes=1)
    rows = ["file,label,group,dataset"]
    for label, usual in (("hungry", "phone"), ("rain", "studio")):
        for source in range(8):
            domain = "tablet" if source < 2 else usual
            name = f"{label}/{label}{source}/0.wav"
            rows.append(f"{name},{label},{label}{source},{domain}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder / "clips.csv"


@pytest.fixture(scope="module")
def trained(manifest, weights, tmp_path_factory):
    folder, kept = tmp_path_factory.mktemp("run"), Kept()
    settings = Settings(
        task="detect",
        recipe=recipe.QUICK.replace(epochs=3, learning_rate=0.05),
        backbone="ds_cnn_s",
        weights=str(weights),
        folds=2,
    )
    run = train(
        load(manifest),
        settings,
        folder / "run",
        progress=kept,
        embeddings_dir=folder / "cache",
    )
    return run, kept


def test_the_figures_of_each_domain_are_in_the_metrics(trained):
    domains = trained[0].metrics["domains"]
    counts = {
        each["domain"]: (each["positives"], each["negatives"])
        for each in domains["domains"]
    }
    assert counts == {"phone": (6, 0), "studio": (0, 6), "tablet": (2, 2)}
    thresholds = {each["threshold"] for each in domains["domains"]}
    assert thresholds == {trained[0].metrics["threshold"]["threshold"]}
    assert domains["channel"]["clips"] == 16


def test_each_domain_is_left_out_in_turn(trained):
    left_out = trained[0].metrics["domains"]["left_out"]
    assert {each["domain"] for each in left_out} == {"phone", "studio", "tablet"}
    by_name = {each["domain"]: each for each in left_out}
    assert by_name["tablet"]["auc"]["value"] is not None
    assert by_name["phone"]["auc"]["value"] is None
    assert by_name["phone"]["recall"]["value"] is not None


def test_recorders_apart_are_warned_of_in_the_log_and_in_the_report(trained):
    run, kept = trained
    (warning,) = [text for text in kept.warnings if "recorded by" in text]
    assert warning.startswith("6 of 8 cries (75 %) were recorded by phone")
    assert run.metrics["domains"]["warning"] == warning
    page = (run.path / "report.html").read_text()
    assert "6 of 8 cries (75 %) were recorded by phone" in page
    assert "Trained without the domain" in page


def test_the_tables_are_printed(trained):
    titles = [header[0] for header, _ in trained[1].tables]
    assert titles[-2:] == ["domain", "trained without"]
    (domains,) = [rows for header, rows in trained[1].tables if header[0] == "domain"]
    assert domains[0][:3] == ["phone", "6", "0"]


def test_domains_travel_into_the_predictions(trained):
    run, _ = trained
    with open(run.path / "predictions.csv", newline="") as stream:
        found = {row["file"]: row["domain"] for row in csv.DictReader(stream)}
    assert found["hungry/hungry0/0.wav"] == "tablet"
    assert found["rain/rain7/0.wav"] == "studio"
    assert run.predictions().domains is not None


def test_the_settings_of_the_run_hold_what_was_asked_for(trained):
    settings = json.loads((trained[0].path / "config.json").read_text())["settings"]
    assert settings["leave_domains_out"] is None
    assert Settings.from_dict(settings).leave_domains_out is None
