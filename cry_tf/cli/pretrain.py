"""`python -m cry_tf.cli.pretrain`: pretrains one of our students."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cry_lite.arguments import expand_home
from cry_tf.cli.console import Console, import_tensorflow_quietly

_EPILOG = """\
A teacher is a preset with an AudioSet head: yamnet_audioset=FILE, mn04_audioset=FILE,
or the name alone for installed weights. Each hears every window once; what it made
of it is kept in --cache, so that a second student, or an interrupted run, costs no
further hearing. One group in --hold-out is never heard: the figures in the card are
of its clips.

example:
  python -m cry_tf.cli.pretrain data.csv -o pretrained/ \\
      --student ds_cnn_s --teacher yamnet_audioset=yamnet.npz \\
      --teacher mn04_audioset=mn04_as_mAP_432.pt
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cry_tf.cli.pretrain",
        description="Teaches a small student what AudioSet networks hear, unlabelled.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", metavar="DATA", help="folder or manifest CSV")
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write"
    )
    parser.add_argument(
        "--teacher",
        metavar="PRESET[=FILE]",
        action="append",
        required=True,
        help="may be given several times",
    )
    parser.add_argument("--student", metavar="PRESET", default="ds_cnn_s")
    parser.add_argument(
        "--windows", metavar="N", type=int, default=6, help="of each clip"
    )
    parser.add_argument("--epochs", metavar="N", type=int, default=12)
    parser.add_argument("--augment", metavar="NAME", default="strong")
    parser.add_argument(
        "--hold-out", metavar="N", type=int, default=5, help="one group in N"
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="default: windows/ in the output folder"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0)
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
        raise FileNotFoundError(
            f"--teacher takes PRESET=FILE. There is nothing at {file}."
        )
    return preset, file or "pretrained"


if __name__ == "__main__":
    sys.exit(main())
