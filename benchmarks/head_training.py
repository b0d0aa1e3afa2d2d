"""How long `cry-tf train` takes once the embeddings are there.

    python benchmarks/head_training.py [--clips N] [--patches N] [--pooling NAME]

Trains the head of a classifier on computed embeddings of the size of donateacry
under YAMNet (457 clips, 14 patches, 1024 features), five folds and the final model,
50 epochs each, as the recipe `quick` does. The numbers are random: only the time is
of interest. Processor time stands beside the wall time, as other work on the machine
lengthens the one and not the other.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from cry_tf.layers import pooling
from cry_tf.training.head_trainer import HeadTrainer
from cry_tf.training.recipe import QUICK

FEATURES = 1024
LABELS = 5
FOLDS = 5
PATCH_HOP_S = 0.48


class Head:
    """Stands in for a `CryModel`, of which only the head is trained."""

    def __init__(self, pooling_name: str):
        embeddings = keras.Input((None, FEATURES))
        mask = keras.Input((None,), dtype="bool")
        x = pooling.get(pooling_name)(embeddings, mask=mask)
        x = keras.layers.Dropout(QUICK.dropout)(x)
        x = keras.layers.Dense(LABELS, activation="softmax")(x)
        self._model = keras.Model([embeddings, mask], x)

    def head_model(self) -> keras.Model:
        return self._model


def timed(name: str, work: Callable[[], object]) -> tuple[float, float]:
    began, began_processor = time.perf_counter(), time.process_time()
    work()
    wall_s = time.perf_counter() - began
    processor_s = time.process_time() - began_processor
    print(f"{name:34s} {wall_s:7.1f} {processor_s:10.1f}", flush=True)
    return wall_s, processor_s


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=457)
    parser.add_argument("--patches", type=int, default=14)
    parser.add_argument("--pooling", default="statistic")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}")
    print(f"Python {platform.python_version()}, TensorFlow {tf.__version__}")
    print(f"load average at the start: {os.getloadavg()[0]:.1f}\n")

    rng = np.random.default_rng(0)
    shape = (args.patches, FEATURES)
    # Sparse and positive, as YAMNet's are.
    clips = [
        np.maximum(rng.normal(-0.5, 0.6, shape), 0).astype("float32")
        for _ in range(args.clips)
    ]
    truth = rng.integers(0, LABELS, args.clips)
    fold = np.arange(args.clips) % FOLDS

    print(f"{args.clips} clips, {QUICK.epochs} epochs, {args.pooling} pooling")
    print(f"{'':34s} {'seconds':>7s} {'processor':>10s}")
    trainer: HeadTrainer

    def build() -> None:
        nonlocal trainer
        head = Head(args.pooling)
        trainer = HeadTrainer(head, clips, truth, QUICK, seed=0, step_s=PATCH_HOP_S)

    def train_fold(number: int) -> None:
        trainer.reset()
        trainer.fit(np.flatnonzero(fold != number))
        trainer.predict(np.flatnonzero(fold == number))

    def train_final() -> None:
        trainer.reset()
        trainer.fit(np.arange(args.clips))

    spent = [timed("compile", build)]
    for number in range(FOLDS):
        name = f"fold {number}" + (" (with tracing)" if number == 0 else "")
        spent.append(timed(name, lambda number=number: train_fold(number)))
    spent.append(timed("final model, on everything", train_final))
    wall_s, processor_s = np.sum(spent, axis=0)
    print(f"{'in all':34s} {wall_s:7.1f} {processor_s:10.1f}")
    print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
