import csv
import json

import numpy as np
import pytest

from cry_tf.data import load
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe
from cry_tf.training.settings import Settings
from cry_tf.training.train import train

pytestmark = pytest.mark.usefixtures("shallow_student")

RATE_HZ = 16_000
EPOCHS = 3


@pytest.fixture(scope="module")
def settings(weights):
    return Settings(
        task="reason",
        recipe=recipe.QUICK.replace(epochs=EPOCHS, learning_rate=0.05),
        backbone="ds_cnn_s",
        weights=str(weights),
        folds=3,
        seed=4,
    )


@pytest.fixture(scope="module")
def finished(recordings, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return train(
        load(recordings),
        settings,
        folder / "run",
        embeddings_dir=folder / "embeddings",
        origin="here",
    )


def rows(run, name):
    with open(run.path / name, newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_run_folder_holds_everything_that_it_promises(finished):
    assert {path.name for path in finished.path.iterdir()} == {
        "model.keras",
        "config.json",
        "metrics.json",
        "predictions.csv",
        "history.csv",
        "report.html",
    }


def test_no_group_is_in_two_folds_and_every_clip_in_one(finished, recordings):
    folds = {}
    predictions = rows(finished, "predictions.csv")
    for row in predictions:
        folds.setdefault(row["group"], set()).add(row["fold"])
    assert all(len(found) == 1 for found in folds.values())
    assert {row["file"] for row in predictions} == {
        clip.name for clip in load(recordings).clips
    }


def test_history_has_every_epoch_of_every_fold_and_of_the_final_model(finished):
    history = rows(finished, "history.csv")
    assert len(history) == EPOCHS * 4
    assert [row["fold"] for row in history[-EPOCHS:]] == ["all"] * EPOCHS


def test_the_record_says_how_it_was_made(finished, weights):
    config = finished.config
    assert config["settings"]["seed"] == 4
    assert config["settings"]["recipe"]["epochs"] == EPOCHS
    assert len(config["weights"]["sha256"]) == 64
    assert len(config["data"]["sha256"]) == 64
    assert len(config["data"]["clip_digests"]) == 24
    assert config["data"]["groups"] == 12
    assert "label folder" in config["data"]["grouping"]
    assert config["data"]["origin"] == "here"
    folder = finished.path / config["data"]["folder"]
    assert all(
        (folder / row["file"]).is_file() for row in rows(finished, "predictions.csv")
    )
    assert {"tensorflow", "keras", "cry-tf", "python"} <= set(config["versions"])


def test_the_metrics_are_those_of_the_predictions(finished):
    from cry_tf.evaluation.metrics import measure

    again = json.loads(json.dumps(measure(finished.predictions()).to_dict()))
    assert again["confusion_matrix"] == finished.metrics["confusion_matrix"]
    assert again["model"]["auc"] == pytest.approx(finished.metrics["model"]["auc"])


def test_the_saved_model_hears_what_the_cached_embeddings_were(
    finished, recordings, settings
):
    import keras

    from cry_tf.data import EmbeddingCache

    model = finished.load_model()
    assert isinstance(model, keras.Model)
    dataset = load(recordings)
    embeddings = EmbeddingCache(finished.path.parent / "again").embed(
        model.backbone, dataset
    )
    values = keras.utils.pad_sequences(embeddings.values, None, "float32", "post")
    lengths = np.array([len(value) for value in embeddings.values])
    mask = np.arange(values.shape[1]) < lengths[:, None]
    cached = model.head_model().predict([values, mask], verbose=0)
    heard = [
        model(waveform[None], training=False)[0]
        for _, waveform in dataset.waveforms(RATE_HZ)
    ]
    # Embeddings are computed in other batches: float32 rounding.
    np.testing.assert_allclose(cached, np.array(heard), atol=1e-4)
    assert not model.compiled


def test_the_same_seed_gives_the_same_predictions(finished, recordings, settings):
    again = train(
        load(recordings),
        settings,
        finished.path.parent / "again_run",
        embeddings_dir=finished.path.parent / "embeddings",
    )
    for name in ("predictions.csv", "history.csv"):
        assert (again.path / name).read_text() == (finished.path / name).read_text()


class Interrupts(NoProgress):
    """Somebody presses Ctrl-C in the middle of the training."""

    def bar(self, title, total):
        import contextlib

        def advance(left_s=None):
            if title.startswith("training"):
                raise KeyboardInterrupt

        return contextlib.nullcontext(advance)


def test_an_interrupt_in_the_middle_of_training_leaves_only_what_to_go_on_with(
    finished, recordings, settings, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        train(
            load(recordings),
            settings,
            tmp_path / "run",
            progress=Interrupts(),
            embeddings_dir=finished.path.parent / "embeddings",
        )
    assert [path.name for path in tmp_path.iterdir()] == [".run.resume"]


def test_an_earlier_run_is_refused_before_anything_is_computed(finished, settings):
    with pytest.raises(FileExistsError, match="--overwrite"):
        train(None, settings, finished.path)  # type: ignore[arg-type]


def test_every_layer_can_be_trained_and_a_detector_gets_its_threshold(
    recordings, tmp_path
):
    settings = Settings(
        task="detect",
        recipe=recipe.FULL.replace(epochs=1, batch_size=12),
        backbone="ds_cnn_s",
        weights=None,
        folds=2,
        positive=("tired",),
    )
    run = train(load(recordings), settings, tmp_path / "run")

    chosen = run.metrics["threshold"]
    assert chosen["same_scores"]["recall"] >= 0.95
    assert "flatters" in chosen["note"]
    model = run.load_model()
    assert model.spec.labels == ("no_cry", "cry")
    assert model.spec.decision.onset_threshold == pytest.approx(chosen["threshold"])
    assert model.backbone.trainable
    assert run.config["label_mapping"]["positive"] == {"tired": 12}
    assert run.config["weights"]["sha256"] is None


@pytest.mark.assets
@pytest.mark.slow
def test_a_head_on_yamnet_tells_real_cries_from_other_sounds(assets, tmp_path):
    weights = assets / "weights/yamnet/yamnet_reconstructed_folded_f32.npz"
    settings = Settings(
        task="detect", recipe=recipe.QUICK.replace(epochs=20), weights=str(weights)
    )
    run = train(
        load(assets / "data/esc10"),
        settings,
        tmp_path / "run",
        embeddings_dir=tmp_path / "embeddings",
    )
    # Measured 1.000 by recording, five folds: 28 cries, 291 other sounds.
    assert run.metrics["model"]["auc"]["value"] > 0.98
    assert run.metrics["model"]["balanced_accuracy"]["low"] > 0.8
