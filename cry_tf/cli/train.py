"""`cry-tf train`: trains and cross-validates a model on labelled recordings."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly, naming_progress
from cry_tf.cli.data_arguments import columns_of, origin_of
from cry_tf.cli.fetching import fetch_if_missing
from cry_tf.cli.train_arguments import add_arguments
from cry_tf.cli.train_settings import read_earlier, settings_of

_EPILOG = """\
DATA is a folder with one subfolder per label (hungry/clip.wav, or
hungry/infant7/clip.wav to name the infant), or a manifest CSV with the columns file,
label and group.

recipes (--recipe):
  quick         trains only the head; the backbone is frozen. Takes seconds on a
                laptop. The default, except with --weights none.
  finetune      trains the head, then the last quarter of the backbone's layers (on
                feature maps computed once), then all layers, deeper ones at a lower
                rate. Warm-up, cosine decay; stops early on a fifth of each fold's
                training clips, split by group, and restores the best weights.
  field         for detectors: trains the head on windows that are drawn from the
                recordings: cries with any other recording behind them, in rooms and
                through microphones of every kind, and other sounds in the same way.
                Scores clips in windows, as on a device (--backbone mn04_audioset).
  full          trains every layer at learning rate 1e-3. The default with
                --weights none.
  vggish        the VGGish paper: pre-emphasis, z-score, every layer, Adam 1e-4, 30
                epochs, softmax on the pooled 128 values (--backbone vggish_audioset).
  infantcrynet  the InfantCryNet paper: every layer, Adam, batch 256, in micro-batches
                that fit into memory (--backbone cnn14_16k_audioset).

heads (--head), after the pooling:
  softmax    one dense layer. The default.
  mlp        a hidden layer, then a dense layer.
  logreg     logistic regression.
  prototype  the label whose mean embedding is nearest, by cosine.
  svm, gmm   support vector machine, Gaussian mixtures: for comparison, no export.
logreg, prototype, svm and gmm need a frozen backbone (quick).

examples:
  cry-tf train recordings/ -o runs/reason --task reason
  cry-tf train recordings/ -o runs/detect --task detect --positive hungry,tired
  cry-tf train recordings/ -o runs/svm --task reason --head svm
  cry-tf train data.csv -o runs/small --task detect --backbone ds_cnn_s --weights none
  cry-tf train recordings/ -o runs/again --config runs/reason/config.json
  cry-tf train recordings/ -o runs/reason --task reason --resume

Unusable files are skipped with a warning and listed in config.json; the exit code is
0 if a model was trained. Progress is saved after each epoch in a hidden folder beside
RUN; after an interruption continue with the same command and --resume.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "train",
        help="train a model with cross-validation by group",
        description=(
            "Cross-validates by group: each clip is scored by a model that was not "
            "trained on its group (infant, device, recording). Then trains the final "
            "model on all clips."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the data or the settings cannot work.
        OSError: If something cannot be read or written.
    """
    earlier = read_earlier(args.config)
    settings = settings_of(args, earlier)
    console = Console(is_json=args.json)
    from cry_tf.data import load
    from cry_tf.runs import result_folder

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, **columns_of(args))
    import_tensorflow_quietly()
    if settings.weights == "pretrained":
        fetch_if_missing(console, settings.backbone)
    from cry_tf.training.train import train

    with naming_progress(console, args.output, args.resume):
        finished = train(
            dataset,
            settings,
            args.output,
            overwrite=args.overwrite,
            progress=console,
            origin=origin_of(args.data),
            resume=args.resume,
            tensorboard=args.tensorboard,
            earlier=earlier,
        )
    if args.json:
        console.json({"run": str(finished.path), "metrics": finished.metrics})
    left_out = finished.config["data"]["left_out"]
    if left_out:
        console.warn(f"{len(left_out)} clips skipped; config.json lists them")
    console.line(f"written: {finished.path} (open report.html)")
    return 0
