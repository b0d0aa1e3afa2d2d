from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cry_export import ConversionError
from cry_export.precision import in_float32
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.figures import Estimate
from cry_tf.models import CryClassifier
from cry_tf.studies.reproduce import training
from cry_tf.studies.reproduce.reproduction import reproduce
from cry_tf.studies.reproduce.result import Measured, Result
from cry_tf.studies.reproduce.training import ExportingTrainer

REFUSAL = "the file does not answer like the model"


class Halves:
    """A trainer that cannot decide."""

    epochs = (1,)

    def predict(self, indices):
        return np.full((len(indices), 2), 0.5)


@pytest.fixture
def four():
    clips = [Clip(f"{i}.wav", "ab"[i % 2], f"{i}") for i in range(4)]  # type: ignore[arg-type]
    return Dataset(tuple(clips), ("a", "b"))


def test_a_refused_file_costs_its_own_scores_alone(four, monkeypatch, tmp_path):
    asked = []

    def score(self, fold, quantization):
        asked.append(quantization)
        if quantization == "dynamic":
            raise ConversionError(REFUSAL)
        self.file_bytes[quantization] = 9
        return np.full((len(fold), 2), 0.25)

    monkeypatch.setattr(ExportingTrainer, "_score", score)
    trainer = ExportingTrainer(Halves(), None, four, tmp_path)  # type: ignore[arg-type]
    for places in ([0, 1], [2, 3]):
        found = trainer.predict(np.array(places))
        np.testing.assert_array_equal(found, 0.5)
    assert asked == ["none", "dynamic", "none"]
    assert trainer.refused == {"dynamic": REFUSAL}
    assert trainer.file_bytes == {"none": 9}
    assert set(trainer.scores) == {"none"}
    np.testing.assert_array_equal(trainer.scores["none"], 0.25)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_network_that_was_trained_in_bfloat16_becomes_a_float32_file(
    four, tmp_path, monkeypatch, shallow_student, dtype
):
    seen = []

    def export_fold(model, *_):
        seen.append(model)
        return SimpleNamespace(file_bytes=9)

    monkeypatch.setattr(training.exporting, "export_fold", export_fold)
    monkeypatch.setattr(
        training.exporting, "file_scores", lambda path, clips: np.full((2, 2), 0.5)
    )
    model: Any = CryClassifier.from_preset(
        "ds_cnn_s", ["a", "b"], weights=None, dtype=dtype
    )
    trainer = ExportingTrainer(Halves(), model, four, tmp_path)  # type: ignore[arg-type]
    trainer.predict(np.array([0, 1]))
    for given in seen:
        made = in_float32(given)  # as `export` begins
        assert made.backbone.dtype_policy.name == "float32"
        for one, other in zip(made.weights, model.weights, strict=True):
            np.testing.assert_array_equal(one, other)
        assert (made is model) == (dtype == "float32")
    assert len(seen) == 2


def test_a_row_whose_file_was_refused_says_why_and_is_not_run_again(
    infantcrynet, few, installed, tmp_path, tiny, monkeypatch
):
    from cry_tf.data import load

    runs = []

    def made(dataset, experiment, settings, split, *rest, **more):
        runs.append(split)
        part = Measured(
            20, 10, {"accuracy": Estimate(0.5)}, "hungry", {"accuracy": 0.5}
        )
        every = {name: {"all": part} for name in ("keras", "none")}
        found = Result(every, {"none": 9}, {"dynamic": REFUSAL}, 0, "", 0.5, 1.0)
        return training.Trained(found, {})

    monkeypatch.setattr(training, "run", made)
    for rows in (["teacher", "quantized"], ["teacher", "quantized"], ["max"]):
        found = reproduce(
            infantcrynet, load(few), tmp_path / "out", budget=tiny, rows=rows
        )
        for split in ("by_clip", "by_infant"):
            cell = found.cells["quantized", split]
            assert (cell.reason, cell.measured) == (REFUSAL, None)
            assert found.cells["teacher", split].measured is not None
    # Twice for the network of Table 5, twice for that of the row max.
    assert runs == ["by_clip", "by_infant"] * 2
