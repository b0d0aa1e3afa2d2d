"""A run with each head, from the recordings to the file for a device."""

import json
import math

import numpy as np
import pytest

from cry_tf import exporting
from cry_tf.data import load
from cry_tf.evaluation.scorer import load_scorer
from cry_tf.heads import ARRAY_HEADS, HEADS
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training import recipe
from cry_tf.training.settings import Settings
from cry_tf.training.train import train

QUICK = recipe.QUICK.replace(epochs=2, learning_rate=0.05)
NETWORK_HEADS = [head for head in HEADS if head not in ARRAY_HEADS]


@pytest.fixture(scope="module")
def shallow_student():
    """The whole student stands in: int8 weights of half its layers, drawn at random,
    move what a fitted head answers by more than the gate lets pass."""


@pytest.fixture(scope="module")
def make_run(recordings, weights, tmp_path_factory):
    """Returns `make(head)`, which trains each head once."""
    folder = tmp_path_factory.mktemp("runs")
    done = {}

    def make(head, **changes):
        key = (head, *changes.items())
        if key not in done:
            settings = Settings(
                task="reason",
                recipe=QUICK.replace(head=head, **changes),
                backbone="ds_cnn_s",
                weights=str(weights),
                folds=2,
                baselines=head == "svm",
            )
            done[key] = train(
                load(recordings),
                settings,
                folder / f"{head}{len(done)}",
                embeddings_dir=folder / "embeddings",
                origin=str(recordings),
            )
        return done[key]

    return make


@pytest.mark.parametrize("head", NETWORK_HEADS)
def test_the_saved_model_answers_as_the_head_did(make_run, recordings, head):
    run = make_run(head)
    assert run.config["settings"]["recipe"]["head"] == head
    model = run.load_model()
    data = load(recordings)
    scores = [
        model(waveform[None], training=False)[0]
        for _, waveform in data.waveforms(model.spec.sample_rate_hz)
    ]
    np.testing.assert_allclose(np.sum(scores, axis=1), 1, atol=1e-5)
    if head in ("logreg", "prototype"):  # fitted, they find the tones at once
        assert (np.argmax(scores, axis=1) == data.label_indices).mean() > 0.9


# On such a small network the gate may leave layers of `dynamic` float.
@pytest.mark.filterwarnings("ignore:dynamic was:cry_export.errors.FallbackWarning")
@pytest.mark.parametrize(
    ("head", "quantize"),
    [("mlp", "none"), ("logreg", "dynamic"), ("prototype", "none")],
)
def test_heads_of_layers_pass_the_gate_to_the_device(
    make_run, tmp_path, head, quantize
):
    run = make_run(head)
    made = exporting.export(
        run.load_model(),
        tmp_path / "cry.tflite",
        quantize,
        check=exporting.run_clips(run),
        provenance=exporting.run_provenance(run),
    )
    assert made.path.is_file()
    assert made.parity.clips == 24
    assert not made.parity.is_refused
    assert made.parity.clear_flips == 0


@pytest.mark.parametrize("head", ARRAY_HEADS)
def test_a_head_of_arrays_is_stored_without_pickle(make_run, head):
    run = make_run(head)
    names = {path.name for path in run.path.iterdir()}
    assert {"features.keras", "head.npz", "head.json", "predictions.csv"} <= names
    assert "model.keras" not in names
    again = RunFolder.open(run.path)
    assert not again.has_network
    assert len(again.predictions().files) == 24


@pytest.mark.parametrize("head", ARRAY_HEADS)
def test_a_head_of_arrays_judges_new_recordings(make_run, recordings, head):
    scorer = load_scorer(make_run(head).path)
    data = load(recordings)
    scores = np.array(
        [scorer.score(w) for _, w in data.waveforms(scorer.spec.sample_rate_hz)]
    )
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.argmax(axis=1) == data.label_indices).mean() > 0.9
    assert len(scorer.trained_on) == 24
    assert scorer.spec.labels == ("hungry", "tired")


@pytest.mark.parametrize("head", ARRAY_HEADS)
def test_a_head_of_arrays_is_refused_by_export_in_one_sentence(make_run, head):
    run = make_run(head)
    for refused in (run.load_model, lambda: run.model_path):
        with pytest.raises(ValueError, match=f"The head {head} is kept as arrays") as e:
            refused()
        assert str(e.value).count(". ") == 0
        assert "--head softmax, mlp, logreg or prototype" in str(e.value)


def test_classical_baselines_stand_beside_the_model(make_run):
    run = make_run("svm")
    rows = run.metrics["baselines"]
    assert set(rows) == {"MFCC + GMM", "MFCC + SVM"}
    # A tone of 500 Hz and one of 2 kHz: any method tells them apart.
    for row in rows.values():
        assert row["accuracy"]["value"] > 0.9
        assert not math.isnan(row["balanced_accuracy"]["low"])
    report = (run.path / "report.html").read_text()
    assert report.index("this model") < report.index("MFCC + GMM")
    assert report.index("MFCC + SVM") < report.index("always “hungry”")


def test_baselines_can_be_left_out(make_run):
    run = make_run("gmm")
    assert run.metrics["baselines"] == {}
    assert "MFCC" not in (run.path / "report.html").read_text()


@pytest.mark.parametrize("head", ["softmax", "logreg"])
def test_augmented_copies_change_the_training_and_are_recorded(make_run, head):
    plain = make_run(head)
    augmented = make_run(head, augment="strong", augment_copies=2)
    first, second = (run.predictions().scores for run in (plain, augmented))
    assert first.shape == second.shape
    assert (first != second).any()
    config = json.loads((augmented.path / "config.json").read_text())
    assert config["settings"]["recipe"]["augment"] == "strong"
    assert (
        "augmentation strong, 2 copies" in (augmented.path / "report.html").read_text()
    )


def test_mixup_trains_with_shares_for_labels(make_run):
    run = make_run("softmax", mixup=0.4)
    assert np.isfinite(run.predictions().scores).all()
    assert "mixup 0.4" in (run.path / "report.html").read_text()


def test_noises_among_which_a_clip_is_are_refused(recordings, weights, tmp_path):
    settings = Settings(
        task="reason",
        recipe=QUICK.replace(augment="light", augment_copies=1),
        backbone="ds_cnn_s",
        weights=str(weights),
        folds=2,
        noise=str(recordings / "hungry"),
    )
    with pytest.raises(ValueError, match="must hold none of the clips.*holds 12"):
        train(load(recordings), settings, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"imbalance": "logit_adjustment", "mixup": 0.2},
        {"imbalance": "balanced_sampling", "augment": "light", "epochs": 2},
    ],
)
def test_every_layer_can_be_trained_on_changed_clips(recordings, tmp_path, changes):
    settings = Settings(
        task="detect",
        recipe=recipe.FULL.replace(**{"epochs": 1, "batch_size": 12, **changes}),
        backbone="ds_cnn_s",
        weights=None,
        folds=2,
        positive=("tired",),
        baselines=False,
    )
    run = train(load(recordings), settings, tmp_path / "run")
    assert np.isfinite(run.predictions().scores).all()
