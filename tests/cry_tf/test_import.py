"""`import cry_tf` is light, and enough to load a saved model with plain Keras."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import cry_hub
import cry_lite
import cry_tf
from cry_tf import layers, models, registration

HEAVY = ("tensorflow", "keras", "numpy", "sklearn", "librosa", "matplotlib", "rich")


def run_in_fresh_process(code, *arguments):
    process = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2_000:]
    return process.stdout.split()


def test_importing_loads_nothing_heavy():
    code = "import sys, cry_tf; print(*sys.modules)"
    loaded = {name.split(".")[0] for name in run_in_fresh_process(code)}
    assert loaded.isdisjoint(HEAVY)
    assert "cry_tf" in loaded


def test_keras_still_loads_as_ever_after_it():
    code = """
import sys, cry_tf, keras, importlib.resources
assert keras.__spec__.name == "keras"
assert importlib.resources.files("keras").is_dir()
print(sum(type(finder).__module__.startswith("cry_tf") for finder in sys.meta_path))
"""
    assert run_in_fresh_process(code) == ["0"]


def test_without_the_train_extra_the_error_names_it():
    code = """
import sys
sys.modules["lazy_loader"] = None
try:
    import cry_tf
except ModuleNotFoundError as error:
    print(error)
"""
    assert 'pip install "cry-tf[train]"' in " ".join(run_in_fresh_process(code))


def test_every_public_name_resolves():
    assert {*dir(cry_tf), "__version__"} == set(cry_tf.__all__)
    for name in cry_tf.__all__:
        assert getattr(cry_tf, name) is not None
    assert cry_tf.__version__ == cry_lite.__version__
    assert cry_tf.CryClassifier is models.CryClassifier
    assert cry_tf.layers is layers
    assert callable(cry_tf.export)


def test_every_class_that_keras_can_save_is_registered_beforehand():
    """Fails when a class is added: then add it to `registration.SAVED_CLASSES`."""
    for package in (cry_hub, cry_tf):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("cry_tf.cli"):
                importlib.import_module(module.name)
    found = {}
    for name, saved_class in keras.saving.get_custom_objects().items():
        if name.startswith("cry_tf>"):
            assert not isinstance(saved_class, registration._StandIn), name
            assert name == f"cry_tf>{saved_class.__name__}"
            found.setdefault(saved_class.__module__, set()).add(saved_class.__name__)
    assert found == {m: set(names) for m, names in registration.SAVED_CLASSES.items()}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the folder of a detector and of a user's own model, with scores."""
    folder = tmp_path_factory.mktemp("saved")
    keras.utils.set_random_seed(0)
    detector = models.CryDetector.from_preset("ds_cnn_s", weights=None)
    detector.save(folder / "detector.keras")
    inputs = keras.Input((None, 4))
    theirs = keras.Model(inputs, layers.StatisticPooling()(inputs))
    theirs.save(folder / "theirs.keras")
    waveform = np.random.default_rng(0).normal(size=(1, 20_000)).astype("float32")
    np.save(folder / "waveform.npy", waveform)
    np.save(folder / "scores.npy", detector.predict(waveform, verbose=0))
    return folder


LOAD = """
import numpy as np, pathlib, sys
folder = pathlib.Path(sys.argv[1])
theirs = keras.saving.load_model(folder / "theirs.keras")
np.testing.assert_allclose(theirs(np.ones((1, 3, 4))), np.ones((1, 4)))
model = keras.saving.load_model(folder / "detector.keras")
scores = model.predict(np.load(folder / "waveform.npy"), verbose=0)
np.testing.assert_allclose(scores, np.load(folder / "scores.npy"), atol=1e-6)
import cry_tf
assert type(model) is cry_tf.CryDetector
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import cry_tf, keras",
        "import keras, cry_tf",
        # Keras arrives in the middle of importing a module of ours.
        "import cry_tf, cry_hub.time_mask, keras",
    ],
)
def test_a_saved_model_loads_with_plain_keras(saved, imports):
    run_in_fresh_process(imports + LOAD, saved)
