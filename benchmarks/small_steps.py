"""A training step of small networks and of VGGish, by Keras's layers and by ours.

    python benchmarks/small_steps.py

A step is forward, backward and Adam over all layers, 8 clips in memory, all of 7 s or
from 3 to 7 s and padded. "Keras" is what `keras.optimizers.Adam`, Keras's batch norm
and its convolution take, every patch of padding computed; "ours" what `cry-tf train`
and `CryModel.compile` take. Weights are random; the two take turns, and a ratio is the
median over the turns.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import machine

from cry_hub import registry
from cry_hub.fast_training.prepare import prepare_training
from cry_tf.models import CryDetector
from cry_tf.training import recipe
from cry_tf.training.trainer import compile_once

PRESETS = (
    "ds_cnn_s",
    "ds_cnn_m",
    "mn04_audioset",
    "yamnet_audioset",
    "vggish_audioset",
)
SECONDS = {
    "all of 7 s": (7.0,) * 8,
    "3 to 7 s": (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0),
}
WARM_UP = 2


def step_of(preset: str, waveforms: np.ndarray, is_ours: bool) -> Callable[[], float]:
    """Returns a step, which gives the seconds that it took."""
    record = registry.get(preset)
    keras.utils.set_random_seed(0)
    model = CryDetector(record.build(None, **record.from_scratch))
    if is_ours:
        compile_once(model, recipe.FULL)
    else:
        model.compile("adam", "sparse_categorical_crossentropy")
        prepare_training(model, jit_compile=True)  # takes nothing of ours, as XLA
    truth = np.arange(len(waveforms)) % 2

    def step() -> float:
        start = time.perf_counter()
        model.train_on_batch(waveforms, truth)
        return time.perf_counter() - start

    return step


def waveforms_of(seconds: tuple[float, ...], rate_hz: int) -> np.ndarray:
    """Returns noise of these lengths, completed with zeros."""
    rng = np.random.default_rng(0)
    batch = np.zeros((len(seconds), round(max(seconds) * rate_hz)), np.float32)
    for row, each in zip(batch, seconds, strict=True):
        row[: round(each * rate_hz)] = rng.uniform(-0.5, 0.5, round(each * rate_hz))
    return batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    print(machine("tensorflow", "keras"))
    print(f"{args.runs} steps of each in turn after {WARM_UP}\n")
    print(
        f"{'preset':16}{'8 clips':12}{'Keras ms':>10}{'ours ms':>10}{'Keras/ours':>12}"
    )
    for preset in args.presets:
        rate_hz = registry.get(preset).build(None).front_end_spec.sample_rate_hz
        for name, seconds in SECONDS.items():
            batch = waveforms_of(seconds, rate_hz)
            steps = [step_of(preset, batch, is_ours) for is_ours in (False, True)]
            taken = [[step() for step in steps] for _ in range(WARM_UP + args.runs)]
            times = np.array(taken[WARM_UP:])
            theirs, ours = 1000 * np.median(times, axis=0)
            ratio = np.median(times[:, 0] / times[:, 1])
            print(f"{preset:16}{name:12}{theirs:10.0f}{ours:10.0f}{ratio:11.2f}x")
    print(f"\nload average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
