import dataclasses

import numpy as np
import pytest
import soundfile

from cry_tf.augment import FieldMix
from cry_tf.data import EmbeddingCache, load
from cry_tf.data.extraction import Extractor
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training import field_sounds, recipe
from cry_tf.training.context import RunContext
from cry_tf.training.field_trainer import make_field_trainer
from cry_tf.training.plan import new_model
from cry_tf.training.preparation import prepare
from cry_tf.training.settings import Settings
from cry_tf.training.train import train

RATE_HZ = 8_000
FIELD = recipe.FIELD.replace(windows=120, epochs=3)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Five seconds each, of four phones; a cry is a tone for two of them."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(0)
    time_s = np.arange(5 * RATE_HZ) / RATE_HZ
    for label in ("cry", "quiet"):
        for phone in range(4):
            sound = rng.normal(0, 0.01, len(time_s))
            if label == "cry":
                is_loud = (time_s >= 1) & (time_s < 3)
                sound += 0.3 * is_loud * np.sin(2 * np.pi * (900 + 30 * phone) * time_s)
            path = folder / label / f"phone{phone}" / f"{label}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound, RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def settings(weights):
    return Settings(
        task="detect",
        recipe=FIELD,
        backbone="ds_cnn_s",
        weights=str(weights),
        folds=2,
        baselines=False,
    )


@pytest.fixture(scope="module")
def trainer(recordings, settings, tmp_path_factory):
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    context = RunContext(embeddings=cache)
    prepared = prepare(load(recordings), settings, context)
    model = new_model(prepared, settings)
    return make_field_trainer(model, prepared.dataset, settings, context), prepared


def test_a_fold_is_trained_on_windows_of_its_own_recordings_alone(trainer):
    found, prepared = trainer
    sounds = found.sounds
    everything = np.arange(len(prepared.dataset))
    assert len(sounds.within(everything)) == 120
    for kept, test in prepared.dataset.fold_indices(2, 0):
        windows = sounds.within(kept)
        used = {place for window in windows for place in sounds.places[window]}
        assert used <= set(kept.tolist())
        # Recordings of two folds are never mixed, so no window is lost.
        assert len(windows) + len(sounds.within(test)) == 120


def test_a_recording_has_the_answer_of_its_windows(trainer, recordings):
    found, prepared = trainer
    everything = np.arange(len(prepared.dataset))
    found.reset()
    found.fit(everything)
    scores = found.predict(everything)
    assert scores.shape == (8, 2)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)

    from cry_tf.evaluation.scorer import Scorer

    model = found.model
    scorer = Scorer(
        path=recordings,
        spec=model.spec,
        score=lambda waveform: np.asarray(model(waveform[None]))[0],
    )
    for place, clip in enumerate(prepared.dataset.clips[:3]):
        _, waveform = next(prepared.dataset.subset([place]).waveforms(16_000))
        answer, _ = scorer.decide([waveform])
        np.testing.assert_allclose(scores[place], answer.scores, atol=1e-4)
        assert clip.name


def test_a_second_training_reads_every_embedding_from_the_cache(
    recordings, settings, tmp_path, monkeypatch
):
    called = []
    original = Extractor.__call__
    monkeypatch.setattr(
        Extractor,
        "__call__",
        lambda self, waveforms: called.append(1) or original(self, waveforms),
    )
    runs = []
    for name in ("one", "two"):
        called.clear()
        run = train(
            load(recordings), settings, tmp_path / name, embeddings_dir=tmp_path / "c"
        )
        assert bool(called) == (name == "one")
        runs.append(RunFolder.open(run.path))
    one, two = (run.predictions() for run in runs)
    np.testing.assert_array_equal(one.scores, two.scores)
    assert "120 drawn windows" in runs[0].config["training_notes"][0]


def test_the_recipe_is_for_detectors(settings):
    with pytest.raises(ValueError, match="task='reason'"):
        Settings(task="reason", recipe=FIELD, weights="x.npz")
    with pytest.raises(ValueError, match="train the head alone"):
        FIELD.replace(trains="all")
    with pytest.raises(ValueError, match="windows=1"):
        FIELD.replace(windows=1)


def test_times_of_crying_are_of_the_data(recordings, settings, tmp_path):
    table = tmp_path / "events.csv"
    table.write_text("file,start_s,end_s\nelsewhere.wav,0,1\n")
    stated = dataclasses.replace(settings, events=str(table))
    with pytest.raises(ValueError, match="names none of them"):
        train(load(recordings), stated, tmp_path / "run")
    quick = dataclasses.replace(stated, recipe=recipe.QUICK)
    with pytest.raises(ValueError, match="Use the recipe field"):
        train(load(recordings), quick, tmp_path / "run")


def test_windows_with_a_cry_are_drawn_where_it_cries(recordings, settings, tmp_path):
    table = recordings / "events.csv"
    rows = [f"cry/phone{n}/cry.wav,1,3" for n in range(4)]
    table.write_text("file,start_s,end_s\n" + "\n".join(rows))
    context = RunContext(embeddings=EmbeddingCache(tmp_path))
    prepared = prepare(load(recordings), settings, context)
    model = new_model(prepared, settings)
    sounds = field_sounds.draw(
        prepared.dataset,
        FieldMix(windows=40),
        dataclasses.replace(settings, events=str(table)),
        model.spec.front_end,
    )
    stated = [r.crying_s for r in sounds.windows.recordings if r.is_cry]
    assert stated == [((1.0, 3.0),)] * 4
    # All are at 8 kHz, and so are the windows.
    assert sounds.sample_rate_hz == RATE_HZ
    written = field_sounds.write(sounds, ("no_cry", "cry"), tmp_path)
    assert written.label_counts == {"no_cry": 24, "cry": 16}
    assert set(written.groups) == {"part 0", "part 1"}
    waveform, _ = soundfile.read(written.clips[7].path, dtype="float32")
    np.testing.assert_allclose(waveform, sounds.waveform(7, RATE_HZ), atol=1e-4)
    table.unlink()
