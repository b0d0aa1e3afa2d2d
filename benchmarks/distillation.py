"""What an epoch of distillation costs beside one of the student alone.

    python benchmarks/distillation.py [--student NAME] [--teacher NAME] [--clips N]

The student is trained on waveforms in memory, so that no decoding hides the cost:
alone, with cached logits, with cached logits and features, and with its teacher run
at each step. Epochs of each take turns, so that other work on the machine meets them
alike; the ratio is the median over the rounds of an epoch's processor time by that
of the student alone in the same round. Weights and sound are random: only the time is
of interest.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from timing import machine

import cry_tf
from cry_tf.distillation import FeatureMatching
from cry_tf.distillation.teacher_cache import TeacherOutputs

SECONDS = 3.0


def courses(student: str, teacher: str, clips: int, batch: int) -> dict[str, Any]:
    """Returns by name a model that is compiled, and its batches."""
    rng = np.random.default_rng(0)

    def network(preset: str) -> Any:
        keras.utils.set_random_seed(0)
        return cry_tf.CryDetector.from_preset(preset, weights=None)

    teacher_model = network(teacher)
    rate_hz = network(student).spec.sample_rate_hz
    x = rng.normal(0, 0.1, (clips, round(SECONDS * rate_hz))).astype(np.float32)
    y = rng.integers(0, 2, clips)
    outputs_of = TeacherOutputs(teacher_model, rate_hz, with_features=True)
    made = [outputs_of(x[at : at + 8]) for at in range(0, clips, 8)]
    known = np.concatenate(made)[:, 0]
    logits, features = known[:, :2], known[:, 2:]
    matching = FeatureMatching(teacher_features=features.shape[1])

    def batches(inputs: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices((inputs, y)).batch(batch)

    alone = network(student)
    alone.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    cached = {"waveform": x, "teacher_logits": logits}
    both = {**cached, "teacher_features": features}
    found: dict[str, Any] = {"student alone": (alone, batches(x))}
    for name, distiller, inputs in (
        ("cached logits", cry_tf.Distiller(None, network(student)), cached),
        (
            "cached logits and features",
            cry_tf.Distiller(None, network(student), features=matching),
            both,
        ),
        ("teacher at each step", cry_tf.Distiller(teacher_model, network(student)), x),
    ):
        distiller.compile("adam", metrics=["accuracy"])
        found[name] = (distiller, batches(inputs))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--student", default="ds_cnn_s")
    parser.add_argument("--teacher", default="yamnet_audioset")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    print(machine("tensorflow", "keras"))
    print(f"load average at the start: {os.getloadavg()[0]:.1f}")
    print(
        f"{args.student} of {args.teacher}, {args.clips} clips of {SECONDS:g} s, batch "
        f"{args.batch_size}, {args.rounds} rounds after one that traces\n"
    )
    trained = courses(args.student, args.teacher, args.clips, args.batch_size)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in trained}
    for _ in range(1 + args.rounds):
        for name, (model, batches) in trained.items():
            began, began_processor = time.perf_counter(), time.process_time()
            model.fit(batches, shuffle=False, verbose=0)
            spent[name].append(
                (time.perf_counter() - began, time.process_time() - began_processor)
            )
    epochs = {name: np.array(times)[1:] for name, times in spent.items()}
    alone = epochs["student alone"]
    print(f"{'an epoch, median':30s} {'seconds':>8s} {'processor':>10s} {'ratio':>6s}")
    for name, times in epochs.items():
        wall_s, processor_s = np.median(times, axis=0)
        ratio = np.median(times[:, 1] / alone[:, 1])
        print(f"{name:30s} {wall_s:8.2f} {processor_s:10.2f} {ratio:6.2f}")
    print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
