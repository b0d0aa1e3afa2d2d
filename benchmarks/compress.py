"""What pruning, clustering and qat do to bytes, time and answers of two networks.

    python benchmarks/compress.py DATA --files FOLDER

DATA is a folder per label or a manifest CSV with cries and other sounds, the groups
of which are kept whole. Each network learns from random weights to tell cries from
the rest, on one part of the groups; every figure is measured on the others. Files lie
in FOLDER; what is there already is measured again without a training, so that a busy
machine may train and a quiet one measure.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from timing import machine

import cry_tf.data
from cry_export.compress.compressed import recipe_of, trained_tflite
from cry_export.compress.compression import Compression, FineTuning
from cry_export.compress.process import compress
from cry_export.convert import to_tflite
from cry_export.quantization_recipe import get
from cry_lite.interpreter import LiteRTModel
from cry_tf.data.dataset import Dataset
from cry_tf.data.detection_labels import LABELS, map_labels
from cry_tf.models import CryDetector

# Name, epochs and learning rate of the training.
NETWORKS = (("ds_cnn_m", 20, 2e-3), ("cnn10_audioset", 6, 1e-3))
COMPRESSIONS = ("prune=0.8", "cluster=16", "qat")
# Recordings of phones end there: what is above would tell the data sets apart.
CUTOFF_HZ = 4000.0
RECIPES = ("none", "dynamic")
DONE = "seconds.json"


def trained(name: str, epochs: int, rate: float, clips: list, truth: np.ndarray):
    """Returns a detector that learned from the clips."""
    keras.utils.set_random_seed(0)
    model = CryDetector.from_preset(
        name, LABELS, weights=None, pooling="average", cutoff_hz=CUTOFF_HZ
    )
    samples = max(map(len, clips))
    x = np.stack([np.pad(clip, (0, samples - len(clip))) for clip in clips])
    steps = epochs * -(-len(x) // 16)
    schedule: Any = keras.optimizers.schedules.CosineDecay(rate, steps)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(x, truth, batch_size=16, epochs=epochs, verbose=0)  # type: ignore[arg-type]
    return model


def write_files(
    model: CryDetector, what: str | None, clips: list, epochs: int | None, folder: Path
) -> None:
    """Writes each file of a model, compressed or not, and how long it took."""
    began, took = time.monotonic(), {}
    for recipe, content in _files(model, what, clips, epochs):
        took[recipe] = time.monotonic() - began
        (folder / f"{recipe}.tflite").write_bytes(content)
    (folder / DONE).write_text(json.dumps(took), "utf-8")


def _files(model: CryDetector, what: str | None, clips: list, epochs: int | None):
    if what is None:
        for recipe in RECIPES:
            yield recipe, to_tflite(model, get(recipe), None)
        return
    compression = Compression.parse(what)
    made = compress(model, compression, clips, FineTuning.of(compression, epochs))
    if made.model is None:
        yield recipe_of(made, "dynamic").name, trained_tflite(made, None)
        return
    for recipe in RECIPES:
        yield recipe, to_tflite(made.model, get(recipe), None)


def rows(name: str, folder: Path, test: list, truth: np.ndarray) -> Iterator[list[str]]:
    """Yields one row of the table a file."""
    before = None
    for what in (None, *COMPRESSIONS):
        part = folder / place(name, what)
        for recipe, spent_s in json.loads((part / DONE).read_text("utf-8")).items():
            content = (part / f"{recipe}.tflite").read_bytes()
            runtime = LiteRTModel(content)
            runtime(test[0])
            scores, times = [], []
            for clip in test:
                fastest = np.inf
                for _ in range(3):
                    start = time.perf_counter()
                    score = runtime(clip)
                    fastest = min(fastest, time.perf_counter() - start)
                scores.append(score[1])
                times.append(fastest)
            score = np.array(scores)
            before = score if before is None else before
            flips = int(((score >= 0.5) != (before >= 0.5)).sum())
            row = [
                name,
                what or "-",
                recipe,
                f"{len(content):,}",
                f"{len(gzip.compress(content, mtime=0)):,}",
                f"{1e3 * np.median(times):.1f}",
                f"{balanced_accuracy_score(truth, score >= 0.5):.3f}",
                f"{roc_auc_score(truth, score):.3f}",
                f"{np.abs(score - before).mean():.1e}",
                f"{np.abs(score - before).max():.1e}",
                f"{flips}/{len(test)}",
                f"{spent_s:.0f}",
            ]
            print("  ".join(row), file=sys.stderr, flush=True)  # for who waits
            yield row


def place(name: str, what: str | None) -> str:
    return f"{name}-{(what or 'plain').replace('=', '-')}"


def waveforms(data: Dataset, rate: int, seconds: float) -> list[np.ndarray]:
    return [clip for _, clip in data.waveforms(rate, max_seconds=seconds)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures every compression.")
    parser.add_argument("data", metavar="DATA", help="folder or manifest of sounds")
    parser.add_argument("--files", metavar="FOLDER", required=True, type=Path)
    parser.add_argument("--limit", type=int, default=400, help="number of clips")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each clip")
    parser.add_argument("--epochs", type=int, help="of each compression")
    parser.add_argument("--networks", help="names, with commas between")
    args = parser.parse_args()

    data = cry_tf.data.load(args.data)
    data = data.map_labels(map_labels([c.label for c in data.clips]), LABELS)
    rng = np.random.default_rng(0)
    data = data.subset(rng.permutation(len(data))[: args.limit])
    train, test = data.split(0.4, seed=0)
    truth = test.label_indices
    header = ["network", "compress", "recipe", "bytes", "gzipped", "ms", "bal. acc."]
    header += ["AUC", "mean diff", "max diff", "flips", "s"]
    table = [header]
    for name, epochs, rate in NETWORKS:
        if args.networks and name not in args.networks.split(","):
            continue
        sample_rate_hz = 32_000 if name.startswith("cnn") else 16_000
        parts = {what: args.files / place(name, what) for what in (None, *COMPRESSIONS)}
        left = [what for what in parts if not (parts[what] / DONE).is_file()]
        if left:
            sounds = waveforms(train, sample_rate_hz, args.seconds)
            model = trained(name, epochs, rate, sounds, train.label_indices)
            # A folder is of one training.
            for what, part in parts.items():
                part.mkdir(parents=True, exist_ok=True)
                write_files(model, what, sounds, args.epochs, part)
        test_sounds = waveforms(test, sample_rate_hz, args.seconds)
        table += rows(name, args.files, test_sounds, truth)
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(machine("tensorflow", "keras", "tensorflow-model-optimization"))
    print(
        f"trained and compressed on {len(train)} clips, evaluated on {len(test)} of "
        f"other groups ({int(truth.sum())} cries), {args.seconds:g} s of each, "
        f"{FineTuning.of(Compression('qat'), args.epochs).epochs} epochs of compression"
    )
    majority = max(truth.mean(), 1 - truth.mean())
    print(f"always the larger class: bal. acc. 0.500, accuracy {majority:.3f}")
    print("ms: one thread, median of the clips, the fastest of 3 runs each")
    print("diff, flips: against the float file as trained; s: all of the compression\n")
    for row in table:
        cells = [cell.ljust(n) for cell, n in zip(row[:3], widths[:3], strict=True)]
        cells += [c.rjust(n) for c, n in zip(row[3:], widths[3:], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
