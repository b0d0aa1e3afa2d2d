"""Our files of CNN14 and CNN10 against the original's network in ONNX Runtime.

    pip install torch onnx onnxscript onnxruntime
    git clone https://github.com/qiuqiangkong/audioset_tagging_cnn
    git clone https://github.com/qiuqiangkong/torchlibrosa
    python benchmarks/against_onnxruntime.py --panns audioset_tagging_cnn \
        --torchlibrosa torchlibrosa

The original is exported from PyTorch in float32, from the waveform to 527 scores, its
front end included, and runs with every graph optimisation of ONNX Runtime. Ours is the
`.tflite` of `--quantize none` and `dynamic` of the same network. Weights are random:
they do not change the time. The three take turns, one run each, with the same number
of threads; a ratio is the median over the turns of ONNX Runtime's time by that of ours.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from timing import machine

PRESETS = ("cnn14_audioset", "cnn10_audioset")
REFERENCE = "onnxruntime float32"
PAUSE_S = 0.05  # idle threads of one runtime spin a while into another's turn


def theirs(preset: str, samples: int, args: argparse.Namespace) -> Any:
    """Returns ONNX Runtime's session of the original, and the bytes of its file."""
    import onnxruntime  # pyright: ignore[reportMissingImports]
    import originals
    import torch  # pyright: ignore[reportMissingImports]

    from cry_hub import registry

    front_end = registry.get(preset).front_end
    base, note = originals.load(preset, front_end, args.panns, args.torchlibrosa, None)
    if base is None:
        raise SystemExit(note)

    class Scores(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.base = base

        def forward(self, waveform: Any) -> Any:
            return self.base(waveform)["clipwise_output"]

    content: Any = io.BytesIO()
    torch.onnx.export(
        Scores().eval(),
        (torch.zeros(1, samples),),
        content,
        input_names=["waveform"],
        dynamo=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        content.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return session, len(content.getvalue())


def ours(preset: str, samples: int, threads: int) -> dict[str, Any]:
    """Returns a runtime and the bytes of the file, by name of the recipe."""
    import keras
    from export import draw_weights

    from cry_export.convert import to_tflite
    from cry_export.quantization import apply_recipe
    from cry_export.quantization_recipe import RECIPES
    from cry_export.reference import weighted_layers
    from cry_export.slimming import slim
    from cry_hub import registry
    from cry_lite.interpreter import LiteRTModel

    record = registry.get(preset)
    network = record.build("audioset", **record.from_scratch)
    draw_weights(network)
    model = keras.Model(
        network.input, keras.layers.Activation("sigmoid")(network.output)
    )
    layers = weighted_layers(model)
    content = to_tflite(model, RECIPES["none"], samples)
    found = {}
    for name in ("none", "dynamic"):
        made = apply_recipe(content, RECIPES[name], (), layers=layers)
        file = slim(made, layers)
        found[name] = LiteRTModel(file, num_threads=threads), len(file)
    return found


def measure(preset: str, args: argparse.Namespace) -> list[list[str]]:
    """Returns one row of the table a runtime."""
    from cry_hub import registry

    samples = round(args.seconds * registry.get(preset).front_end.sample_rate_hz)
    rng = np.random.default_rng(0)
    clip = rng.normal(0, 0.1, samples).astype("float32")
    session, size = theirs(preset, samples, args)
    runs = {REFERENCE: lambda: session.run(None, {"waveform": clip[None]})}
    sizes = {REFERENCE: size}
    for recipe, (runtime, size) in ours(preset, samples, args.threads).items():
        runs[f"ours, {recipe}"] = lambda runtime=runtime: runtime(clip)
        sizes[f"ours, {recipe}"] = size
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(2 + args.runs):
        for name, run in runs.items():
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            run()
            if turn >= 2:
                times[name].append(time.perf_counter() - start)
    base, float_file = np.array(times[REFERENCE]), np.array(times["ours, none"])
    return [
        [
            preset,
            name,
            f"{sizes[name] / 1e6:.2f}",
            f"{1e3 * np.median(taken):.1f}",
            f"{1e3 * np.min(taken):.1f}",
            f"{np.median(base / np.array(taken)):.2f}x",
            f"{np.median(float_file / np.array(taken)):.2f}x",
        ]
        for name, taken in times.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--panns", type=Path, required=True)
    parser.add_argument("--torchlibrosa", type=Path, required=True)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    args = parser.parse_args()

    table = [["preset", "", "MB", "ms", "least", "onnxruntime/this", "float/this"]]
    for preset in args.presets:
        table += measure(preset, args)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    print(machine("onnxruntime", "torch", "tensorflow", "ai-edge-litert"))
    print(
        f"a clip of {args.seconds:g} s, {args.threads} threads, median of {args.runs} "
        f"turns after 2; load average at the end {os.getloadavg()[0]:.1f}\n"
    )
    for row in table:
        cells = [cell.ljust(n) for cell, n in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(n) for cell, n in zip(row[2:], widths[2:], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
