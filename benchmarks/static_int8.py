"""Static int8 by this project and by ai-edge-quantizer, behind one gate.

    pip install ai-edge-quantizer
    python benchmarks/static_int8.py CLIPS --weights yamnet_audioset=FILE.npz

CLIPS, weights and clips are those of export.py. All files quantise the same
operators, leave the front end float and store the other weights alike. `int8` is our
recipe, `dynamic` our default. ai-edge-quantizer takes the least and the largest value
of all clips, or moving averages of both. The gate is the budget of `int8`: the largest
and the mean difference of a score from Keras, and the largest on silence, one sample
and full-scale noise; an export writes `dynamic` in place of a file that is refused.
Files take turns clip by clip, on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from export import CLIP_S, Converted, convert
from timing import machine

ROUNDS = 5
HEADER = ("preset", "weights", "file", "MB", "ms", "speed", "max diff", "mean diff")
HEADER += ("edges", "gate")
FRONT_END = r"(?:^|[/;])frontend(?:_\d+)?(?:/|;|$)"


def variants(float_one: Converted) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yields the names of the files and what makes each."""
    from cry_export.operators import is_of_front_end
    from cry_export.static_int8 import quantize_static

    content, ranges = float_one.content, float_one.ranges
    yield "dynamic", lambda: content
    yield "int8", lambda: quantize_static(content, ranges, is_of_front_end)
    yield "ai-edge-quantizer", lambda: by_ai_edge_quantizer(float_one, False)
    yield "same, moving", lambda: by_ai_edge_quantizer(float_one, True)


def by_ai_edge_quantizer(float_one: Converted, moving: bool) -> bytes:
    """Returns the file of ai-edge-quantizer, for the operators that we quantise."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import (  # type: ignore[import-not-found]
        calibrator,
        qtyping,
        quantizer,
    )
    from ai_edge_quantizer.utils import qsv_utils  # type: ignore[import-not-found]

    from cry_export.operators import is_of_front_end, read_graph, write_graph
    from cry_export.static_int8 import choose

    graph = read_graph(float_one.content)
    subgraph = graph.subgraphs[0]
    made = quantizer.Quantizer(bytearray(float_one.content))
    for place in sorted(choose(graph, subgraph, is_of_front_end)):
        result = subgraph.tensors[subgraph.operators[place].outputs[0]]
        made.add_static_config(
            f"^{re.escape(result.name.decode())};?$",
            qtyping.TFLOperationName.ALL_SUPPORTED,
            8,
            8,
        )
    options = {} if moving else {"qsv_update_func": qsv_utils.min_max_update}
    calibration = calibrator.Calibrator(float_one.content, num_threads=1, **options)
    signatures = Interpreter(model_content=float_one.content).get_signature_list()
    key, ends = next(iter(signatures.items()))
    clips = [{ends["inputs"][0]: clip[None]} for clip in float_one.ranges]
    # Its own `calibrate` takes moving averages only.
    calibration.calibrate({key: clips}, made._recipe_manager)
    done = made.quantize(calibration.get_model_qsvs(), enable_progress_report=False)
    # Its constants lie behind the flatbuffer, where our writer would lose them.
    content = bytes(done.quantized_model)
    graph = read_graph(content)
    for buffer in graph.buffers:
        if buffer.offset > 1:
            stop = buffer.offset + buffer.size
            buffer.data = np.frombuffer(content[buffer.offset : stop], np.uint8)
            buffer.offset = buffer.size = 0
    return write_graph(graph)


def measure(args: argparse.Namespace) -> list[list[str]]:
    """Returns one row of the table a file, for one preset."""
    import numpy as np

    from cry_export.dynamic_range import quantize_weights
    from cry_export.float16 import halve_weights
    from cry_export.operators import is_of_front_end
    from cry_export.quantization_recipe import RECIPES
    from cry_export.quiet import quiet
    from cry_export.slimming import slim
    from cry_lite.interpreter import LiteRTModel

    float_one = convert(args)
    rows, runners = [], {}
    plain = LiteRTModel(float_one.content, num_threads=1)
    for name, make in variants(float_one):
        try:
            with quiet():
                made = make()
        except (ValueError, RuntimeError) as error:
            failed = str(error).strip().splitlines()[-1].split("Error: ")[-1]
            rows.append([args.one, float_one.weights, name, f"none: {failed[:80]}"])
            continue
        made = quantize_weights(made, is_of_front_end)
        made = slim(halve_weights(made, is_of_front_end), float_one.layers)
        runners[name] = (len(made), LiteRTModel(made, num_threads=1))
        print(args.one, name, len(made), file=sys.stderr, flush=True)
    clips, budget = float_one.clips, RECIPES["int8"].budget
    times = {name: np.full((ROUNDS, len(clips)), np.inf) for name in runners}
    for place, clip in enumerate(clips):
        for turn in range(ROUNDS):
            for name, (_, run) in runners.items():
                start = time.perf_counter()
                run(clip)
                times[name][turn, place] = time.perf_counter() - start
    ms = {name: 1e3 * np.median(each.min(axis=0)) for name, each in times.items()}
    edges = np.zeros((3, clips.shape[1]), np.float32)
    edges[1, 0] = 0.5
    edges[2] = np.random.default_rng(0).choice((-1.0, 1.0), clips.shape[1])
    for name, (size, run) in runners.items():
        moved = np.abs(np.stack([run(clip) for clip in clips]) - float_one.expected)
        at_edges = max(float(np.abs(run(e) - plain(e)).max()) for e in edges)
        passes = (
            max(moved.max(), at_edges) <= budget.max_score_difference
            and moved.mean() <= budget.max_mean_difference
        )
        rows.append(
            [
                args.one,
                float_one.weights,
                name,
                f"{size / 1e6:.3f}",
                f"{ms[name]:.2f}",
                f"{ms['dynamic'] / ms[name]:.2f}x",
                f"{moved.max():.3f}",
                f"{moved.mean():.1e}",
                f"{at_edges:.3f}",
                "passed" if passes else "refused",
            ]
        )
    return rows


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Compares ways to static int8.")
    parser.add_argument("clips", metavar="CLIPS", help="folder or manifest of sounds")
    parser.add_argument("--weights", action="append", default=[], metavar="PRESET=FILE")
    parser.add_argument("--presets", metavar="A,B", help="default: all")
    parser.add_argument("--limit", type=int, default=32, help="clips in the table")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return 0
    from cry_hub import registry

    presets = args.presets.split(",") if args.presets else list(registry.presets())
    table = [list(HEADER)]
    for preset in presets:
        command = [sys.executable, str(Path(__file__)), *sys.argv[1:], "--one", preset]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env=environment, check=False
        )
        if done.returncode:
            print(f"{preset}: no table, see above", file=sys.stderr)
            continue
        table += json.loads(done.stdout.strip().splitlines()[-1])
    packages = ("tensorflow", "ai-edge-litert", "ai-edge-quantizer")
    print(machine(*packages))
    print(
        f"{args.limit} clips of {CLIP_S:g} s; the ranges from as many others. ms: one"
    )
    print(f"thread, median over the clips, each with its fastest of {ROUNDS} rounds;")
    print("speed: against dynamic.\n")
    widths = [
        max(len(row[i]) for row in table if len(row) == len(HEADER))
        for i in range(len(HEADER))
    ]
    for row in table:
        cells = [cell.ljust(n) for cell, n in zip(row[:3], widths, strict=False)]
        cells += [cell.rjust(n) for cell, n in zip(row[3:], widths[3:], strict=False)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
