"""`cry-tf mine`: writes the surest false alarms of a detector, to train on."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly

_EPILOG = """\
SOUNDS are recordings without crying: sound files, folders of them, or manifest CSVs
(recordings labelled as crying or unsure are left out). Each false alarm becomes a clip
with a second before and after, a spectrogram, and a row of DIR/manifest.csv with the
label no_cry. Listen to the clips and delete the rows of those with crying. The
manifest is then DATA for the next training.

examples:
  cry-tf mine runs/detect night.wav -o mined/night --clips 10
  cry-tf mine runs/detect household/ nights.csv -o mined/
  cry-tf train recordings.csv mined/manifest.csv -o runs/better --task detect \\
      --recipe field

A manifest keeps the groups and data sets of its recordings, so that a recording and
its clips stay on one side of a split. Never mine recordings that test a model.

Unusable files are skipped; the exit code is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "mine",
        help="find the false alarms of a detector, to train on",
        description="Writes the windows without crying that have the highest scores.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="run folder, .keras or .tflite")
    parser.add_argument(
        "sounds", metavar="SOUNDS", nargs="+", help="recordings without crying"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write"
    )
    parser.add_argument(
        "--clips",
        metavar="N",
        type=int,
        default=50,
        help="false alarms in all, int >= 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--clips-each",
        metavar="N",
        type=int,
        default=5,
        help="false alarms of one recording, int >= 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--least",
        metavar="SCORE",
        type=float,
        help="lowest score, 0 to 1 (default: half of the detector's threshold)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier result"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the model is no detector, or a manifest is damaged.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf import mining
    from cry_tf.runs import result_folder

    result_folder.check(args.output, args.overwrite)
    clips, left_out, problems = mining.recordings_of(args.sounds)
    for problem in problems:
        console.warn(problem)
    if left_out:
        console.line(f"left out for their label: {left_out} recordings")
    if not clips:
        raise ValueError(
            "SOUNDS must hold at least one recording without crying. Received: "
            f"{', '.join(args.sounds)}."
        )
    if Path(args.model).suffix != ".tflite":
        import_tensorflow_quietly()
    from cry_tf.evaluation.scorer import load_scorer

    mined = mining.mine(
        load_scorer(args.model),
        clips,
        most=args.clips,
        most_each=args.clips_each,
        least=args.least,
        progress=console,
    )
    faults = (*problems, *mined.problems)
    mined = dataclasses.replace(mined, left_out=left_out, problems=faults)
    manifest = mining.write(mined, args.output, args.model, args.overwrite)
    if args.json:
        console.json(
            {
                "manifest": str(manifest),
                "clips": len(mined.alarms),
                "recordings": mined.recordings,
                "hours": mined.hours,
                "problems": list(faults),
            }
        )
    console.line(
        f"{len(mined.alarms)} clips from {mined.recordings:,} recordings "
        f"({mined.hours:.2f} h); the surest score "
        + (f"{mined.alarms[0].score:.3f}" if mined.alarms else "none")
    )
    console.line(f"written: {manifest}")
    return 1 if faults else 0
