"""Infants made of numbers, and the head of a run that never heard them."""

import numpy as np
import pytest
import soundfile

from cry_tf.heads.features import Standardization
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.studies.personal.adapters import LogisticAdapter, PrototypeAdapter
from cry_tf.studies.personal.held_out import InfantClips

FEATURES, LABELS = 40, 3


def make_adapters(rng):
    directions = np.linalg.qr(rng.normal(size=(FEATURES, LABELS)))[0]
    plain = Standardization(np.zeros(FEATURES), np.ones(FEATURES))
    return {
        "prototype": PrototypeAdapter(
            PrototypeHead(plain, directions, np.zeros(LABELS), 5.0)
        ),
        "logreg": LogisticAdapter(LogisticHead(0.1 * directions, np.zeros(LABELS))),
    }


def make_infant(rng, name, truth, strength, adapters=None):
    """Clips around an infant's own place for each label, `strength` from the rest."""
    truth = np.asarray(truth)
    voice = 2 * rng.normal(size=FEATURES)
    own = strength * rng.normal(size=(LABELS, FEATURES))
    features = voice + own[truth] + rng.normal(size=(len(truth), FEATURES))
    adapters = adapters or make_adapters(rng)
    count = len(truth)
    unseen = adapters["prototype"].base.scores(features)
    return InfantClips(
        name,
        np.arange(count),
        truth,
        dict.fromkeys(adapters, features),
        adapters,
        unseen,
        np.arange(count),
        np.zeros((count, count), bool),
    )


@pytest.fixture
def adapters(rng):
    return make_adapters(rng)


RATE_HZ = 16_000


def write_tone(path, pitch_hz, rng):
    time_s = np.arange(RATE_HZ) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s) + rng.normal(0, 0.01, RATE_HZ)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE_HZ)


@pytest.fixture(scope="session")
def many_infants(tmp_path_factory):
    """Infants of which every other one means the reverse by a high tone."""
    folder, rng = tmp_path_factory.mktemp("infants"), np.random.default_rng(0)
    for infant in range(6):
        for place, label in enumerate(("hungry", "tired")):
            pitch_hz = (500, 2000)[(place + infant) % 2] + 10 * infant
            for take in range(3):
                path = folder / label / f"infant{infant}" / f"{take}.wav"
                write_tone(path, pitch_hz + take, rng)
    return folder


@pytest.fixture(scope="session")
def one_infant(tmp_path_factory):
    """Clips of an infant that no run has heard."""
    folder, rng = tmp_path_factory.mktemp("one"), np.random.default_rng(1)
    for label, pitch_hz in (("hungry", 2100), ("tired", 550)):
        for take in range(3):
            write_tone(folder / label / f"{label}{take}.wav", pitch_hz + take, rng)
    return folder


@pytest.fixture(scope="session")
def make_run(many_infants, tmp_path_factory):
    """Returns `make(head, task)`, which trains each run once."""
    import keras

    import cry_hub
    from cry_tf.data import load
    from cry_tf.training import recipe
    from cry_tf.training.settings import Settings
    from cry_tf.training.train import train

    folder = tmp_path_factory.mktemp("runs")
    keras.utils.set_random_seed(0)
    weights = folder / "ds_cnn_s.npz"
    cry_hub.save_npz(cry_hub.load("ds_cnn_s", weights=None), weights)
    done = {}

    def make(head="softmax", task="reason"):
        if (head, task) not in done:
            quick = recipe.QUICK.replace(epochs=2, learning_rate=0.05, head=head)
            settings = Settings(
                task=task,
                recipe=quick,
                backbone="ds_cnn_s",
                weights=str(weights),
                folds=2,
                baselines=False,
                positive=("hungry",) if task == "detect" else None,
            )
            done[head, task] = train(
                load(many_infants),
                settings,
                folder / f"{task}-{head}",
                embeddings_dir=folder / "embeddings",
                origin=str(many_infants),
            ).path
        return done[head, task]

    return make


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _cache(home, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(home))
