"""`cry-tf tag`: lists the AudioSet classes that a pretrained network detects."""

from __future__ import annotations

import argparse
import csv
import io
import os
from typing import TYPE_CHECKING, Any

from cry_lite.sound_folder import find_sounds
from cry_lite.text_report import clock, duration
from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_result

if TYPE_CHECKING:
    from cry_tf.tagging import Tagger
    from cry_tf.tags import Tags

_EPILOG = """\
Nothing is trained: the network scores the classes that it was published with. It
scores each recording in windows. For each class the table has the mean score over all
windows, the highest score (both 0 to 1) and the time of the highest. The two classes
of crying are always listed.

presets (--preset) and their windows (--over-time):
  yamnet_audioset                    0.98 s, every 0.49 s
  cnn10_audioset, cnn14_audioset ..  10 s, every 5 s
  cnn14_decision_max_audioset,
  cnn14_decision_att_audioset        0.32 s

examples:
  cry-tf tag night.wav
  cry-tf tag recordings/ --top 10 -o tags.csv
  cry-tf tag night.mp4 --over-time --preset cnn14_decision_att_audioset

Unusable files are skipped; the exit code is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "tag",
        help="list the sounds in recordings, with a pretrained network",
        description="Lists the AudioSet classes in sound and video files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILES", help="recordings, and folders of them"
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        default="yamnet_audioset",
        help="pretrained network (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        metavar="pretrained|FILE",
        default="pretrained",
        help="weights of the network (default: %(default)s)",
    )
    parser.add_argument(
        "--top",
        type=_count,
        metavar="N",
        default=5,
        help="classes to list, highest mean first, int >= 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--over-time",
        action="store_true",
        help="also list the scores of crying window by window",
    )
    parser.add_argument(
        "--window",
        type=_seconds,
        metavar="SECONDS",
        help="length of a window (default: the preset's)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="also write a table of the classes; with --over-time, of the windows, "
        "which are then not printed",
    )
    add_result(parser, "table", "the result")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the preset has no classes, or its weights do not fit.
        OSError: If the weights cannot be read or the table not be written.
    """
    console = Console(is_json=args.json)
    _check_output(args)
    from cry_lite.sound_folder import SUFFIXES
    from cry_lite.terminal import progress_of
    from cry_tf.data.sound_source import CONTAINER_SUFFIXES

    sounds, problems = find_sounds(args.files, SUFFIXES | CONTAINER_SUFFIXES)
    for problem in problems:
        console.warn(problem)
    if not sounds:
        return 1
    tagger = _load(args)
    answers: list[dict[str, Any]] = []
    for sound in sounds:
        notes: list[str] = []
        try:
            with progress_of(sound) as progress:
                tags = tagger.tag_file(sound, note=notes.append, progress=progress)
        except OSError as error:
            problems.append(str(error))
            console.warn(f"skipped: {error}")
            continue
        answers.append(_answer(sound, tags, notes, args))
        _print_classes(console, answers[-1])
        if args.over_time and not args.output:
            _print_windows(console, answers[-1])
    if args.output and answers:
        from cry_lite.events import write_text

        write_text(args.output, _table(answers, tagger, args.over_time), args.overwrite)
        console.line(f"written: {args.output}")
    if args.json:
        console.json(
            {
                "preset": args.preset,
                "weights": {
                    "source": tagger.weights_source,
                    "sha256": tagger.weights_sha256,
                },
                "recordings": answers,
                "problems": problems,
            }
        )
    return 1 if problems else 0


def _check_output(args: argparse.Namespace) -> None:
    """Refuses, before any work, a table that cannot be written."""
    if args.output is None:
        return
    folder = os.path.dirname(args.output) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"Folder not found: {folder}.")
    if os.path.isdir(args.output):
        raise IsADirectoryError(f"{args.output} is a folder. Name a file in it.")
    from cry_lite.result_files import check_writable

    check_writable(folder)
    if os.path.exists(args.output) and not args.overwrite:
        raise FileExistsError(
            f"{args.output} exists. Add --overwrite to replace it, or name another."
        )


def _load(args: argparse.Namespace) -> Tagger:
    if args.weights == "none":
        raise ValueError(
            "--weights must be pretrained or a FILE. Received: none. A network with "
            "random weights detects nothing."
        )
    import_tensorflow_quietly()
    from cry_tf.tagging import Tagger

    return Tagger.from_preset(args.preset, args.weights, window_s=args.window)


def _answer(
    sound: str, tags: Tags, notes: list[str], args: argparse.Namespace
) -> dict[str, Any]:
    """Returns the result for one recording, as JSON types."""
    answer: dict[str, Any] = {
        "path": sound,
        "duration_s": round(tags.duration_s, 3),
        "classes": [
            {
                "label": tag.label,
                "mean": round(tag.mean, 6),
                "highest": round(tag.highest, 6),
                "highest_at_s": round(tag.highest_at_s, 3),
            }
            for tag in tags.top(args.top)
        ],
        "notes": notes,
    }
    if args.over_time:
        answer["windows"] = [
            {
                "start_s": round(float(start), 3),
                "end_s": round(float(end), 3),
                **{
                    label: round(float(score), 6)
                    for label, score in zip(tags.followed, scores, strict=True)
                },
            }
            for (start, end), scores in zip(tags.windows, tags.scores, strict=True)
        ]
    return answer


def _print_classes(console: Console, answer: dict[str, Any]) -> None:
    console.line(f"{answer['path']}: {duration(answer['duration_s'])}")
    rows = [
        (
            each["label"],
            f"{each['mean']:.2f}",
            f"{each['highest']:.2f}",
            _when(each["highest_at_s"], answer),
        )
        for each in answer["classes"]
    ]
    console.table(("class", "mean", "highest", "at"), rows)
    for note in answer["notes"]:
        console.line(f"  note: {note}")
    console.line()


def _print_windows(console: Console, answer: dict[str, Any]) -> None:
    windows = answer["windows"]
    labels = [key for key in windows[0] if key not in ("start_s", "end_s")]
    rows = [
        (
            _when(window["start_s"], answer),
            _when(window["end_s"], answer),
            *(f"{window[label]:.2f}" for label in labels),
        )
        for window in windows
    ]
    console.table(("from", "to", *labels), rows)
    console.line()


def _when(seconds: float, answer: dict[str, Any]) -> str:
    return f"{seconds:.2f} s" if answer["duration_s"] < 60 else clock(seconds)


def _table(answers: list[dict[str, Any]], tagger: Tagger, over_time: bool) -> str:
    """Returns the CSV: one line per class or per window of a recording."""
    if over_time:
        part, columns = "windows", ("start_s", "end_s", *tagger.followed)
    else:
        part, columns = "classes", ("label", "mean", "highest", "highest_at_s")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", *columns))
    for answer in answers:
        for row in answer[part]:
            writer.writerow((answer["path"], *(row[column] for column in columns)))
    return text.getvalue()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1. Received: {text!r}"
        )
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be seconds. Received: {text!r}")
    return seconds
