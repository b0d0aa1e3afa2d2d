"""The last layers learn the same from feature maps as from the waveform."""

import keras
import numpy as np
import pytest
import soundfile

import cry_hub
from cry_hub.yamnet import yamnet
from cry_tf.data import EmbeddingCache, load
from cry_tf.models import CryClassifier
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe as recipes
from cry_tf.training import staged_trainer
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import prepare
from cry_tf.training.recipe import Stage
from cry_tf.training.settings import Settings
from cry_tf.training.waveform_trainer import MapTrainer, WaveformTrainer

pytestmark = pytest.mark.usefixtures("shallow_student", "few_filters")

RATE_HZ = 16_000
LAST = Stage(trains="last", epochs=2, learning_rate=1e-3, depth_factor=0.5)
RECIPE = recipes.FINE_TUNE.replace(
    epochs=1, batch_size=4, patience=0, before=(LAST,), max_seconds=1.5
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Tones of 0.5 to 2.3 s: some are cut for training, and scored whole."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("recordings")
    for label, pitch_hz in {"hungry": 500, "tired": 2000}.items():
        for take in range(7):
            time_s = np.arange(round(RATE_HZ * (0.5 + 0.3 * take))) / RATE_HZ
            wave = 0.3 * np.sin(2 * np.pi * (pitch_hz + 9 * take) * time_s)
            wave += rng.normal(0, 0.01, len(wave))
            path = folder / label / f"{label}{take}" / "clip.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, wave, RATE_HZ)
    return folder


@pytest.fixture
def make(recordings, tmp_path, monkeypatch):
    """Makes a model and the trainer of its last layers, always alike."""
    monkeypatch.setattr(yamnet, "LAYERS", (("conv", 2, 8), *yamnet.LAYERS[4:7]))

    def build(name, recipe=RECIPE, progress=None):
        asked = Settings(
            task="reason", recipe=recipe, backbone=name, weights="unused.npz", folds=2
        )
        prepared = prepare(load(recordings), asked, RunContext())
        keras.utils.set_random_seed(0)
        backbone = cry_hub.load(name, weights=None)
        if name == "yamnet_audioset":
            backbone = yamnet.YAMNet(freeze_batch_norm=True)
        model = CryClassifier(backbone, prepared.dataset.labels, dropout=0.2)
        trainer, _ = make_trainer(
            model,
            prepared,
            asked,
            RunContext(
                progress=progress or NoProgress(),
                embeddings=EmbeddingCache(tmp_path / "embeddings"),
                maps_dir=tmp_path / "maps",
            ),
        )
        return model, trainer

    return build


@pytest.mark.parametrize("name", ["yamnet_audioset", "cnn10_audioset", "ds_cnn_s"])
def test_losses_and_weights_are_those_of_the_waveform(make, monkeypatch, name):
    places = np.arange(14)
    model, trainer = make(name)
    part = trainer._parts[0]
    assert isinstance(part, MapTrainer)
    trainer._groups.unfreeze(LAST)
    history = part.fit(places)
    weights = model.get_weights()
    scores = part.predict(places)
    np.testing.assert_allclose(
        scores, WaveformTrainer.predict(trainer._parts[1], places), atol=1e-5
    )

    def refuse(*_):
        raise ValueError("it cannot be cut.")

    monkeypatch.setattr(staged_trainer, "cut", refuse)
    model, trainer = make(name)
    assert trainer.notes == (
        "the last layers are trained from the waveform: it cannot be cut",
    )
    begun = model.get_weights()
    trainer._groups.unfreeze(LAST)
    expected = trainer._parts[0].fit(places)
    for figure in ("loss", "val_loss"):
        np.testing.assert_allclose(history[figure], expected[figure], rtol=1e-4)
    assert history["learning_rate"] == expected["learning_rate"]
    for found, whole, before in zip(weights, model.get_weights(), begun, strict=True):
        # Adam divides by the gradient: rounding in tiny ones shows.
        moved = np.abs(whole.astype(float) - before).mean()
        assert np.abs(found.astype(float) - whole).mean() <= 0.02 * moved + 1e-7


def test_a_clip_is_shown_with_its_copies_and_they_are_never_scored(make, tmp_path):
    _, trainer = make(
        "ds_cnn_s", RECIPE.replace(augment="light", augment_copies=2, max_seconds=9.0)
    )
    assert len(list((tmp_path / "maps").iterdir())) == 14 * 3
    part = trainer._parts[0]
    order = part.stage_fit(np.arange(14)).order
    shown = np.concatenate([order.places(epoch) for epoch in range(3)])
    clips = part._maps.versions.clip[shown]
    assert set(np.bincount(shown)[shown]) == {1}  # each version once in three epochs
    assert len(set(clips)) < 14  # held-out clips take their copies with them
    first = next(iter(part._maps.scoring(np.array([3, 0]), 2)))[0]
    clip = next(iter(part._maps.scoring(np.array([3]), 1)))[0]
    for both, alone in zip(first, clip, strict=True):
        np.testing.assert_array_equal(both[0], alone[0])


def test_what_was_computed_is_taken_from_the_disk(make, tmp_path, monkeypatch):
    make("ds_cnn_s")
    # 14 clips as they are trained on, and those longer than 1.5 s whole.
    files = sorted((tmp_path / "maps").iterdir())
    assert len(files) == 14 + 6
    kept = {file: file.stat().st_mtime_ns for file in files[1:]}
    files[0].unlink()
    make("ds_cnn_s")
    assert files[0].is_file()
    assert kept == {file: file.stat().st_mtime_ns for file in files[1:]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mixup": 0.2}, "mixup mixes waveforms"),
        ({"spec_augment": True}, "SpecAugment hides something else"),
        ({"augment": "light"}, "clips are augmented anew in every epoch"),
    ],
)
def test_what_differs_in_every_epoch_is_trained_from_the_waveform(make, change, why):
    _, trainer = make("ds_cnn_s", RECIPE.replace(**change))
    assert not isinstance(trainer._parts[0], MapTrainer)
    assert why in trainer.notes[0]
