"""How fast clips are augmented, and whether that keeps a training step fed.

    python benchmarks/augmentation.py FOLDER --noise FOLDER

FOLDER is a folder per label or a manifest CSV; its clips are cut or repeated to
`--seconds`. Speeds of a transform are seconds of sound in a second of time on one
thread ("x real time"), the best of three runs. The pipeline is `Dataset.to_tf` with
as many threads as there are processors, drained as fast as it gives batches; the
share of a step is the processor time that a clip's augmentation takes beside that
of a training step of `--step` seconds a clip on all processors. With `--train N`
CNN10 (32 kHz, random weights, all layers) is trained for N steps of 8 clips, and the
time that it waits for its next batch is counted.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from timing import best_of

from cry_tf.augment import (
    AddNoise,
    BandLimit,
    CodecLike,
    Gain,
    NoiseFolder,
    PitchShift,
    Policy,
    Reverb,
    TimeShift,
    TimeStretch,
    policies,
)
from cry_tf.data import Dataset, load
from cry_tf.data.decoding import decoding_threads


def augment_all(policy, waveforms: list[np.ndarray], rate_hz: int) -> None:
    for number, waveform in enumerate(waveforms):
        policy(waveform, rate_hz, np.random.default_rng(number))


def transform_table(
    data: Dataset, noise: NoiseFolder, rate_hz: int, seconds: float, runs: int
) -> None:
    samples = round(seconds * rate_hz)
    waveforms = [np.resize(wave, samples) for _, wave in data.waveforms(rate_hz)]
    sound_s = seconds * len(waveforms)
    alone = (Gain(), TimeShift(), TimeStretch(), PitchShift(), AddNoise(noise))
    alone += (Reverb(), BandLimit(), CodecLike())
    works = {type(t).__name__: Policy("", ((t, 1.0),)) for t in alone}
    works |= {
        f"policy {name}": policies.get(name, None if name == "none" else noise)
        for name in policies.NAMES
    }
    print(f"\n{len(waveforms)} clips of {seconds:g} s at {rate_hz} Hz, one thread")
    print(f"{'':24s} {'ms a clip':>10s} {'x real time':>12s}")
    for name, policy in works.items():
        augment_all(policy, waveforms[:2], rate_hz)  # decodes noises, imports
        wall, _ = best_of(
            runs, lambda policy=policy: augment_all(policy, waveforms, rate_hz)
        )
        print(f"{name:24s} {1000 * wall / len(waveforms):10.2f} {sound_s / wall:12.0f}")


def pipeline_table(
    data: Dataset,
    noise: NoiseFolder,
    rate_hz: int,
    seconds: float,
    step_s: float,
    runs: int,
) -> None:
    threads = decoding_threads()
    print(
        f"\nto_tf at {rate_hz} Hz with {threads} threads; a CNN10 step takes "
        f"{step_s:g} s a clip, {1 / step_s:.2f} clips/s"
    )
    print(f"{'':24s} {'clips/s':>10s} {'x the step':>12s} {'share of a step':>16s}")
    for name in (None, *policies.NAMES):
        policy = None
        if name is not None:
            policy = policies.get(name, None if name == "none" else noise)
        pipeline = data.to_tf(
            8, rate_hz, shuffle=True, max_seconds=seconds, augment=policy
        )
        for _ in pipeline.take(1):
            pass
        wall, processor = best_of(runs, lambda pipeline=pipeline: [0 for _ in pipeline])
        speed = len(data) / wall
        share = processor / len(data) / (threads * step_s)
        title = "decoding alone" if name is None else f"policy {name}"
        print(f"{title:24s} {speed:10.1f} {speed * step_s:12.1f} {share:16.1%}")


def lengthened(waveforms: tf.Tensor, samples: int) -> tf.Tensor:
    """Pads to one shape, so that no step is compiled anew."""
    clips, length = tf.unstack(tf.shape(waveforms), num=2)
    return tf.concat([waveforms, tf.zeros([clips, samples - length])], axis=1)


def training_table(
    data: Dataset, noise: NoiseFolder, seconds: float, steps: int
) -> None:
    import keras

    from cry_tf import CryClassifier

    model = CryClassifier.from_preset(
        "cnn10_audioset", labels=data.labels, weights=None
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-4),
        loss="sparse_categorical_crossentropy",
    )
    samples = round(seconds * 32_000)
    print(f"\nCNN10, {steps} steps of 8 clips of {seconds:g} s at 32000 Hz")
    print(f"{'':24s} {'s a clip':>10s} {'waiting':>12s}")
    for name in policies.NAMES:
        policy = policies.get(name, None if name == "none" else noise)
        pipeline = data.to_tf(
            8, 32_000, shuffle=True, max_seconds=seconds, augment=policy
        ).map(lambda x, y: (lengthened(x, samples), y))
        whole = len(data) // 8  # the last batch of an epoch may be smaller
        batches = iter(pipeline.take(whole).repeat())
        model.train_on_batch(*next(batches))
        waited = trained = 0.0
        for _ in range(steps):
            began = time.perf_counter()
            batch = next(batches)
            got = time.perf_counter()
            model.train_on_batch(*batch)
            waited += got - began
            trained += time.perf_counter() - got
        total = waited + trained
        print(
            f"policy {name:17s} {total / steps / 8:10.3f} {waited / total:12.2%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--noise", type=Path, required=True)
    parser.add_argument("--rates-hz", type=int, nargs="+", default=[16_000, 32_000])
    parser.add_argument("--seconds", type=float, default=7.0)
    parser.add_argument("--step", type=float, default=0.33, help="seconds a clip")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--train", type=int, default=0, help="steps of CNN10")
    arguments = parser.parse_args()

    print(f"{platform.machine()}, {decoding_threads()} processors, {platform.system()}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"TensorFlow {tf.__version__}")
    print(f"load average at the start: {os.getloadavg()[0]:.1f}")
    data = load(arguments.data)
    places = np.linspace(0, len(data) - 1, min(arguments.clips, len(data))).astype(int)
    data, noise = data.subset(places), NoiseFolder(arguments.noise)
    print(f"{arguments.data.name}: {data!r}; noise: {len(noise)} files")
    for rate_hz in arguments.rates_hz:
        few = data.subset(range(min(20, len(data))))
        transform_table(few, noise, rate_hz, arguments.seconds, arguments.runs)
    for rate_hz in arguments.rates_hz:
        pipeline_table(
            data, noise, rate_hz, arguments.seconds, arguments.step, arguments.runs
        )
    if arguments.train:
        training_table(data, noise, arguments.seconds, arguments.train)
    print(f"\nload average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
