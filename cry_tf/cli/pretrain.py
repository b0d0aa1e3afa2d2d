"""`python -m cry_tf.cli.pretrain`: pretrains a student network without labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cry_lite.arguments import expand_home
from cry_tf.cli.console import Console, import_tensorflow_quietly

_EPILOG = """\
A teacher is a preset with an AudioSet head: yamnet_audioset=FILE, mn04_audioset=FILE,
or the name alone for installed weights. Each teacher scores every window once; --cache
stores the scores for other students and interrupted runs. One group in --hold-out is
kept out of the training; the figures in the card are of its clips.

example:
  python -m cry_tf.cli.pretrain data.csv -o pretrained/ \\
      --student ds_cnn_s --teacher yamnet_audioset=yamnet.npz \\
      --teacher mn04_audioset=mn04_as_mAP_432.pt
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cry_tf.cli.pretrain",
        description="Pretrains a small student on the scores of AudioSet networks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "data", metavar="DATA", help="recordings: folder or manifest CSV"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write"
    )
    parser.add_argument(
        "--teacher",
        metavar="PRESET[=FILE]",
        action="append",
        required=True,
        help="network to learn from, and its weights; can be repeated",
    )
    parser.add_argument(
        "--student",
        metavar="PRESET",
        default="ds_cnn_s",
        help="network to pretrain (default: %(default)s)",
    )
    parser.add_argument(
        "--windows",
        metavar="N",
        type=int,
        default=6,
        help="windows cut from each clip, int >= 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        default=12,
        help="epochs, int >= 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--augment",
        metavar="NAME",
        default="strong",
        help="random changes to windows: none, light or strong (default: %(default)s)",
    )
    parser.add_argument(
        "--hold-out",
        metavar="N",
        type=int,
        default=5,
        help="keep one group in N out of the training (default: %(default)s)",
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="folder of the teachers' scores (default: windows/ in the output folder)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of every random choice (default: %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    args = _parser().parse_args(expand_home(argv))
    console = Console()
    try:
        import_tensorflow_quietly()
        from cry_tf.data import load
        from cry_tf.studies.pretraining.pretrain import Pretraining, pretrain

        wanted = Pretraining(
            student=args.student,
            teachers=tuple(_teacher(text) for text in args.teacher),
            windows=args.windows,
            epochs=args.epochs,
            augment=args.augment,
            hold_out=args.hold_out,
            seed=args.seed,
        )
        made = pretrain(load(args.data), wanted, args.output, args.cache, console)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console.line(f"written: {made}")
    return 0


def _teacher(text: str) -> tuple[str, str]:
    preset, _, file = text.partition("=")
    if file and not Path(file).exists():
        raise FileNotFoundError(f"File not found: {file}. --teacher takes PRESET=FILE.")
    return preset, file or "pretrained"


if __name__ == "__main__":
    sys.exit(main())
