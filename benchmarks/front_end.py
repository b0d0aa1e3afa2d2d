"""Size, error and speed of the front end, for the numbers of every network.

    python benchmarks/front_end.py > benchmarks/front_end.txt

A model of only a `FrontEnd` and a `TimeMask` runs in Keras (a batch, in a
`tf.function`) and as a dynamic-range quantized .tflite (one clip), static and of
any length. Errors are against the float64 NumPy reference: on noise, and on a
full-scale tone, where bands far below the tone show the rounding of a float32 FFT.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask
from cry_lite import front_ends
from cry_lite.log_mel import log_mel, patches
from cry_lite.spec import FrontEndSpec

NAMES = ("PANNS_32K", "PANNS_16K", "PANNS_8K", "VGGISH", "YAMNET")
THREADS = 2


def front_model(spec: FrontEndSpec) -> keras.Model:
    waveform = keras.Input((None,))
    mask = keras.ops.cast(TimeMask(spec)(waveform), "float32")
    return keras.Model(waveform, [FrontEnd(spec)(waveform), mask])


def to_tflite(model: keras.Model, samples: int | None) -> bytes:
    signature = [tf.TensorSpec((1, samples), tf.float32)]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=signature, verbose=False)
        converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def tflite_runner(content: bytes, samples: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from a waveform to the front end's output."""
    interpreter = Interpreter(model_content=content, num_threads=THREADS)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, (1, samples))
    interpreter.allocate_tensors()
    output = max(interpreter.get_output_details(), key=lambda out: len(out["shape"]))

    def run(waveform: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(index, waveform[None])
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])[0]

    return run


def least_s(run: Callable[[], object], repeats: int) -> float:
    """Returns the shortest of some runs, after one that does not count."""
    run()
    spent = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        spent.append(time.perf_counter() - begun)
    return min(spent)


def measure(spec: FrontEndSpec, seconds: int, batch: int, repeats: int) -> str:
    """Returns one row of the table."""
    rng = np.random.default_rng(0)
    samples = seconds * spec.sample_rate_hz
    noise = 0.1 * rng.standard_normal(samples).astype(np.float32)
    cycles = 440.0 * np.arange(samples) / spec.sample_rate_hz
    tone = np.sin(2 * np.pi * cycles).astype(np.float32)
    model = front_model(spec)
    static, dynamic = to_tflite(model, samples), to_tflite(model, None)
    run_static, run_dynamic = (
        tflite_runner(content, samples) for content in (static, dynamic)
    )

    def run_keras(waveform: np.ndarray) -> np.ndarray:
        return model(waveform[None])[0][0].numpy()

    errors = []
    for waveform in (noise, tone):
        reference = (patches if spec.patch_frames else log_mel)(waveform, spec)
        for run in (run_keras, run_static):
            errors.append(np.abs(run(waveform) - reference).max())

    waveforms = tf.constant(np.tile(noise, (batch, 1)))
    in_graph = tf.function(model, input_signature=[tf.TensorSpec((None, None))])
    keras_s = least_s(lambda: in_graph(waveforms), repeats) / batch
    static_s = least_s(lambda: run_static(noise), repeats)
    dynamic_s = least_s(lambda: run_dynamic(noise), repeats)
    unit = "dB " if spec.log_scale == "db" else "nat"
    return (
        f"{len(static):>7,} {len(dynamic):>7,}   {unit} "
        + " ".join(f"{error:9.1e}" for error in errors)
        + "".join(
            f" {seconds / spent:>8,.0f}x" for spent in (keras_s, static_s, dynamic_s)
        )
    )


def processor() -> str:
    """Returns the processor's name, from Linux where it tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="of a clip")
    parser.add_argument("--batch", type=int, default=16, help="clips at once in Keras")
    parser.add_argument("--repeats", type=int, default=10, help="the least counts")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)

    packages = ("tensorflow", "keras", "ai-edge-litert", "numpy")
    print(
        f"{platform.system()} {platform.machine()}, {processor()}, "
        f"{os.cpu_count()} cores; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages)
    )
    print(
        f"{args.seconds} s clips, Keras in batches of {args.batch}, {THREADS} threads; "
        f"speed in times real time, the best of {args.repeats} runs\n"
    )
    print(
        f"{'':<10} {'.tflite bytes':>15}   {'largest error':<43} {'speed':>10}\n"
        f"{'':<10} {'static':>7} {'any':>7}        "
        f"{'noise':^19} {'full-scale tone':^19}\n"
        f"{'numbers':<10} {'length':>7} {'length':>7}        "
        f"{'Keras':>9} {'TFLite':>9} {'Keras':>9} {'TFLite':>9}"
        f" {'Keras':>9} {'TFLite':>9} {'any':>9}"
    )
    for name in NAMES:
        row = measure(getattr(front_ends, name), args.seconds, args.batch, args.repeats)
        print(f"{name:<10} {row}", flush=True)
    if hasattr(os, "getloadavg"):
        # Well above THREADS: the machine did other work too, the speeds are low.
        print(f"\nload average of the machine meanwhile: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
