"""What every `export` gives once all layers of a network were trained.

    python benchmarks/export_after_training.py CLIPS --files FOLDER \
        --weights yamnet_audioset=FILE.npz --weights mn04_audioset=mn04_as_mAP_432.pt

CLIPS is a folder per label or a manifest CSV; a few clips a label are drawn, and split
by group. Each network and seed is trained twice on one half: the head alone, and all
layers as README does (Adam, 1e-4, statistic pooling). What comes out is exported with
`dynamic` and compared with Keras on the other half. A preset without a weights file
begins from random weights. Models and rows lie in FOLDER; what is there already is not
made again, so that a killed run continues. `--table` only prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import machine

# Clips a label and seconds of each: enough to change every layer, little enough for
# two cores.
NETWORKS = {
    "yamnet_audioset": (20, 3.0),
    "mn04_audioset": (20, 3.0),
    "cnn10_audioset": (8, 2.0),
    "ds_cnn_s": (20, 3.0),
}
SEEDS = (0, 1, 2)
HEAD_EPOCHS, EPOCHS = 5, (1, 5, 30)
STAGES = ("head", *(str(each) for each in EPOCHS))
HEADER = (
    *("network", "weights", "seed", "trained", "asked", "got", "left float"),
    *("bytes", "max diff", "mean diff"),
)


def clips_of(args: argparse.Namespace) -> tuple[Any, Any]:
    """Returns the clips to train on, and those to compare on."""
    import numpy as np

    from cry_tf.data import load

    data = load(args.clips)
    per_label, _ = NETWORKS[args.one]
    rng = np.random.default_rng(0)
    drawn = np.concatenate(
        [
            rng.permutation(np.flatnonzero(data.label_indices == label))[:per_label]
            for label in range(len(data.labels))
        ]
    )
    return data.subset(np.sort(drawn)).split(test_size=0.4, seed=0)


def train(args: argparse.Namespace, folder: Path) -> None:
    """Writes the models of one network and seed, as far as they are not there."""
    import keras

    from cry_tf import CryClassifier

    training, _ = clips_of(args)
    weights = dict(pair.split("=", 1) for pair in args.weights).get(args.one)

    def compiled(is_frozen: bool) -> tuple[Any, Any]:
        keras.utils.set_random_seed(args.seed)
        model = CryClassifier.from_preset(
            args.one, labels=training.labels, pooling="statistic", weights=weights
        )
        model.backbone.trainable = not is_frozen
        model.compile(
            optimizer=keras.optimizers.Adam(1e-3 if is_frozen else 1e-4),
            loss="sparse_categorical_crossentropy",
        )
        batches = training.to_tf(
            batch_size=16,
            sample_rate_hz=model.spec.sample_rate_hz,
            shuffle=True,
            seed=args.seed,
            max_seconds=NETWORKS[args.one][1],
        )
        return model, batches

    def save(model: Any, name: str) -> None:
        part = folder / f"{name}.part.keras"
        model.save(part)
        part.replace(folder / f"{name}.keras")

    if not (folder / "head.keras").is_file():
        model, batches = compiled(True)
        model.fit(batches, epochs=HEAD_EPOCHS, verbose=0, shuffle=False)
        save(model, "head")
    if not (folder / f"{EPOCHS[-1]}.keras").is_file():
        model, batches = compiled(False)
        done = 0
        for epochs in EPOCHS:
            model.fit(
                batches, initial_epoch=done, epochs=epochs, verbose=0, shuffle=False
            )
            done = epochs
            save(model, str(epochs))


def export(args: argparse.Namespace, folder: Path) -> None:
    """Adds the rows of one network and seed, as far as they are not there."""
    import keras

    import cry_tf

    _, checked = clips_of(args)
    weights = dict(pair.split("=", 1) for pair in args.weights).get(args.one)
    for stage in STAGES:
        row = folder / f"{stage}.json"
        if row.is_file():
            continue
        model: Any = keras.saving.load_model(folder / f"{stage}.keras", compile=False)
        rate, seconds = model.spec.sample_rate_hz, NETWORKS[args.one][1]
        waves = [wave for _, wave in checked.waveforms(rate, max_seconds=seconds)]
        with tempfile.TemporaryDirectory() as work:
            made = cry_tf.export(model, Path(work) / "cry.tflite", check=waves)
            record = json.loads(made.parity_path.read_text("utf-8"))
        found = {
            "weights": "real" if weights else "random",
            "clips": len(waves),
            "asked": record["recipe"]["asked"],
            "got": record["recipe"]["got"],
            "left_float": record["recipe"]["left_float"],
            "bytes": made.file_bytes,
            "max": made.parity.max_score_difference,
            "mean": made.parity.mean_score_difference,
            "edges": max(made.parity.edges.values()),
        }
        row.write_text(json.dumps(found), "utf-8")


def table(files: Path) -> list[list[str]]:
    """Returns the rows that are there."""
    rows = [list(HEADER)]
    for network in NETWORKS:
        for seed in SEEDS:
            for stage in STAGES:
                path = files / network / str(seed) / f"{stage}.json"
                if not path.is_file():
                    continue
                found = json.loads(path.read_text("utf-8"))
                epochs = "1 epoch" if stage == "1" else f"{stage} epochs"
                trained = "head only" if stage == "head" else epochs
                rows.append(
                    [
                        *(network, found["weights"], str(seed), trained),
                        *(found["asked"], found["got"]),
                        ", ".join(found["left_float"]) or "-",
                        f"{found['bytes']:,}",
                        f"{max(found['max'], found['edges']):.1e}",
                        f"{found['mean']:.1e}",
                    ]
                )
    return rows


def main() -> int:
    """Trains, exports, prints the table."""
    parser = argparse.ArgumentParser(description="Exports trained networks.")
    parser.add_argument("clips", metavar="CLIPS", help="folder or manifest of sounds")
    parser.add_argument("--weights", action="append", default=[], metavar="PRESET=FILE")
    parser.add_argument("--networks", metavar="A,B", default=",".join(NETWORKS))
    parser.add_argument("--files", metavar="FOLDER", required=True, type=Path)
    parser.add_argument("--train-only", action="store_true", help="export nothing")
    parser.add_argument("--table", action="store_true", help="only print the table")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        folder = args.files / args.one / str(args.seed)
        folder.mkdir(parents=True, exist_ok=True)
        train(args, folder)
        if not args.train_only:
            export(args, folder)
        return 0
    failed = 0
    for network in () if args.table else args.networks.split(","):
        for seed in SEEDS:
            command = [sys.executable, str(Path(__file__)), *sys.argv[1:]]
            command += ["--one", network, "--seed", str(seed)]
            environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            )
            if done.returncode:
                failed += 1
                lines = done.stderr.strip().splitlines() or ["no message"]
                print(f"{network}, seed {seed}: {lines[-1]}", file=sys.stderr)
    rows = table(args.files)
    print(machine("tensorflow", "keras", "ai-edge-litert"))
    print("max diff: of a score against Keras on the clips, silence, one sample and")
    print("full-scale noise; mean diff: on the clips. left float: by the fallback.\n")
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    for row in rows:
        cells = [cell.ljust(n) for cell, n in zip(row[:7], widths[:7], strict=True)]
        cells += [cell.rjust(n) for cell, n in zip(row[7:], widths[7:], strict=True)]
        print("  ".join(cells).rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
