"""Trains in a process of its own, as a machine of a cluster would: see its test.

Usage: on_devices.py mirrored|multiworker|none RECORDINGS OUTPUT
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import cry_hub
from cry_tf.data import load
from cry_tf.models import CryClassifier
from cry_tf.runs.progress import NoProgress
from cry_tf.training import recipe
from cry_tf.training.devices import find_devices
from cry_tf.training.settings import Settings
from cry_tf.training.train import train


class Lines(NoProgress):
    def line(self, text=""):
        print(text, flush=True)


def sgd_steps(devices):
    """Trains two epochs of batches of 4, 4 and 3 clips, and returns the weights.

    Batch norm keeps its statistics: those of a batch are not those of its shares.
    """
    rng = np.random.default_rng(0)
    clips = rng.normal(0, 0.1, (11, 12_000)).astype("float32")
    clips[::3, 9_000:] = 0  # padding
    truth, weights = rng.integers(0, 2, 11), rng.uniform(0.5, 2, 11).astype("float32")
    keras.utils.set_random_seed(0)
    with devices.scope():
        backbone = cry_hub.load("ds_cnn_s", weights=None)
        for layer in backbone.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
        model = CryClassifier(backbone, ["hungry", "tired"], pooling="average")
        model.compile(
            keras.optimizers.SGD(0.05),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    devices.adopt(model)
    batches = tf.data.Dataset.from_tensor_slices((clips, truth, weights)).batch(4)
    first = devices.local_copy(model).get_weights()
    model.fit(devices.distribute(model, batches), epochs=2, shuffle=False, verbose=0)
    return first, model.get_weights()


def main(name, recordings, output):
    if name == "mirrored":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
    devices = find_devices(name)  # a cluster is joined before anything else
    output.mkdir()
    first, trained = sgd_steps(devices)
    np.savez(output / "first.npz", *first)
    np.savez(output / "trained.npz", *trained)
    settings = Settings(
        task="reason",
        recipe=recipe.FULL.replace(epochs=2, batch_size=8, mixup=0.2),
        backbone="ds_cnn_s",
        weights=None,
        folds=2,
        strategy=name,
        baselines=False,
    )
    run = train(load(recordings), settings, output.parent / "run", progress=Lines())
    print("the run is in", run.path)
    np.savez(output / "run.npz", *run.load_model().get_weights())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
