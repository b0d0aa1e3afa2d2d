"""`cry-tf train`: labelled recordings become a model that was cross-validated."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import origin_of
from cry_tf.cli.fetching import fetch_if_missing
from cry_tf.cli.train_arguments import add_arguments
from cry_tf.cli.train_settings import read_earlier, settings_of

_EPILOG = """\
DATA is a folder per label (hungry/clip.wav, or hungry/infant7/clip.wav to say which
infant it is) or a manifest CSV with the columns file, label and group.

recipes:
  quick         the backbone stays as it came, only the head is trained: seconds on a
                laptop. The default, unless --weights none.
  finetune      the head first, then the last quarter of the backbone's layers, on
                feature maps computed once, then all, deeper layers slower; warm-up,
                cosine decay, early stopping on a fifth of each fold's training clips,
                by group, best weights kept.
  full          every layer is trained, from the waveform on, at learning rate 1e-3.
                The default with --weights none.
  vggish        the VGGish paper: pre-emphasis, z-score, every layer, Adam 1e-4, 30
                epochs, softmax on the pooled 128 values (--backbone vggish_audioset).
  infantcrynet  the InfantCryNet paper: every layer, Adam, batch 256 of as many clips
                at once as the memory holds (--backbone cnn14_16k_audioset).

heads, after the pooling:
  softmax    a dense layer. The default. mlp: with a hidden layer before it.
  logreg     logistic regression. prototype: the nearest of one direction a label.
  svm, gmm   support vector machine, Gaussian mixtures: to compare, not to export.
The last four are fitted at once, on a backbone that stays as it came (quick).

examples:
  cry-tf train recordings/ -o runs/reason --task reason
  cry-tf train recordings/ -o runs/detect --task detect --positive hungry,tired
  cry-tf train recordings/ -o runs/svm --task reason --head svm
  cry-tf train data.csv -o runs/small --task detect --backbone ds_cnn_s --weights none
  cry-tf train recordings/ -o runs/again --config runs/reason/config.json
  cry-tf train recordings/ -o runs/reason --task reason --resume

Files that cannot be used are named, left out and listed in config.json; the exit
code is 0 if a model was trained. A run that was stopped or killed is kept after each
epoch in a hidden folder beside RUN: the same command with --resume goes on with it.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "train",
        help="train a model with cross-validation by group",
        description=(
            "Trains once a fold, so that every clip is scored by a model that never "
            "heard its group (infant, device, recording), then trains the final "
            "model on everything."
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
    from cry_tf.runs.checkpoint import Checkpoint

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    if settings.weights == "pretrained":
        fetch_if_missing(console, settings.backbone)
    from cry_tf.training.train import train

    kept = Checkpoint.of(args.output)
    had_progress = kept.has_progress
    try:
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
    except BaseException:
        if kept.has_progress and (args.resume or not had_progress):
            console.warn(
                f"what was trained is kept in {kept.folder}: give the same command "
                "with --resume to go on"
            )
        raise
    if args.json:
        console.json({"run": str(finished.path), "metrics": finished.metrics})
    left_out = finished.config["data"]["left_out"]
    if left_out:
        console.warn(f"{len(left_out)} clips left out, named in config.json")
    console.line(f"written: {finished.path} (look at report.html)")
    return 0
