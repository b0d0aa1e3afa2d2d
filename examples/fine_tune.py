"""Fine-tunes a pretrained network on a folder of recordings, in plain Keras.

    python examples/fine_tune.py recordings/ --output cry.keras

The folder holds one folder per label, `hungry/infant7/clip.wav`, or a
`manifest.csv`. `--weights FILE` gives the pretrained weights if they are not
installed, `--weights none` starts from random ones and needs far more recordings.
With `--tflite cry.tflite` the model is also written for a phone or a Raspberry Pi.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

import cry_tf


def fine_tune(args: argparse.Namespace) -> None:
    """Trains on some infants, evaluates on the others, saves the model."""
    for path in (args.output, args.tflite):
        if path is not None and path.exists():
            raise FileExistsError(f"{path} exists already: choose another name.")
    keras.utils.set_random_seed(args.seed)

    data = cry_tf.data.load(args.data)
    data.require_trainable("reason")
    # By source, never by clip: a network trained on an infant knows its voice.
    train, test = data.split(test_size=args.test_size, seed=args.seed)
    print(f"train: {train}\ntest:  {test}")

    model = cry_tf.CryClassifier.from_preset(
        args.preset,
        labels=data.labels,
        pooling=args.pooling,
        weights=None if args.weights == "none" else args.weights,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(args.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.summary()
    # At the model's sample rate, and shuffled in `fit`.
    model.fit(
        train.to_tf(args.batch_size, seed=args.seed, max_seconds=10.0),
        validation_data=test.to_tf(args.batch_size),
        epochs=args.epochs,
    )

    _, accuracy = model.evaluate(test.to_tf(args.batch_size))
    # What a model that ignores the sound gets by always naming the commonest label.
    commonest = np.bincount(train.label_indices).argmax()
    majority = np.mean(test.label_indices == commonest)
    print(f"accuracy on {len(test)} clips of other sources: {accuracy:.3f}")
    print(f"always {data.labels[commonest]!r}: {majority:.3f}")

    model.save(args.output)
    print(f"saved {args.output}")
    if args.tflite is not None:
        artefact = cry_tf.export(model, args.tflite, quantize="dynamic", check=test)
        print(f"saved {artefact.path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line; returns 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder per label, or a manifest CSV")
    parser.add_argument("--output", type=Path, default=Path("cry.keras"))
    parser.add_argument("--tflite", type=Path, help="also write this .tflite")
    parser.add_argument("--preset", default="yamnet_audioset")
    parser.add_argument("--weights", default="pretrained", help="pretrained|none|FILE")
    parser.add_argument("--pooling", default="statistic")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--test-size", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    try:
        fine_tune(parser.parse_args(argv))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
