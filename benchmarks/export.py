"""Size, speed and faithfulness of every export recipe, on real clips.

    python benchmarks/export.py CLIPS --yamnet-weights FILE.npz

CLIPS is a folder of sound files (a folder per label, or a manifest CSV). Beside our
recipes stands TFLiteConverter's own dynamic-range recipe, which ours replaces.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from timing import machine

import cry_hub
import cry_tf.data
from cry_export.convert import to_tflite
from cry_export.quiet import quiet
from cry_export.recipe import RECIPES
from cry_lite.interpreter import LiteRTModel

CLIP_S = 5.0
THREADS = (1, 2)
ROUNDS = 7


def models(yamnet_weights: Path | None) -> Iterator[tuple[str, keras.Model]]:
    """Yields each preset as a model from waveform to scores."""
    keras.utils.set_random_seed(0)
    if yamnet_weights is not None:
        logits = cry_hub.load(
            "yamnet_audioset", weights=yamnet_weights, head="audioset"
        )
        scores = keras.layers.Activation("sigmoid")(logits.output)
        yield "yamnet_audioset", keras.Model(logits.input, scores)
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    pooled = keras.layers.GlobalAveragePooling1D()(backbone.output)
    scores = keras.layers.Dense(2, activation="softmax")(pooled)
    yield "ds_cnn_s (random weights)", keras.Model(backbone.input, scores)


def converter_dynamic_range(model: keras.Model, samples: int, folder: Path) -> bytes:
    """Returns what TFLiteConverter makes when told to optimise."""
    signature = [tf.TensorSpec((1, samples), tf.float32)]
    with quiet():
        model.export(str(folder), input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def latencies_ms(files: dict[str, bytes], clips: list[np.ndarray]) -> dict:
    """Returns the time a clip of each file and number of threads.

    The files take turns clip by clip, and a clip counts with its fastest round, so
    that a busy machine disturbs the comparison little.
    """
    runners = {
        (name, threads): LiteRTModel(content, num_threads=threads)
        for name, content in files.items()
        for threads in THREADS
    }
    times = {key: np.full((ROUNDS, len(clips)), np.inf) for key in runners}
    for runner in runners.values():
        runner(clips[0])
    for turn in range(ROUNDS):
        for place, clip in enumerate(clips):
            for key, runner in runners.items():
                start = time.perf_counter()
                runner(clip)
                times[key][turn, place] = time.perf_counter() - start
    return {
        key: 1e3 * float(np.median(seconds.min(axis=0)))
        for key, seconds in times.items()
    }


def rows(
    name: str, model: keras.Model, clips: list[np.ndarray], folder: Path
) -> Iterator[list[str]]:
    """Yields one row of the table a recipe."""
    samples = len(clips[0])
    files = {
        recipe.name: to_tflite(model, recipe, samples) for recipe in RECIPES.values()
    }
    files["converter's dynamic"] = converter_dynamic_range(model, samples, folder)
    expected = np.concatenate([np.asarray(model(clip[None])) for clip in clips])
    times = latencies_ms(files, clips)
    for recipe, content in files.items():
        runtime = LiteRTModel(content)
        found = np.stack([runtime(clip) for clip in clips])
        difference = np.abs(found - expected)
        flips = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
        ms = [times[recipe, threads] for threads in THREADS]
        yield [
            name,
            recipe,
            f"{len(content):,}",
            f"{len(gzip.compress(content)):,}",
            *(f"{value:.2f}" for value in ms),
            f"{times['none', 1] / ms[0]:.2f}x",
            f"{difference.max():.1e}",
            f"{difference.mean():.1e}",
            f"{flips}/{len(clips)}",
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures every export recipe.")
    parser.add_argument("clips", metavar="CLIPS", help="folder or manifest of sounds")
    parser.add_argument("--yamnet-weights", type=Path, metavar="FILE.npz")
    parser.add_argument("--limit", type=int, default=40, help="number of clips")
    args = parser.parse_args()

    data = cry_tf.data.load(args.clips)
    chosen = np.linspace(0, len(data) - 1, min(args.limit, len(data))).astype(int)
    samples = round(CLIP_S * 16_000)
    clips = [
        np.pad(waveform[:samples], (0, max(0, samples - len(waveform))))
        for _, waveform in data.subset(chosen).waveforms(16_000)
    ]
    header = ["model", "recipe", "bytes", "gzipped", "ms, 1 thread", "ms, 2 threads"]
    header += ["speed", "max diff", "mean diff", "flips"]
    table = [header]
    for number, (name, model) in enumerate(models(args.yamnet_weights)):
        with tempfile.TemporaryDirectory() as folder:
            table += rows(name, model, clips, Path(folder) / str(number))
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(machine("tensorflow", "keras"))
    print(f"{len(clips)} clips of {CLIP_S:g} s, fixed length")
    print(f"ms: median over the clips, each with its fastest of {ROUNDS} rounds")
    print("speed: against float32 with one thread; diff: of scores, against Keras\n")
    for row in table:
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        cells += [cell.rjust(n) for cell, n in zip(row[2:], widths[2:], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
