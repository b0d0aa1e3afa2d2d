import contextlib
import dataclasses
import json
import shutil

import pytest

from cry_tf.data import load
from cry_tf.papers import papers
from cry_tf.runs.progress import NoProgress
from cry_tf.studies.reproduce import paper_tables, training
from cry_tf.studies.reproduce.budget import BUDGETS
from cry_tf.studies.reproduce.cells import NOT_ASKED, SYNTHETIC
from cry_tf.studies.reproduce.clips import BY_CLIP, SPLITS
from cry_tf.studies.reproduce.reproduction import reproduce

pytestmark = pytest.mark.usefixtures("shallow_student")

SVM = ["mfcc_svm"]


def run(paper, data, path, budget, **more):
    dataset = load(data) if not hasattr(data, "clips") else data
    return reproduce(paper, dataset, path, budget=budget, **more)


def told(path):
    values = json.loads((path / paper_tables.TABLES).read_text())
    return {row["name"]: row for row in values["rows"]}


def refuse(*args, **kwargs):
    raise AssertionError("nothing was to be trained")


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(training, "run", refuse)


def test_by_clip_is_near_perfect_and_by_infant_chance_where_infants_betray_the_label(
    betraying, tmp_path
):
    found = run(
        papers.get("vggish"), betraying, tmp_path / "out", BUDGETS["full"], rows=SVM
    )
    by_clip, by_infant = (
        cell.measured
        for cell in (found.cells["mfcc_svm", split] for split in SPLITS)
        if cell.measured is not None
    )
    accuracy = [part.figures["accuracy"].value or 0 for part in (by_clip, by_infant)]
    # Each of 12 infants has a pitch and a label of its own, drawn at random.
    assert accuracy[0] > 0.9
    assert accuracy[1] < 0.7
    assert by_infant.groups == by_clip.groups == 12
    assert by_clip.majority["accuracy"] == 0.5


class Warnings(NoProgress):
    def __init__(self):
        self.said = []

    def warn(self, text):
        self.said.append(text)


def test_rows_about_reasons_are_left_out_where_the_data_names_none(
    cries_and_rain, tmp_path, no_training
):
    from cry_tf.studies.reproduce.paper_tables import tables

    data = load(cries_and_rain)
    data = data.map_labels({"hungry": "cry", "rain": "no_cry"}.get)
    progress = Warnings()
    found = run(
        papers.get("infantcrynet"),
        data,
        tmp_path / "out",
        BUDGETS["tiny"],
        rows=["detect_cnn10", "max", "teacher"],
        progress=progress,
    )
    (said,) = [text for text in progress.said if "rows cannot be run" in text]
    assert "2 of 3 rows cannot be run. Rows about reasons need" in said
    made = {table.title.partition(":")[0]: table for table in tables(found)}
    # No blank row, and the reason once for a table.
    assert [row[0] for row in made["Table 2"].rows] == ["CNN10"]
    for name in ("Table 3", "Table 4", "Table 5"):
        assert made[name].rows == ()
        assert made[name].notes == (found.no_clips["reason"],)


def test_a_paper_of_which_no_row_can_be_run_is_refused_at_once(
    cries_and_rain, tmp_path, no_training
):
    data = load(cries_and_rain)
    with pytest.raises(ValueError, match="at least two reasons"):
        run(papers.get("vggish"), data, tmp_path / "out", BUDGETS["tiny"])
    assert not (tmp_path / "out").exists()


def test_one_training_fills_both_tables_of_vggish(
    vggish, few, installed, tmp_path, tiny, monkeypatch
):
    runs = []
    real = training.run

    def counted(*args, **kwargs):
        runs.append(args[3])
        return real(*args, **kwargs)

    monkeypatch.setattr(training, "run", counted)
    rows = ["fold_1", "mean", "hunger", "weighted"]
    run(vggish, few, tmp_path / "out", tiny, rows=rows)
    assert runs == ["by_clip", "by_infant"]
    out = told(tmp_path / "out")
    for name in ("fold_1", "fold_5", "mean", "hunger", "tiredness", "weighted"):
        for split in ("by_clip", "by_infant"):
            assert out[name][split]["reason"] == ""
    assert out["fold_1"]["by_infant"]["clips"] == 4
    assert out["fold_1"]["by_infant"]["groups"] == 2
    mean = sum(
        out[f"fold_{n}"]["by_clip"]["figures"]["accuracy"]["value"] for n in range(1, 6)
    )
    assert out["mean"]["by_clip"]["figures"]["accuracy"]["value"] == pytest.approx(
        mean / 5
    )
    assert "1 of 30 epochs" in out["mean"]["budget"]
    assert out["mean"]["settings"]["recipe"]["epochs"] == 1
    assert "labelled boredom" in out["boredom"]["by_clip"]["reason"]
    assert out["scratch"]["by_clip"]["reason"] == NOT_ASKED


@pytest.mark.slow  # converts a network in every fold: 54 s
def test_a_quantized_row_is_the_file_that_would_ship(
    infantcrynet, few, installed, tmp_path, tiny
):
    run(infantcrynet, few, tmp_path / "out", tiny, rows=["teacher", "quantized"])
    out = told(tmp_path / "out")
    full, small = (
        out[name]["by_infant"]["file_bytes"] for name in ("teacher", "quantized")
    )
    # The shallow student has 16 k parameters, of 4 bytes and of 1; the front end and
    # the graph, about 50 kB, are alike in both.
    assert small < 0.75 * full
    assert out["quantized"]["by_infant"]["clips"] == 20
    for name in ("cnn14", "statistic"):
        assert (
            out[name]["by_infant"]["figures"] == out["teacher"]["by_infant"]["figures"]
        )
    csvs = sorted(path.name for path in (tmp_path / "out/rows").glob("*by_infant*.csv"))
    assert [name.split(".")[-2] for name in csvs] == ["dynamic", "keras", "none"]


def test_a_finished_row_is_never_run_again(few, tmp_path, monkeypatch):
    args = (papers.get("vggish"), few, tmp_path / "out", BUDGETS["full"])
    run(*args, rows=SVM)
    before = told(tmp_path / "out")["mfcc_svm"]
    monkeypatch.setattr(training, "run", refuse)
    run(*args, rows=SVM)
    assert told(tmp_path / "out")["mfcc_svm"] == before
    assert not before["by_clip"]["reason"]


class StopsAt(NoProgress):
    """Somebody presses Ctrl-C in the middle of the n-th training."""

    def __init__(self, number):
        self.number = number

    def bar(self, title, total):
        self.number -= title == "training"

        def advance():
            if self.number <= 0:
                raise KeyboardInterrupt

        return contextlib.nullcontext(advance)


def test_an_interrupt_loses_only_the_row_under_way(few, tmp_path):
    out = tmp_path / "out"
    args = (papers.get("vggish"), few, out, BUDGETS["full"])
    names = ["mfcc_gmm", "mfcc_svm"]
    with pytest.raises(KeyboardInterrupt):
        run(*args, rows=names, progress=StopsAt(2))
    found = told(out)["mfcc_gmm"]
    assert "figures" in found["by_clip"]
    assert "run the same command again" in found["by_infant"]["reason"]
    assert {path.name for path in out.iterdir()} == {
        "rows",
        "tables.json",
        "tables.md",
        "report.html",
    }
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    run(*args, rows=names)
    for name, time_ns in kept.items():
        assert (out / "rows" / name).stat().st_mtime_ns == time_ns
    rows = told(out)
    for name in names:
        for split in ("by_clip", "by_infant"):
            assert rows[name][split]["reason"] == ""


def test_other_clips_or_another_seed_are_another_result(few, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(few, data)
    args = (papers.get("vggish"), data, out, BUDGETS["full"])
    run(*args, rows=SVM)
    assert len(list((out / "rows").glob("*.json"))) == 2
    run(*args, rows=SVM, seed=1)
    assert len(list((out / "rows").glob("*.json"))) == 4
    (data / "hungry" / "hungry0" / "1.wav").unlink()
    run(*args, rows=SVM)
    assert told(out)["mfcc_svm"]["by_infant"]["clips"] == 19
    assert len(list((out / "rows").glob("*.json"))) == 6


def test_a_damaged_result_is_made_anew(few, tmp_path):
    args = (papers.get("vggish"), few, tmp_path / "out", BUDGETS["full"])
    run(*args, rows=SVM)
    before = told(tmp_path / "out")["mfcc_svm"]["by_clip"]["figures"]
    for path in (tmp_path / "out" / "rows").glob("*.json"):
        path.write_text(path.read_text()[:100])
    run(*args, rows=SVM)
    assert told(tmp_path / "out")["mfcc_svm"]["by_clip"]["figures"] == before


def test_rows_without_weights_say_so_and_are_not_replaced(few, tmp_path, no_training):
    rows = [row.name for row in papers.get("infantcrynet").rows if row.weights]
    run(papers.get("infantcrynet"), few, tmp_path / "out", BUDGETS["small"], rows=rows)
    out = told(tmp_path / "out")
    preset = "cnn14_16k_audioset"  # that of the recipe
    sentence = f"{preset} is not installed: cry-tf weights fetch {preset}"
    for name in ("cnn14", "max", "attention", "quantized", "teacher"):
        assert out[name]["by_clip"]["reason"] == sentence
        assert out[name]["by_infant"]["reason"] == sentence
    assert "wavegram_logmel_cnn14_audioset" in out["wavegram"]["by_clip"]["reason"]
    assert "nothing but cries" in out["detect_cnn10"]["by_clip"]["reason"]
    reason = out["quantized_distilled"]["by_clip"]["reason"]
    assert reason.startswith("resnet22_audioset is not installed")
    assert reason.endswith(sentence)  # of its teacher
    assert sentence in (tmp_path / "out" / "report.html").read_text()


def test_a_budget_of_clips_is_told_and_every_method_is_measured_on_them(few, tmp_path):
    few_clips = dataclasses.replace(BUDGETS["full"], name="tiny", clips=12)
    run(papers.get("vggish"), few, tmp_path / "out", few_clips, rows=SVM)
    assert told(tmp_path / "out")["mfcc_svm"]["by_infant"]["clips"] == 12
    for name in ("tables.md", "report.html", "tables.json"):
        text = (tmp_path / "out" / name).read_text()
        assert "tiny budget: 12 of 20 clips" in text


def test_too_few_infants_stop_the_split_by_infant_alone(few, tmp_path):
    dataset = load(few)
    kept = [
        place
        for place, clip in enumerate(dataset.clips)
        if clip.group not in ("hungry3", "hungry4")
    ]
    run(
        papers.get("vggish"),
        dataset.subset(kept),
        tmp_path / "out",
        BUDGETS["full"],
        rows=SVM,
    )
    out = told(tmp_path / "out")["mfcc_svm"]
    assert out["by_clip"]["clips"] == 16
    assert "5 different groups" in out["by_infant"]["reason"]


def test_the_reports_say_by_clip_loudly_and_what_is_synthetic(few, tmp_path):
    dataset = load(few)
    run(papers.get("vggish"), dataset, tmp_path / "real", BUDGETS["full"], rows=SVM)
    for name in ("tables.md", "report.html", "tables.json"):
        text = (tmp_path / "real" / name).read_text()
        assert BY_CLIP in text
        assert SYNTHETIC not in text
    for clip in dataset.clips:
        clip.columns["synthetic"] = "yes"  # type: ignore[index]
    run(papers.get("vggish"), dataset, tmp_path / "made", BUDGETS["full"], rows=SVM)
    for name in ("tables.md", "report.html", "tables.json"):
        assert SYNTHETIC in (tmp_path / "made" / name).read_text()


def test_a_stand_in_is_said_in_every_row_and_on_top(vggish, few, tmp_path, no_training):
    run(vggish, few, tmp_path / "out", BUDGETS["full"], rows=["mean"])
    text = (tmp_path / "out" / "report.html").read_text()
    assert "NOT THE PAPER" in text
    assert "Average [ds_cnn_s]" in text
    reason = told(tmp_path / "out")["mean"]["by_clip"]["reason"]
    assert reason.startswith("ds_cnn_s is not installed")


def test_another_papers_folder_is_left_alone(few, tmp_path):
    run(papers.get("vggish"), few, tmp_path / "out", BUDGETS["full"], rows=SVM)
    with pytest.raises(FileExistsError, match="the tables of vggish"):
        run(papers.get("infantcrynet"), few, tmp_path / "out", BUDGETS["full"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="left alone"):
        run(papers.get("vggish"), few, tmp_path / "mine", BUDGETS["full"])
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_an_unknown_row_lists_those_that_exist(few, tmp_path):
    with pytest.raises(ValueError, match=r"fold_1.*Received: table_9"):
        run(
            papers.get("vggish"), few, tmp_path / "x", BUDGETS["full"], rows=["table_9"]
        )
    assert not (tmp_path / "x").exists()
