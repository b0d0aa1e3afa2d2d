"""How long the stage `last` of `finetune` takes, from the waveform and on feature maps.

    python benchmarks/last_layers.py DATA [--preset NAME] [--weights FILE] [--clips N]

DATA is a folder per label or a manifest CSV, of which the first clips of each label
are taken. The last quarter of the backbone is trained as the recipe does it, a fifth of
the clips held out for validation, both ways in turn. The first epoch of each, in which
the step is compiled, stands apart. Feature maps are computed once for all folds and
epochs of a run: for five folds and the final model that is 30 epochs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import machine

from cry_tf.data import Dataset, EmbeddingCache, load
from cry_tf.models import CryClassifier
from cry_tf.training import recipe as recipes
from cry_tf.training import staged_trainer
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import prepare
from cry_tf.training.settings import Settings


def first_of_each_label(dataset: Dataset, clips: int) -> Dataset:
    """Returns so many clips, evenly over the labels as far as they go."""
    places = [np.flatnonzero(dataset.label_indices == n) for n in range(5)]
    turns = itertools.zip_longest(*places)
    chosen = [place for turn in turns for place in turn if place is not None][:clips]
    return dataset.subset(np.sort(chosen))


def timed(args: argparse.Namespace, dataset: Dataset, is_cut: bool) -> list[float]:
    """Returns the seconds to get ready, of the first epoch and of one after it."""
    last = next(s for s in recipes.FINE_TUNE.before if s.trains == "last")
    recipe = recipes.FINE_TUNE.replace(before=(last,), epochs=1)
    settings = Settings(
        task="reason", recipe=recipe, backbone=args.preset, weights=args.weights
    )
    context = RunContext(embeddings=EmbeddingCache(args.cache))
    prepared = prepare(dataset, settings, context)
    keras.utils.set_random_seed(0)
    model = CryClassifier.from_preset(
        args.preset, labels=dataset.labels, weights=args.weights, pooling="statistic"
    )
    cut = staged_trainer.cut
    if not is_cut:
        staged_trainer.cut = refuse
    began = time.perf_counter()
    try:
        trainer: Any = make_trainer(model, prepared, settings, context)[0]
    finally:
        staged_trainer.cut = cut
    times = [time.perf_counter()]
    part = trainer._parts[0]
    trainer._groups.unfreeze(part.stage)
    history = part.fit(
        np.arange(len(dataset)), lambda *_: times.append(time.perf_counter())
    )
    epochs = np.diff(times)[: len(history["loss"])]
    print(
        f"{trainer.notes[0]}; losses " + " ".join(f"{x:.5f}" for x in history["loss"])
    )
    return [times[0] - began, epochs[0], float(np.mean(epochs[1:]))]


def refuse(*_: Any) -> Any:
    raise ValueError("as it was before.")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--preset", default="yamnet_audioset")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    dataset = first_of_each_label(load(args.data), args.clips)
    print(machine("tensorflow", "keras"))
    print(
        f"{args.preset}, {len(dataset)} clips, {recipes.FINE_TUNE.batch_size} a batch"
    )
    found = [timed(args, dataset, is_cut) for is_cut in (False, True)]
    print(f"\n{'':16}  ready s  first epoch s  epoch s  30 epochs s")
    for name, (ready, first, epoch) in zip(("waveform", "maps"), found, strict=True):
        whole = ready + first + 29 * epoch
        print(f"{name:16}  {ready:7.1f}  {first:13.1f}  {epoch:7.2f}  {whole:11.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
