import dataclasses

import numpy as np
import pytest

from cry_tf.data import load
from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.evaluation.figures import Estimate
from cry_tf.models import CryClassifier
from cry_tf.papers import papers
from cry_tf.studies.reproduce import teacher_scores, training
from cry_tf.studies.reproduce.budget import settings_for
from cry_tf.studies.reproduce.reproduction import reproduce
from cry_tf.studies.reproduce.result import Identity, Measured, Result
from cry_tf.studies.reproduce.teacher_scores import (
    DistillingTrainer,
    ScoreKeepingTrainer,
    TeacherScores,
)
from cry_tf.training.context import RunContext
from cry_tf.training.trainer import Fold

pytestmark = pytest.mark.usefixtures("shallow_student")


@pytest.fixture
def kept_scores():
    """Two folds of four clips, two labels."""
    scores = np.array(
        [[[0.9, 0.1], [0.8, 0.2], [0.0, 1.0], [0.5, 0.5]]] * 2, np.float32
    )
    scores[1] = scores[1, ::-1]
    return TeacherScores(scores, np.array([0, 1, 0, 1]))


@pytest.fixture
def identity():
    row = next(r for r in papers.get("infantcrynet").rows if r.name == "teacher")
    return Identity(row.experiment, None, "by_clip", "0", None)  # type: ignore[arg-type]


def test_each_fold_has_the_teacher_not_trained_on_its_test_clips(kept_scores):
    found = kept_scores.logits(1, np.array([2, 0]))
    assert found.shape == (4, 1, 1, 2)
    scores = np.exp(found[:, 0, 0])
    np.testing.assert_allclose(scores, kept_scores.scores[1], atol=1e-6)
    assert np.isfinite(found).all()
    with pytest.raises(ValueError, match="same clips of a fold"):
        kept_scores.logits(1, np.array([0, 1]))


def test_teacher_scores_are_read_back_as_they_were_or_not_at_all(
    kept_scores, identity, tmp_path
):
    teacher_scores.write(tmp_path, identity, kept_scores)
    found = teacher_scores.read(tmp_path, identity)
    assert found is not None
    np.testing.assert_array_equal(found.scores, kept_scores.scores)
    np.testing.assert_array_equal(found.folds, kept_scores.folds)
    other = dataclasses.replace(identity, data_sha256="1")
    assert teacher_scores.read(tmp_path, other) is None
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert teacher_scores.read(tmp_path, identity) is None


def test_a_teacher_is_asked_about_every_clip_of_each_fold():
    class Counts:
        epochs = (1,)
        asked = 0

        def predict(self, indices):
            self.asked += 1
            return np.stack([indices, np.full(len(indices), self.asked)], axis=1)

    trainer = ScoreKeepingTrainer(Counts(), 4)  # type: ignore[arg-type]
    np.testing.assert_array_equal(trainer.predict(np.array([1, 3]))[:, 0], [1, 3])
    trainer.predict(np.array([0, 2]))
    found = trainer.teacher_scores(np.array([1, 0, 1, 0]))
    assert found.scores.shape == (2, 4, 2)
    np.testing.assert_array_equal(found.scores[1, :, 1], 2)


def test_a_student_takes_a_step_of_several_micro_batches(few, tiny):
    dataset = load(few)
    row = next(r for r in papers.get("infantcrynet").rows if r.name == "distilled")
    settings = settings_for(row, tiny, 0)
    settings = dataclasses.replace(
        settings, recipe=settings.recipe.replace(batch_size=8, micro_batch=4)
    )
    model = CryClassifier.from_preset("ds_cnn_s", dataset.labels, weights=None)
    folds = np.arange(20) % 5
    given = TeacherScores(np.full((5, 20, 2), 0.5, np.float32), folds)
    trainer = DistillingTrainer(
        model, dataset, DistillSettings(student=settings), given, RunContext()
    )
    trainer.reset()
    trainer.fit(np.flatnonzero(folds != 2), fold=Fold("2"))
    optimizer = trainer._trainer._distiller.optimizer
    assert int(optimizer.iterations) == 2  # 16 clips, 8 a step
    with pytest.raises(ValueError, match="take the same clips"):
        DistillingTrainer(
            model,
            dataset.subset(range(8)),
            DistillSettings(student=settings),
            given,
            RunContext(),
        )


def test_a_teacher_is_trained_once_for_its_row_and_all_its_students(
    infantcrynet, few, tmp_path, tiny, monkeypatch
):
    runs, lessons = [], []

    def made(dataset, experiment, settings, split, *rest, teacher_scores, is_teacher):
        runs.append((experiment.preset, experiment.teacher, split))
        lessons.append(teacher_scores)
        part = Measured(20, 10, {"accuracy": Estimate(0.5)}, "a", {"accuracy": 0.5})
        every = {name: {"all": part} for name in ("keras", "none", "dynamic")}
        found = Result(every, {"none": 9, "dynamic": 3}, {}, 0, "", 0.5, 1.0)
        scores = np.full((2, len(dataset), 2), 0.5, np.float32)
        given = (
            TeacherScores(scores, np.arange(len(dataset)) % 2) if is_teacher else None
        )
        return training.Trained(found, {}, given)

    monkeypatch.setattr(training, "run", made)
    first, second = (f"scratch_ds_cnn_{size}_distilled" for size in "sm")
    folder = tmp_path / "out" / "rows"

    def run(*rows):
        runs.clear()
        return reproduce(
            infantcrynet, load(few), tmp_path / "out", budget=tiny, rows=rows
        )

    found = run(first)
    teacher = ("ds_cnn_s", "")  # stands in for CNN14
    student = ("ds_cnn_s", "scratch_teacher")
    order = [(*teacher, "by_clip"), (*student, "by_clip")]
    assert runs == [*order, (*teacher, "by_infant"), (*student, "by_infant")]
    assert [lesson is None for lesson in lessons] == [True, False] * 2
    for split in ("by_clip", "by_infant"):
        for name in (first, "scratch_ds_cnn_s_quantized_distilled", "scratch_teacher"):
            assert found.cells[name, split].measured is not None, name
        assert found.cells[second, split].measured is None
    assert "[teacher: ds_cnn_s]" in (tmp_path / "out" / "tables.md").read_text()
    # Another student, another day.
    run(second, first)
    student = ("ds_cnn_m", "scratch_teacher")
    assert runs == [(*student, "by_clip"), (*student, "by_infant")]
    # The teacher scores are gone: its row stays, until a student needs it.
    for path in [*folder.glob("*.npz"), *folder.glob("*ds_cnn_m*by_clip*.json")]:
        path.unlink()
    run("scratch_teacher", first, second)
    assert runs == [(*teacher, "by_clip"), (*student, "by_clip")]


def test_a_student_of_a_row_that_failed_says_so(
    infantcrynet, few, tmp_path, tiny, monkeypatch
):
    runs = []

    def fails(dataset, experiment, *rest, **more):
        runs.append(experiment.teacher)
        raise ValueError("The loss must stay finite.")

    monkeypatch.setattr(training, "run", fails)
    rows = ["scratch_teacher", "scratch_ds_cnn_s_distilled"]
    found = reproduce(infantcrynet, load(few), tmp_path / "x", budget=tiny, rows=rows)
    assert runs == ["", ""]  # a split each, and not again for the student
    reason = found.cells[rows[1], "by_clip"].reason
    assert reason == "its teacher has none: The loss must stay finite."


@pytest.mark.slow  # converts two networks in every fold
def test_a_distilled_row_is_the_file_of_a_student_of_its_fold(
    infantcrynet, few, tmp_path, tiny
):
    rows = ["scratch_ds_cnn_s_quantized_distilled"]
    found = reproduce(infantcrynet, load(few), tmp_path / "x", budget=tiny, rows=rows)
    for split in ("by_clip", "by_infant"):
        cell = found.cells[rows[0], split]
        assert cell.reason == ""
        assert cell.measured is not None
        assert cell.measured.clips == 20
        assert cell.result is not None
        sizes = cell.result.file_bytes
        assert sizes["dynamic"] < 0.75 * sizes["none"]  # the front end is float32
        assert found.cells["scratch_quantized", split].measured is not None
