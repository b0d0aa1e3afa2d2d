"""Inference of every preset on a 10 s clip: Keras, TFLite, and the original's PyTorch.

    git clone https://github.com/qiuqiangkong/audioset_tagging_cnn
    git clone https://github.com/qiuqiangkong/torchlibrosa
    git clone https://github.com/fschmid56/EfficientAT
    python benchmarks/backbones.py --panns audioset_tagging_cnn \
        --torchlibrosa torchlibrosa --efficientat EfficientAT

Without a clone, or without torch, that column stays empty. `--presets a,b` takes some
of them. Each preset runs in a process of its own, which holds its variants together:
they take turns, so that a busy machine disturbs the comparison little, and the median
of each is shown. Weights are random; the head is AudioSet's where there is one. Keras
is a compiled graph (`tf.function`) of one clip, without the overhead of `predict`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import machine

CLIP_S = 10.0
PAUSE_S = 0.02  # idle threads of one library spin a while into another's turn
HEADER = (
    *("preset", "M params", "Keras", "XLA", "compile s", "jit", "set"),
    *("float 1", "float {n}", "dynamic 1", "dynamic {n}", "torch"),
    *("torch/Keras", "torch/float", "torch/dynamic", "note"),
)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Times the variants of one preset, in seconds a clip."""
    import keras
    import numpy as np
    import originals
    import tensorflow as tf

    from cry_export.convert import to_tflite
    from cry_export.dynamic_range import quantize_weights
    from cry_export.quantization_recipe import RECIPES
    from cry_hub import registry
    from cry_hub.preset import imported
    from cry_lite.interpreter import LiteRTModel

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    record = registry.get(args.one)
    keras.utils.set_random_seed(0)
    head = "audioset" if "audioset" in record.heads else None
    model = record.build(head, **record.from_scratch)
    if head is None:
        pooled = keras.layers.GlobalAveragePooling1D()(model.output)
        model = keras.Model(model.input, keras.layers.Dense(2)(pooled))

    samples = round(CLIP_S * record.front_end.sample_rate_hz)
    clip = np.random.default_rng(0).normal(0, 0.1, samples).astype("float32")
    signature = [tf.TensorSpec((1, samples), tf.float32)]
    given = tf.constant(clip[None])
    variants: dict[str, Callable[[], Any]] = {}
    compile_s = 0.0
    for name, jit in (("Keras", False), ("XLA", True)):
        graph = tf.function(
            lambda x: model(x, training=False),
            input_signature=signature,
            jit_compile=jit,
        )
        start = time.perf_counter()
        graph(given).numpy()
        compile_s = time.perf_counter() - start
        variants[name] = lambda graph=graph: graph(given).numpy()
    content = to_tflite(model, RECIPES["none"], samples)
    for name, file in (("float", content), ("dynamic", quantize_weights(content))):
        for threads in {1, args.threads}:
            runtime = LiteRTModel(file, num_threads=threads)
            variants[f"{name} {threads}"] = lambda runtime=runtime: runtime(clip)
    note = "torch is not installed"
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        pass
    else:
        torch.set_num_threads(args.threads)
        clones = (args.panns, args.torchlibrosa, args.efficientat)
        original, note = originals.load(args.one, record.front_end, *clones)
        if original is not None:
            tensor = torch.from_numpy(clip[None])

            def run_torch() -> None:
                with torch.inference_mode():
                    original(tensor)

            variants["torch"] = run_torch

    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(args.runs + 2):
        for name, run in variants.items():
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            run()
            if turn >= 2:  # the first two warm up
                times[name].append(time.perf_counter() - start)
    return {
        "preset": args.one,
        "parameters": model.count_params(),
        "prefers_jit": imported(record.backbone).prefers_jit,
        "compile_s": compile_s,
        "median_s": {name: float(np.median(each)) for name, each in times.items()},
        "note": note,
    }


def row(found: dict[str, Any], threads: int) -> list[str]:
    """Returns the cells of a preset."""
    median_s = found["median_s"]

    def ms(name: str) -> str:
        return f"{1e3 * median_s[name]:.1f}" if name in median_s else "-"

    def ratio(name: str) -> str:
        if "torch" not in median_s:
            return "-"
        return f"{median_s['torch'] / median_s[name]:.2f}x"

    fastest = min("Keras", "XLA", key=lambda name: median_s[name])
    return [
        found["preset"],
        f"{found['parameters'] / 1e6:.2f}",
        ms("Keras"),
        ms("XLA"),
        f"{found['compile_s']:.1f}",
        "on" if fastest == "XLA" else "off",
        "on" if found["prefers_jit"] else "off",
        *(ms(f"float {n}") for n in (1, threads)),
        *(ms(f"dynamic {n}") for n in (1, threads)),
        ms("torch"),
        ratio(fastest),
        ratio(f"float {threads}"),
        ratio(f"dynamic {threads}"),
        found["note"],
    ]


def in_own_process(preset: str) -> dict[str, Any] | str:
    """Returns the figures of a preset, or what went wrong."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", preset]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return lines[-1] if lines else f"exit code {done.returncode}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Times every backbone.")
    parser.add_argument("--presets", metavar="A,B", help="default: all of them")
    parser.add_argument("--runs", type=int, default=11, help="timed turns of each")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--panns", type=Path, metavar="DIR")
    parser.add_argument("--torchlibrosa", type=Path, metavar="DIR")
    parser.add_argument("--efficientat", type=Path, metavar="DIR")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return 0

    import cry_hub

    names = args.presets.split(",") if args.presets else cry_hub.presets()
    table = [[cell.format(n=args.threads) for cell in HEADER]]
    failed = []
    for name in names:
        start = time.perf_counter()
        found = in_own_process(name)
        if isinstance(found, str):
            failed.append(f"{name}: {found}")
        else:
            table.append(row(found, args.threads))
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(machine("tensorflow", "keras", "ai-edge-litert", "torch"))
    print(
        f"ms for a clip of {CLIP_S:g} s, median of {args.runs} turns; Keras, XLA and "
        f"torch (eager) with {args.threads} threads, TFLite float and dynamic with 1 "
        f"and {args.threads}"
    )
    print(
        "compile s: first call with XLA; jit: which is faster in Keras; set: what the "
        "backbone prefers"
    )
    print("torch/Keras: against the faster of the two\n")
    widths = [max(len(cells[i]) for cells in table) for i in range(len(HEADER))]
    for cells in table:
        first, *rest, note = cells
        columns = [first.ljust(widths[0])]
        columns += [cell.rjust(n) for cell, n in zip(rest, widths[1:], strict=False)]
        print("  ".join([*columns, note]).rstrip())
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
