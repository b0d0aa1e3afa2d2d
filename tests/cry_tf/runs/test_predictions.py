import dataclasses

import numpy as np
import pytest

from cry_tf.runs.predictions import Predictions


@pytest.fixture
def predictions(rng):
    scores = rng.dirichlet(np.ones(3), 6).astype(np.float32)
    return Predictions(
        files=tuple(f"a, b/{i}.wav" for i in range(6)),
        labels=("hungry", "tired", "burping"),
        truth=np.array([0, 0, 1, 1, 2, 2]),
        scores=scores,
        groups=("x", "x", "y", "y", "z", "é"),
        folds=np.array([0, 0, 1, 1, -1, -1]),
        durations_s=np.full(6, 1.5),
    )


def test_a_csv_gives_back_every_clip_to_the_last_bit(predictions, tmp_path):
    predictions.write_csv(tmp_path / "p.csv")
    read = Predictions.read_csv(tmp_path / "p.csv")

    assert read.files == predictions.files
    assert read.labels == predictions.labels
    assert read.groups == predictions.groups
    np.testing.assert_array_equal(read.scores.astype(np.float32), predictions.scores)
    for name in ("truth", "folds", "durations_s", "predicted"):
        np.testing.assert_array_equal(getattr(read, name), getattr(predictions, name))


def test_the_csv_has_the_columns_of_the_contract(predictions, tmp_path):
    predictions.write_csv(tmp_path / "p.csv")
    header = (tmp_path / "p.csv").read_text().splitlines()[0]
    assert header == (
        "file,label,group,fold,score_hungry,score_tired,score_burping,predicted,"
        "duration_s"
    )


def test_domains_stand_in_the_last_column_and_come_back(predictions, tmp_path):
    stated = dataclasses.replace(
        predictions, domains=("a", "a", "b, c", "", "b, c", "a"), events=np.arange(6)
    )
    stated.write_csv(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[0].endswith(",events,domain")
    assert Predictions.read_csv(tmp_path / "p.csv").domains == stated.domains
    assert stated.subset(np.array([2, 0])).domains == ("b, c", "a")


def test_a_csv_without_the_columns_is_named(tmp_path):
    (tmp_path / "p.csv").write_text("file,score_a,score_b\n1.wav,0.5,0.5\n")
    with pytest.raises(ValueError, match=r"p\.csv must have the columns.*label"):
        Predictions.read_csv(tmp_path / "p.csv")


def test_a_csv_that_is_cut_short_is_named(predictions, tmp_path):
    path = tmp_path / "p.csv"
    predictions.write_csv(path)
    lines = path.read_text().splitlines()
    for kept in ("\n".join([*lines[:-1], "f.wav,hungry"]), lines[0], ""):
        path.write_text(kept)
        with pytest.raises(ValueError, match=r"p\.csv must be a predictions\.csv"):
            Predictions.read_csv(path)


def test_a_detector_answers_at_its_threshold(predictions):
    detector = predictions.replace(
        scores=np.array([[0.6, 0.4, 0]] * 6), positive_label="tired", threshold=0.3
    )
    assert (detector.predicted == 1).all()
    assert (detector.replace(threshold=0.41).predicted == 0).all()


def test_a_subset_keeps_the_rows_together(predictions):
    part = predictions.subset(np.array([5, 2]))
    assert part.files == ("a, b/5.wav", "a, b/2.wav")
    assert part.groups == ("é", "y")
    np.testing.assert_array_equal(part.scores, predictions.scores[[5, 2]])


def test_wrong_shapes_and_scores_are_refused(predictions):
    with pytest.raises(ValueError, match=r"truth must have shape \(6,\)"):
        dataclasses.replace(predictions, truth=np.zeros(5, int))
    broken = predictions.scores.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN or infinity for a, b/3\.wav"):
        dataclasses.replace(predictions, scores=broken)
    with pytest.raises(ValueError, match="at least one clip"):
        predictions.subset(np.array([], int))
    with pytest.raises(ValueError, match="positive_label must be one of"):
        predictions.replace(positive_label="cry")
