"""`cry-tf scenes`: long recordings with known crying, made of clips."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    names,
    origin_of,
)

_EPILOG = """\
DATA is a folder with one subfolder per label, or a manifest CSV. Clips whose label
means crying are laid into bouts, each of one infant (or device: the group of the clip);
all other clips are the background. Use clips that no training saw.

The signal-to-noise ratio of a bout is the mean power of the bout over the samples
within its cries, to the mean power of the background at the same samples. --events says
when a clip has crying; without it, its loud parts count (at most 25 dB below the
loudest).

DIR is then a data set: the scenes (FLAC, 16 kHz), manifest.csv, events.csv with every
cry, clips.csv with the place of every clip, metrics.json with settings and seed. The
same data, settings and seed give the same files.

examples:
  cry-tf scenes held_out.csv -o scenes --hours 2 --snr 20,10,5,0
  cry-tf evaluate cry.tflite scenes --events scenes/events.csv -o evaluated/scenes

Clips that cannot be used are left out; the exit code is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "scenes",
        help="make long recordings with known crying, to evaluate a detector",
        description=(
            "Makes long recordings of short clips: bouts of crying over background at "
            "known signal-to-noise ratios, and hours without crying."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write"
    )
    parser.add_argument(
        "--hours",
        type=float,
        metavar="H",
        default=1.0,
        help="hours with bouts of crying (default: %(default)s)",
    )
    parser.add_argument(
        "--ambient-hours",
        type=float,
        metavar="H",
        help="hours without crying (default: each clip without crying once, at most "
        "--hours)",
    )
    parser.add_argument(
        "--snr",
        type=_ratios,
        metavar="DB,...",
        default=(20.0, 10.0, 5.0, 0.0),
        help="signal-to-noise ratios, dB, each with the same hours "
        "(default: 20,10,5,0)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        default=10.0,
        help="length of a scene, about (default: %(default)g)",
    )
    parser.add_argument(
        "--events",
        nargs="+",
        metavar="EVENTS",
        default=[],
        help="when there is crying in the clips: a table (file,start_s,end_s), "
        "Audacity labels or TextGrids",
    )
    parser.add_argument(
        "--leave-out",
        type=names,
        metavar="LABEL,...",
        default=(),
        help="labels whose clips are left out, such as unsure ones",
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        default=0,
        help="seed of every choice, int >= 0 (default: %(default)s)",
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier result"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the summary as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If no scene can be made of the data.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf.data import event_files, load
    from cry_tf.runs import result_folder
    from cry_tf.scenes.make_scenes import SceneSettings, make_scenes

    if args.seed < 0:
        raise ValueError(f"--seed must not be negative. Received: {args.seed}.")
    settings = SceneSettings(
        hours=args.hours,
        ambient_hours=args.ambient_hours,
        snrs_db=args.snr,
        scene_minutes=args.minutes,
        seed=args.seed,
    )
    result_folder.check(args.output, args.overwrite)
    annotated = event_files.read(args.events)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    console.line(f"data: {dataset!r}")
    console.line(f"  {dataset.grouping}")
    made = make_scenes(
        dataset,
        args.output,
        settings,
        annotated=annotated,
        positive=args.positive,
        ignored=args.leave_out,
        origin=origin_of(args.data),
        overwrite=args.overwrite,
        progress=console,
    )
    if args.json:
        console.json({"output": str(made.path), **made.summary})
    console.line(f"written: {made.path}")
    return 1 if made.left_out else 0


def _ratios(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be numbers such as 20,10,5,0. Received: {text!r}"
        ) from None
    return found
