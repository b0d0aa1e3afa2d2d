"""Size, speed and faithfulness of every export recipe on every backbone.

    python benchmarks/export.py CLIPS --files FOLDER \
        --weights yamnet_audioset=FILE.npz --weights mn04_audioset=mn04_as_mAP_432.pt

CLIPS is a folder of sound files (a folder per label, or a manifest CSV). A preset
without a weights file gets drawn ones, scaled so that signals keep their size. The
scores are those of AudioSet's classes where the preset has them, else of two classes.
Half of the clips give int8 its ranges; the table comes from the other half. Each preset
runs in a process of its own, where its files take turns clip by clip. Files lie in
FOLDER; what is there already is measured without being made again, so that a busy
machine may make them and a quiet one measure.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timing import machine

CLIP_S = 5.0
ROUNDS = 7
HEADER = (
    *("preset", "weights", "recipe", "MB", "gzipped", "ms, 1 thread", "2 threads"),
    *("speed 1", "speed 2", "max diff", "mean diff", "same best"),
)
# InfantCryNet (arXiv:2409.19689), Table 5.
FACTS = "facts.json"
PAPER_CNN14 = "theirs: 81 MB, quantised 75, distilled and quantised 58"


@dataclass(frozen=True)
class Converted:
    """A preset's float file, with clips and Keras's scores of them."""

    content: bytes
    layers: Any
    rate_hz: int
    ranges: Any  # clips that int8 takes its ranges from
    clips: Any
    expected: Any
    weights: str


def convert(args: argparse.Namespace) -> Converted:
    """Builds one preset, converts it to float32 and scores clips with Keras."""
    import keras
    import numpy as np

    import cry_tf.data
    from cry_export.convert import to_tflite
    from cry_export.quantization_recipe import RECIPES
    from cry_export.reference import weighted_layers
    from cry_hub import load, registry

    record = registry.get(args.one)
    head = "audioset" if "audioset" in record.heads else None
    file = dict(pair.split("=", 1) for pair in args.weights).get(args.one)
    if file is None:
        keras.utils.set_random_seed(0)
        network = record.build(head, **record.from_scratch)
        draw_weights(network)
    else:
        network = load(args.one, weights=file, head=head)
    scores: Any = network.output
    if head is None:
        scores = keras.layers.GlobalAveragePooling1D()(scores)
        scores = keras.layers.Dense(2, name="logits")(scores)
    activation = "sigmoid" if head else "softmax"
    model = keras.Model(network.input, keras.layers.Activation(activation)(scores))

    rate = record.front_end.sample_rate_hz
    samples = round(CLIP_S * rate)
    data = cry_tf.data.load(args.clips)
    chosen = np.random.default_rng(0).permutation(len(data))[: 2 * args.limit]
    read = data.subset(chosen).waveforms(rate, max_seconds=CLIP_S)
    waves = [np.pad(wave, (0, samples - len(wave))) for _, wave in read]
    ranges, clips = waves[::2], waves[1::2]
    return Converted(
        content=to_tflite(model, RECIPES["none"], samples),
        layers=weighted_layers(model),
        rate_hz=rate,
        ranges=ranges,
        clips=np.stack(clips),
        expected=np.concatenate(
            [np.asarray(model(clip[None], training=False)) for clip in clips]
        ),
        weights="real" if file else "drawn",
    )


def make(args: argparse.Namespace, folder: Path) -> None:
    """Writes every file of one preset, with clips and Keras's answers to them."""
    import numpy as np

    from cry_export.error_feedback import Probes
    from cry_export.probe_sounds import probe_sounds
    from cry_export.quantization import apply_recipe
    from cry_export.quantization_recipe import RECIPES
    from cry_export.slimming import slim

    float_one = convert(args)
    folder.mkdir(parents=True, exist_ok=True)
    for name, recipe in RECIPES.items():
        made = apply_recipe(
            float_one.content,
            recipe,
            float_one.ranges,
            layers=float_one.layers,
            probes=Probes(probe_sounds(float_one.rate_hz)),
        )
        content = slim(made, float_one.layers)
        (folder / f"{name}.tflite").write_bytes(content)
    np.savez(folder / "clips.npz", clips=float_one.clips, expected=float_one.expected)
    facts = {"weights": float_one.weights, "files": list(RECIPES)}
    (folder / FACTS).write_text(json.dumps(facts), "utf-8")


def measure(args: argparse.Namespace) -> list[list[str]]:
    """Returns one row of the table a recipe, for one preset."""
    import numpy as np

    from cry_lite.interpreter import LiteRTModel

    folder = args.files / args.one
    if not (folder / FACTS).is_file():
        make(args, folder)
    if args.make_only:
        return []
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    with np.load(folder / "clips.npz") as archive:
        clips, expected = archive["clips"], archive["expected"]
    files = {name: (folder / f"{name}.tflite").read_bytes() for name in facts["files"]}
    runners = {
        (name, threads): LiteRTModel(each, num_threads=threads)
        for name, each in files.items()
        for threads in (1, 2)
    }
    times = {key: np.full((ROUNDS, len(clips)), np.inf) for key in runners}
    found: dict[str, list[np.ndarray]] = {name: [] for name in files}
    for place, clip in enumerate(clips):
        for name in files:
            found[name].append(runners[name, 1](clip))
        for turn in range(ROUNDS):
            for key, runner in runners.items():
                start = time.perf_counter()
                runner(clip)
                times[key][turn, place] = time.perf_counter() - start
    # A clip counts with its fastest round.
    ms = {key: 1e3 * float(np.median(t.min(axis=0))) for key, t in times.items()}
    rows = []
    for name, each in files.items():
        difference = np.abs(np.stack(found[name]) - expected)
        same = np.stack(found[name]).argmax(axis=1) == expected.argmax(axis=1)
        rows.append(
            [
                args.one,
                facts["weights"],
                name,
                f"{len(each) / 1e6:.3f}",
                f"{len(gzip.compress(each, 6)) / 1e6:.3f}",
                *(f"{ms[name, threads]:.2f}" for threads in (1, 2)),
                *(f"{ms['none', n] / ms[name, n]:.2f}x" for n in (1, 2)),
                f"{difference.max():.1e}",
                f"{difference.mean():.1e}",
                f"{same.sum()}/{len(same)}",
            ]
        )
    return rows


def draw_weights(network: Any) -> None:
    """Gives every weight a value from its own name."""
    import numpy as np

    for weight in network.weights:
        rng = np.random.default_rng(zlib.crc32(weight.path.encode()))
        shape, name = weight.shape, weight.path.rsplit("/", 1)[-1]
        drawn = rng.standard_normal(shape)
        if len(shape) > 1:
            fan_in = shape[:2] if "depthwise" in weight.path else shape[:-1]
            values = drawn * np.sqrt(2 / np.prod(fan_in))
        elif "bn0" in weight.path and name == "moving_mean":
            values = -30 + 5 * drawn
        elif name == "moving_variance":
            loud = 400 if "bn0" in weight.path else 1
            values = loud * (0.5 + rng.random(shape))
        elif name == "gamma":
            values = 1 + 0.1 * drawn
        elif np.issubdtype(np.dtype(weight.dtype), np.floating):
            values = 0.1 * drawn
        else:  # the state of a random generator
            continue
        weight.assign(values)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Measures every export recipe.")
    parser.add_argument("clips", metavar="CLIPS", help="folder or manifest of sounds")
    parser.add_argument("--weights", action="append", default=[], metavar="PRESET=FILE")
    parser.add_argument("--presets", metavar="A,B", help="default: all")
    parser.add_argument("--limit", type=int, default=32, help="clips in the table")
    parser.add_argument("--files", metavar="FOLDER", required=True, type=Path)
    parser.add_argument("--make-only", action="store_true", help="measure nothing")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args)))
        return 0
    from cry_hub import registry

    presets = args.presets.split(",") if args.presets else list(registry.presets())
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    table = [list(HEADER)]
    for preset in presets:
        command = [sys.executable, str(Path(__file__)), *sys.argv[1:], "--one", preset]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            print(f"{preset}: {lines[-1]}", file=sys.stderr)
            continue
        table += json.loads(done.stdout.strip().splitlines()[-1])
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADER))]
    print(machine("tensorflow", "keras", "ai-edge-litert"))
    print(f"{args.limit} clips of {CLIP_S:g} s, fixed length; the ranges of int8 from")
    print("as many others. ms: median over the clips, each with its fastest of")
    print(f"{ROUNDS} rounds; speed: against the float file; diff: of scores, against")
    print("Keras; same best: clips whose best class is Keras's. CNN14,")
    print(f"{PAPER_CNN14}.\n")
    for row in table:
        cells = [cell.ljust(n) for cell, n in zip(row[:3], widths[:3], strict=True)]
        cells += [cell.rjust(n) for cell, n in zip(row[3:], widths[3:], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
