"""How well reasons are told apart: backbones, recipes, poolings, heads and splits.

    python benchmarks/reasons.py DATA --rows rows.jsonl --work work/ \
        --weights yamnet_audioset=FILE --weights mn04_audioset=FILE

DATA is a folder per label or a manifest CSV, with devices or infants as groups. Each
row is the cross-validation of one `cry-tf train`: five folds, every clip scored by a
model that was not trained on its group, or, by clip, that was. A row is written to the
JSON-lines file as soon as it is done; the same command continues after an interruption
and computes only what is missing, and `--show` prints the table of what is there.
`--parts`, `--backbones`, `--poolings`, `--splits` and `--seeds` choose rows,
`--minutes` begins none after that time. `personal` takes the runs of `quick`, and finds
out what a few clips of the same infant add. `finetune` takes hours: `--epochs 3,2` lets
its stages `last` and `all` have so many in place of the recipe's 5 and 10, and the
table says so. Embeddings and runs on the way are kept in the folder of `--work`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from reasons_table import print_tables
from timing import machine

PARTS = ("quick", "heads", "personal", "finetune")
BACKBONES = ("yamnet_audioset", "mn04_audioset")
POOLINGS = ("statistic", "average", "max", "max_average", "attention")
HEADS = ("logreg", "svm", "gmm", "prototype", "mlp")
SPLITS = ("grouped", "by_clip")
_FIGURES = ("clips", "groups", "majority_label", "majority", "model", "baselines")
_PACKAGES = ("tensorflow", "keras", "scikit-learn")


@dataclass(frozen=True)
class Row:
    """One training, or one personal study of one.

    Attributes:
        part: One of `PARTS`.
        backbone: Preset.
        pooling: Name of the pooling layer.
        head: Name of the head.
        split: One of `SPLITS`.
        seed: Draws folds, first weights and the order of clips.
    """

    part: str
    backbone: str
    pooling: str
    head: str
    split: str
    seed: int

    @property
    def name(self) -> str:
        return "-".join(str(value) for value in dataclasses.astuple(self))

    @property
    def recipe(self) -> str:
        return "finetune" if self.part == "finetune" else "quick"

    @property
    def has_baselines(self) -> bool:
        """Whether the classical methods are measured beside it: once is enough."""
        is_first = (self.backbone, self.pooling) == (BACKBONES[0], POOLINGS[0])
        return self.part == "quick" and is_first


def all_rows() -> list[Row]:
    """Returns every row, a whole table of one seed before the next seed."""
    rows = []
    for seed in range(3):
        for part in PARTS:
            for split in SPLITS:
                for backbone in BACKBONES:
                    place = (split, seed)
                    if part in ("quick", "finetune"):
                        rows += [
                            Row(part, backbone, pooling, "softmax", *place)
                            for pooling in POOLINGS
                        ]
                    elif part == "heads":
                        rows += [
                            Row(part, backbone, POOLINGS[0], head, *place)
                            for head in HEADS
                        ]
                    elif split == "grouped":
                        rows.append(Row(part, backbone, POOLINGS[0], "softmax", *place))
    return rows


class Runner:
    """Computes rows.

    Args:
        data: Folder per label or manifest CSV.
        work: Folder of embeddings and runs.
        weights: Backbone to its weights: `pretrained` or a file.
        epochs: Of the stages `last` and `all` of finetune, None for the recipe's.
    """

    def __init__(
        self,
        data: str,
        work: Path,
        weights: dict[str, str],
        epochs: Sequence[int] | None,
    ):
        from cry_tf.data import load
        from cry_tf.studies.reproduce.clips import by_clip

        grouped = load(data)
        self._datasets = {"grouped": grouped, "by_clip": by_clip(grouped)}
        self._data, self._work, self._weights = data, work, weights
        self._epochs = epochs

    def run(self, row: Row) -> dict[str, Any]:
        """Returns the figures of a row."""
        import keras

        keras.backend.clear_session()
        if row.part == "personal":
            return self._study(row)
        if row.part == "finetune":
            return self._cross_validate(row)
        return self._train(row)

    def _train(self, row: Row) -> dict[str, Any]:
        from cry_tf.training.train import train

        path = self._work / row.name
        run = train(
            self._datasets[row.split],
            self._settings(row),
            path,
            overwrite=path.exists(),
            resume=not path.exists(),
            embeddings_dir=self._work / "embeddings",
            origin=str(Path(self._data).absolute()),
        )
        metrics = run.metrics
        if row != self._of_study(row):
            shutil.rmtree(path)
        return {name: metrics[name] for name in _FIGURES}

    def _cross_validate(self, row: Row) -> dict[str, Any]:
        """Does what `train` does, without the final model that it trains on all."""
        import keras

        from cry_tf.data import EmbeddingCache
        from cry_tf.evaluation.metrics import measure
        from cry_tf.training.choose_trainer import make_trainer
        from cry_tf.training.context import RunContext
        from cry_tf.training.cross_validation import fit_folds, predictions_of
        from cry_tf.training.plan import new_model
        from cry_tf.training.preparation import prepare

        settings = self._settings(row)
        context = RunContext(
            embeddings=EmbeddingCache(self._work / "embeddings"),
            # The maps before the last layers are those of the pretrained backbone.
            maps_dir=self._work / "maps" / row.backbone,
        )
        prepared = prepare(self._datasets[row.split], settings, context)
        keras.utils.set_random_seed(settings.seed)
        trainer, prepared = make_trainer(
            new_model(prepared, settings),
            prepared,
            settings,
            context,
        )
        dataset = prepared.dataset
        folds = dataset.fold_indices(settings.folds, settings.seed)
        found = fit_folds(trainer, folds)
        predictions = predictions_of(dataset, found.scores, found.folds, "reason")
        figures = {**measure(predictions).to_dict(), "baselines": {}}
        return {name: figures[name] for name in _FIGURES}

    def _settings(self, row: Row) -> Any:
        from cry_tf.training import recipe as recipes
        from cry_tf.training.settings import Settings

        recipe = recipes.get(row.recipe).replace(head=row.head)
        if row.part == "finetune" and self._epochs:
            head, last = recipe.before
            of_last, of_all = self._epochs
            last = dataclasses.replace(last, epochs=of_last)
            recipe = recipe.replace(before=(head, last), epochs=of_all)
        return Settings(
            task="reason",
            recipe=recipe,
            backbone=row.backbone,
            weights=self._weights.get(row.backbone, "pretrained"),
            pooling=row.pooling,
            seed=row.seed,
            baselines=row.has_baselines,
        )

    def _study(self, row: Row) -> dict[str, Any]:
        from cry_tf.studies.personal.study import study

        base = self._of_study(row)
        if not (self._work / base.name).exists():
            self._train(base)
        made = study(
            self._work / base.name,
            self._datasets["grouped"],
            self._work / row.name,
            seed=row.seed,
            overwrite=True,
            embeddings_dir=self._work / "embeddings",
            origin=str(Path(self._data).absolute()),
        )
        return {"comparisons": [entry.to_dict() for entry in made.comparisons]}

    def _of_study(self, row: Row) -> Row:
        """Returns the training that a personal study of this row stands on."""
        return dataclasses.replace(
            row, part="quick", pooling=POOLINGS[0], head="softmax", split="grouped"
        )


def read(path: Path) -> dict[Row, dict[str, Any]]:
    """Returns the figures of every row that is done; a torn last line is none."""
    found = {}
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[Row(**entry["row"])] = entry
    return found


def names(text: str) -> list[str]:
    return text.split(",")


def two_counts(text: str) -> list[int]:
    of_last, of_all = map(int, text.split(","))
    return [of_last, of_all]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=f"parts: {', '.join(PARTS)}",
    )
    parser.add_argument("data", metavar="DATA", nargs="?")
    parser.add_argument("--rows", type=Path, metavar="FILE", required=True)
    parser.add_argument("--work", type=Path, metavar="DIR")
    parser.add_argument("--weights", action="append", default=[], metavar="PRESET=FILE")
    parser.add_argument("--parts", type=names, default=list(PARTS))
    parser.add_argument("--backbones", type=names, default=list(BACKBONES))
    parser.add_argument("--poolings", type=names, default=list(POOLINGS))
    parser.add_argument("--splits", type=names, default=list(SPLITS))
    parser.add_argument("--seeds", type=names, default=["0", "1", "2"])
    parser.add_argument("--epochs", type=two_counts, metavar="LAST,ALL")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--show", action="store_true", help="compute nothing")
    args = parser.parse_args()
    if not args.show:
        if args.data is None or args.work is None:
            parser.error("DATA and --work are needed, but for --show")
        compute(args, chosen(args))
    print(machine(*_PACKAGES))
    found = read(args.rows)
    print_tables({row: found[row] for row in all_rows() if row in found})
    return 0


def chosen(args: argparse.Namespace) -> list[Row]:
    """Returns the rows that the arguments ask for."""
    return [
        row
        for row in all_rows()
        if row.part in args.parts
        and row.backbone in args.backbones
        and row.pooling in args.poolings
        and row.split in args.splits
        and str(row.seed) in args.seeds
    ]


def compute(args: argparse.Namespace, rows: Sequence[Row]) -> None:
    """Computes what is missing, and keeps each row as soon as it is done."""
    began = time.monotonic()
    done = read(args.rows)
    weights = dict(entry.split("=", 1) for entry in args.weights)
    args.work.mkdir(parents=True, exist_ok=True)
    runner = Runner(args.data, args.work, weights, args.epochs)
    for number, row in enumerate(rows, start=1):
        budget = {"epochs": args.epochs} if row.part == "finetune" else {}
        before = done.get(row, {"error": "not run yet"})
        if "error" not in before and before.get("epochs") == budget.get("epochs"):
            continue
        if time.monotonic() - began > 60 * args.minutes:
            print(
                "time limit reached: run the same command again to continue",
                file=sys.stderr,
            )
            return
        start = time.monotonic()
        try:
            figures = runner.run(row)
        except ValueError as error:
            figures = {"error": str(error)}
        seconds = round(time.monotonic() - start, 1)
        facts = {"row": dataclasses.asdict(row), "seconds": seconds}
        entry = {**facts, **budget, **figures}
        with open(args.rows, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        print(f"{number}/{len(rows)} {row.name}: {seconds} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
