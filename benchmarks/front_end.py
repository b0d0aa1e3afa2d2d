"""Size, error and speed of the front end, for the numbers of every network.

    python benchmarks/front_end.py > benchmarks/front_end.txt

A model of only a `FrontEnd` and a `TimeMask` runs in Keras (a batch, in a
`tf.function`) and as a .tflite (one clip): static and of any length as `cry_export`
writes it, where matrix products are the transform, and static with TFLite's own FFT.
Errors are against the float64 NumPy reference: on noise, and on a full-scale tone,
where bands far below the tone show the rounding of a float32 transform.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from cry_export.convert import to_tflite
from cry_export.quantization_recipe import get
from cry_export.slimming import slim
from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask
from cry_lite import front_ends
from cry_lite.log_mel import log_mel, patches
from cry_lite.spec import FrontEndSpec

NAMES = ("PANNS_32K", "PANNS_16K", "PANNS_8K", "VGGISH", "YAMNET", "EFFICIENTAT")
THREADS = 2


def front_model(spec: FrontEndSpec) -> keras.Model:
    waveform = keras.Input((None,))
    mask = keras.ops.cast(TimeMask(spec)(waveform), "float32")
    return keras.Model(waveform, [FrontEnd(spec)(waveform), mask])


def with_fft(model: keras.Model, samples: int) -> bytes:
    signature = [tf.TensorSpec((1, samples), tf.float32)]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=signature, verbose=False)
        converter: Any = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return converter.convert()


def with_products(model: keras.Model, samples: int | None) -> bytes:
    return bytes(slim(to_tflite(model, get("none"), samples)))


def tflite_runner(
    content: bytes, samples: int, threads: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from a waveform to the front end's output."""
    interpreter = Interpreter(model_content=content, num_threads=threads)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, (1, samples))
    interpreter.allocate_tensors()
    output = max(interpreter.get_output_details(), key=lambda out: len(out["shape"]))

    def run(waveform: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(index, waveform[None])
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])[0]

    return run


def least_ms(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Returns the shortest run of each, taken in turns; the first does not count."""
    least = dict.fromkeys(runs, float("inf"))
    for turn in range(repeats + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            if turn:
                least[name] = min(least[name], 1e3 * (time.perf_counter() - begun))
    return least


def measure(spec: FrontEndSpec, seconds: int, batch: int, repeats: int) -> str:
    """Returns one row of the table."""
    rng = np.random.default_rng(0)
    samples = seconds * spec.sample_rate_hz
    noise = 0.1 * rng.standard_normal(samples).astype(np.float32)
    cycles = 440.0 * np.arange(samples) / spec.sample_rate_hz
    tone = np.sin(2 * np.pi * cycles).astype(np.float32)
    model = front_model(spec)
    static, dynamic = with_products(model, samples), with_products(model, None)
    runners = {
        "products, 1": tflite_runner(static, samples, 1),
        "products, 2": tflite_runner(static, samples, 2),
        "any, 2": tflite_runner(dynamic, samples, 2),
    }
    fft = with_fft(model, samples)
    runners |= {f"FFT, {n}": tflite_runner(fft, samples, n) for n in (1, 2)}

    def run_keras(waveform: np.ndarray) -> np.ndarray:
        return model(waveform[None])[0][0].numpy()

    errors = []
    for waveform in (noise, tone):
        reference = (patches if spec.patch_frames else log_mel)(waveform, spec)
        for run in (run_keras, runners["products, 1"]):
            errors.append(np.abs(run(waveform) - reference).max())

    waveforms = tf.constant(np.tile(noise, (batch, 1)))
    in_graph = tf.function(model, input_signature=[tf.TensorSpec((None, None))])
    keras_ms = least_ms({"": lambda: in_graph(waveforms)}, repeats)[""] / batch
    ms = least_ms({name: partial(run, noise) for name, run in runners.items()}, repeats)
    times = [
        keras_ms,
        *(ms[f"{kind}, {n}"] for kind in ("FFT", "products") for n in (1, 2)),
    ]
    unit = "dB " if spec.log_scale == "db" else "nat"
    return (
        f"{len(static):>7,} {len(dynamic):>7,}   {unit} "
        + " ".join(f"{error:9.1e}" for error in errors)
        + "".join(f" {each:>7.2f}" for each in (*times, ms["any, 2"]))
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
        f"clips of {args.seconds} s, Keras in batches of {args.batch} with {THREADS} "
        f"threads; ms a clip, the least of {args.repeats} turns\n"
    )
    print(
        f"{'':<10} {'.tflite bytes':>15}   {'largest error':<43}"
        f"{'ms, by FFT and by products':>31}\n"
        f"{'':<10} {'static':>7} {'any':>7}        "
        f"{'noise':^19} {'full-scale tone':^19}"
        f" {'Keras':>7} {'FFT':>7} {'FFT':>7} {'prod.':>7} {'prod.':>7} {'any':>7}\n"
        f"{'numbers':<10} {'length':>7} {'length':>7}        "
        f"{'Keras':>9} {'TFLite':>9} {'Keras':>9} {'TFLite':>9}"
        f" {THREADS:>7} {1:>7} {2:>7} {1:>7} {2:>7} {2:>7}   threads"
    )
    for name in NAMES:
        row = measure(getattr(front_ends, name), args.seconds, args.batch, args.repeats)
        print(f"{name:<10} {row}", flush=True)
    if hasattr(os, "getloadavg"):
        # Well above THREADS: the machine did other work too, the speeds are low.
        print(f"\nload average of the machine meanwhile: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
