"""How fast clips are decoded, fed to Keras and embedded.

    python benchmarks/data_pipeline.py FOLDER... --weights yamnet.npz

FOLDER is a folder per label or a manifest CSV. Speeds are seconds of sound in a
second of time ("x real time"), the best of three runs; processor time beside
them, as other work on the machine lengthens the one and not the other.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from timing import best_of

import cry_hub
from cry_tf.data import Dataset, EmbeddingCache, load
from cry_tf.data.decoding import ahead, decoding_threads, read
from cry_tf.data.extraction import Extractor

RATE_HZ = 16_000


def row(name: str, seconds: float, sound_s: float, processor_s: float) -> None:
    print(f"{name:44s} {seconds:7.2f} {sound_s / seconds:7.0f} {processor_s:9.2f}")


def by_numpy_function(data: Dataset, calls: int) -> tf.data.Dataset:
    """The pipeline of `Dataset.to_tf`, with another number of parallel calls."""

    def decode(index):
        return read(data.clips[int(index)], RATE_HZ, None)

    def in_graph(index):
        return tf.ensure_shape(tf.numpy_function(decode, [index], tf.float32), [None])

    clips: Any = tf.data.Dataset.range(len(data)).map(
        in_graph, num_parallel_calls=calls
    )
    return clips.padded_batch(32, padded_shapes=(None,)).prefetch(tf.data.AUTOTUNE)


def by_generator(data: Dataset, threads: int) -> tf.data.Dataset:
    """The alternative: a Python generator over a pool of threads."""

    def generate():
        for _, waveform in ahead(
            lambda clip: read(clip, RATE_HZ, None), data.clips, threads
        ):
            yield waveform

    clips: Any = tf.data.Dataset.from_generator(
        generate, output_signature=tf.TensorSpec([None], tf.float32)
    )
    return clips.padded_batch(32, padded_shapes=(None,)).prefetch(tf.data.AUTOTUNE)


def drain(items) -> None:
    for _ in items:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, help=".npz of YAMNet")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch-seconds", type=float, nargs="+", default=[30.0])
    arguments = parser.parse_args()

    print(f"{platform.machine()}, {decoding_threads()} processors, {platform.system()}")
    print(f"Python {platform.python_version()}, TensorFlow {tf.__version__}")
    print(f"load average at the start: {os.getloadavg()[0]:.1f}")
    backbone = cry_hub.load("yamnet_audioset", weights=arguments.weights)
    extractor = Extractor(backbone)
    extractor([np.ones(RATE_HZ, np.float32)])

    for path in arguments.data:
        began = time.perf_counter()
        data = load(path)
        loading_s = time.perf_counter() - began
        lengths = [len(waveform) for _, waveform in data.waveforms(RATE_HZ)]
        sound_s = sum(lengths) / RATE_HZ
        print(f"\n{path.name}: {data!r}, {sound_s:.0f} s")
        print(f"{'':44s} {'seconds':>7s} {'x real':>7s} {'processor':>9s}")
        row("load", loading_s, sound_s, float("nan"))
        cores = decoding_threads()
        works = {
            "sha256 (contents known)": lambda data=data: data.sha256,
            "check_audio": data.check_audio,
            "waveforms": lambda data=data: drain(data.waveforms(RATE_HZ)),
            "to_tf": lambda data=data: drain(data.to_tf(sample_rate_hz=RATE_HZ)),
        }
        for calls in (1, cores, 2 * cores, tf.data.AUTOTUNE):
            name = "AUTOTUNE" if calls == tf.data.AUTOTUNE else calls
            works[f"numpy_function, {name} parallel calls"] = (
                lambda data=data, calls=calls: drain(by_numpy_function(data, calls))
            )
        for threads in (cores, 2 * cores):
            works[f"from_generator, {threads} threads"] = (
                lambda data=data, threads=threads: drain(by_generator(data, threads))
            )
        for name, work in works.items():
            wall, processor = best_of(arguments.runs, work)
            row(name, wall, sound_s, processor)

        for batch_seconds in arguments.batch_seconds:
            with tempfile.TemporaryDirectory() as folder:
                cache = EmbeddingCache(folder)
                for run in ("computed", "from the cache"):
                    wall, processor = best_of(
                        1,
                        lambda cache=cache, data=data, s=batch_seconds: cache.embed(
                            backbone, data, batch_seconds=s
                        ),
                    )
                    row(
                        f"YAMNet, {batch_seconds:.0f} s batches, {run}",
                        wall,
                        sound_s,
                        processor,
                    )
    print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
