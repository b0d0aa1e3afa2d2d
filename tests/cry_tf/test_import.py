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


WITHOUT_KERAS = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow", "lazy_loader", "rich", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
"""


def test_without_the_train_extra_what_is_used_names_it():
    code = """
import cry_tf
try:
    cry_tf.CryClassifier
except ModuleNotFoundError as error:
    print(error)
"""
    told = " ".join(run_in_fresh_process(WITHOUT_KERAS + code))
    assert 'keras, tensorflow, lazy_loader. Install them: pip install "' in told


@pytest.mark.parametrize("arguments", [[], ["train", "x", "-o", "y"], ["--help"]])
def test_without_the_train_extra_the_command_says_one_sentence(arguments):
    code = f"from cry_tf.cli.main import main; sys.exit(main({arguments}))"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS + code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "cry-tf[train]"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_another_backend_of_keras_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    code = """
import cry_tf, cry_hub
for use in (lambda: cry_tf.CryDetector, lambda: cry_hub.load):
    try:
        use()
    except ImportError as error:
        print(error)
cry_tf.data.load, cry_hub.presets  # need no Keras
"""
    told = " ".join(run_in_fresh_process(code))
    assert told.count("KERAS_BACKEND=jax. Set KERAS_BACKEND=tensorflow") == 2


@pytest.mark.parametrize(
    "package",
    [
        "cry_hub",
        "cry_lite",
        "cry_tf.data",
        "cry_tf.evaluation",
        "cry_tf.runs",
        "cry_tf.training",
    ],
)
def test_completion_shows_the_public_names(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in dir(module):
        assert getattr(module, name) is not None


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


def test_plain_keras_alone_is_told_what_to_import(saved):
    code = """
import keras, sys
try:
    keras.saving.load_model(sys.argv[1])
except TypeError as error:
    print(error)
"""
    told = " ".join(run_in_fresh_process(code, saved / "detector.keras"))
    assert "'import cry_tf before keras.saving.load_model'" in told[:500]


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
