"""The `cry-lite` command: detects crying in sound files without TensorFlow.

Only the standard library is imported before a model is needed, so `--help` and
usage errors are immediate.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from cry_lite import streams
from cry_lite.arguments import expand_home

if TYPE_CHECKING:
    from pathlib import Path

    from cry_lite.alarm_budget import ScoredRecording
    from cry_lite.detector import Analyzer

_DONE, _FAILED, _WRONG_USE = 0, 1, 2
_FORMATS = ("csv", "json", "audacity", "raven")
_MODEL_VARIABLE = "CRY_LITE_MODEL"

_ANALYZE_EPILOG = """examples:
  cry-lite analyze night.wav
  cry-lite analyze night.wav --model cry_detector_tiny
  cry-lite analyze recordings/ -o results --format csv,audacity --model cry.tflite
  ffmpeg -i night.m4a -f wav - | cry-lite analyze - --model cry.tflite
"""
_BENCHMARK_EPILOG = """\
Each file runs in a separate process, alternating with the others.

example:
  cry-lite benchmark small.tflite large.tflite --threads 4
"""
_INFO_EPILOG = """examples:
  cry-lite info cry.tflite
  cry-lite info cry_detector
"""
_MODELS_EPILOG = """example:
  cry-lite models --json
"""
_CALIBRATE_EPILOG = """\
Raises the onset threshold as far as the sounds of a room need, so that none of them
raises an alarm. Record without crying: an hour, at the time of day that matters. One
hour without a false alarm shows, with 95 % confidence, at most 3 an hour.

examples:
  cry-lite calibrate cry_detector --ambient mic --seconds 3600 -o mine.tflite
  cry-lite calibrate cry.tflite --ambient evenings/
"""
_MICROPHONE = "mic"
_LONGEST_ROOM_S = 7 * 86_400


def main(argv: list[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Arguments without the program's name. None takes `sys.argv`.

    Returns:
        Exit code: 0 done, 1 failed or stopped, 2 wrong usage.
    """
    code = streams.run("cry-lite", lambda output: _run(argv, output))
    if argv is None:
        streams.let_interrupts_end_the_process()
    return code


def _run(argv: list[str] | None, output: streams.Output) -> int:
    try:
        args = _parser().parse_args(expand_home(argv))
    except SystemExit as stop:
        return int(stop.code or 0)
    output.goes_on = getattr(args, "output", None) is not None
    try:
        return args.run(args)
    except KeyboardInterrupt:
        return _complain("Stopped. The result files written so far are complete.")
    except OSError as error:
        return _complain(error)


def _parser() -> argparse.ArgumentParser:
    from cry_lite import __version__

    parser = argparse.ArgumentParser(
        prog="cry-lite", description="Detects a baby's crying in sound files."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    analyze = commands.add_parser(
        "analyze",
        help="list what is in sound files, with times",
        description="Lists what is in sound files, with times.",
        epilog=_ANALYZE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    analyze.add_argument(
        "files",
        nargs="+",
        metavar="FILES",
        help="sound files, or folders of them; - is standard input",
    )
    analyze.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="an included detector (see cry-lite models) or a .tflite file (default: "
        f"${_MODEL_VARIABLE}, or cry_detector)",
    )
    analyze.add_argument(
        "-o", "--output", metavar="DIR", help="also write result files into DIR"
    )
    analyze.add_argument(
        "--format",
        type=_formats,
        metavar="LIST",
        help="formats of the result files, separated by commas: "
        f"{', '.join(_FORMATS)} (default: csv)",
    )
    analyze.add_argument(
        "--overwrite", action="store_true", help="replace result files that exist"
    )
    analyze.add_argument(
        "--json", action="store_true", help="print one line of JSON per file"
    )
    analyze.add_argument(
        "--threads",
        type=_positive,
        default=1,
        metavar="N",
        help="threads for the model, int >= 1 (default: 1)",
    )
    analyze.set_defaults(run=_analyze)

    benchmark = commands.add_parser(
        "benchmark",
        help="measure speed and memory of .tflite files on this machine",
        description="Measures speed and memory of .tflite files on this machine.",
        epilog=_BENCHMARK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    benchmark.add_argument(
        "files",
        nargs="+",
        metavar="NAME|FILE.tflite",
        help="included detectors, or files that cry-tf export wrote",
    )
    benchmark.add_argument(
        "--threads",
        type=_positive,
        default=1,
        metavar="N",
        help="threads for each model, int >= 1 (default: 1)",
    )
    benchmark.add_argument(
        "--json", action="store_true", help="print one line of JSON per file"
    )
    benchmark.set_defaults(run=_benchmark)

    info = commands.add_parser(
        "info",
        help="show labels and settings of a .tflite, and check its digest",
        description="Shows labels and settings of a .tflite, and checks its digest.",
        epilog=_INFO_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    info.add_argument(
        "model",
        metavar="NAME|FILE.tflite",
        help="an included detector, or a file that cry-tf export wrote",
    )
    info.add_argument("--json", action="store_true", help="print the result as JSON")
    info.set_defaults(run=_info)

    models = commands.add_parser(
        "models",
        help="list the detectors that are included",
        description="Lists the detectors that are included: size, figures, limits.",
        epilog=_MODELS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models.add_argument("--json", action="store_true", help="print a list as JSON")
    models.set_defaults(run=_models)

    calibrate = commands.add_parser(
        "calibrate",
        help="adapt a detector to the sounds of a room",
        description="Raises a detector's threshold as the sounds of a room need it.",
        epilog=_CALIBRATE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calibrate.add_argument(
        "model", metavar="NAME|FILE.tflite", help="a detector, as for analyze"
    )
    calibrate.add_argument(
        "--ambient",
        nargs="+",
        required=True,
        metavar="FILES|mic",
        help="sound files or folders without crying, or mic for the microphone",
    )
    calibrate.add_argument(
        "--seconds",
        type=_seconds,
        default=3600.0,
        metavar="S",
        help="how long to record from the microphone (default: 3600)",
    )
    calibrate.add_argument(
        "--max-false-alarms-per-hour",
        type=float,
        metavar="X",
        help="allow so many (default: none in these recordings)",
    )
    calibrate.add_argument(
        "-o", "--output", metavar="FILE.tflite", help="write here (default: the model)"
    )
    calibrate.add_argument(
        "--overwrite", action="store_true", help="replace the output if it exists"
    )
    calibrate.add_argument(
        "--accept-few-hours",
        action="store_true",
        help="go on with too few hours to show the number of false alarms allowed",
    )
    calibrate.add_argument(
        "--no-crying",
        action="store_true",
        help="count what sounds like crying as a false alarm",
    )
    calibrate.add_argument(
        "--json", action="store_true", help="print what was chosen as JSON"
    )
    calibrate.set_defaults(run=_calibrate)
    return parser


def _analyze(args: argparse.Namespace) -> int:
    model = args.model or os.environ.get(_MODEL_VARIABLE) or None
    if args.output is None and (args.format or args.overwrite):
        flag = "--format" if args.format else "--overwrite"
        return _complain(
            f"{flag} needs result files. Add -o DIR to write them.", _WRONG_USE
        )
    from cry_lite.sound_folder import find_sounds

    sounds, problems = find_sounds(args.files)
    targets: list[dict[str, Path]] = [{}] * len(sounds)
    if args.output is not None:
        from cry_lite import result_files

        result_files.check_writable(args.output)
        targets = result_files.plan(sounds, args.output, args.format or ["csv"])
        existing = [str(p) for files in targets for p in files.values() if p.exists()]
        if existing and not args.overwrite:
            more = f" (and {len(existing) - 1} more)" if len(existing) > 1 else ""
            return _complain(
                f"{existing[0]} exists already{more}. Add --overwrite to replace, or "
                "name another folder.",
                _WRONG_USE,
            )
    for problem in problems:
        _complain(problem)
    if not sounds:
        return _FAILED
    analyzer = _load(model, args.threads)
    if args.output is not None:
        os.makedirs(args.output, exist_ok=True)
    done = [
        _analyze_one(analyzer, sound, files, args)
        for sound, files in zip(sounds, targets, strict=True)
    ]
    return _DONE if all(done) and not problems else _FAILED


def _analyze_one(
    analyzer: Analyzer, sound: str, files: dict[str, Path], args: argparse.Namespace
) -> bool:
    """Analyzes one file; prints an error in that file and returns False."""
    from cry_lite.terminal import progress_of

    try:
        with progress_of(sound) as progress:
            analysis = analyzer.analyze_file(sound, progress)
    except OSError as error:
        _complain(error)
        return False
    if files:
        from cry_lite import result_files

        try:
            result_files.write(analysis, analyzer, files, args.overwrite)
        except OSError as error:
            reason = error.strerror or error
            _complain(f"the results of {sound} cannot be written ({reason}).")
            return False
    if args.json:
        _print_json(analysis.to_dict())
    else:
        from cry_lite.text_report import analysis_lines

        print("\n".join(analysis_lines(analysis, analyzer.spec)), flush=True)
    return True


def _info(args: argparse.Namespace) -> int:
    from cry_lite.models import resolve

    path = resolve(args.model)
    analyzer = _load(path, threads=1)
    size_bytes = os.path.getsize(path)
    if args.json:
        _print_json(
            {
                "path": path,
                "bytes": size_bytes,
                "sha256": analyzer.metadata.flatbuffer_sha256,
                "input_samples": analyzer.input_samples,
                "model": analyzer.spec.to_dict(),
                "card": analyzer.metadata.card,
                "provenance": analyzer.metadata.provenance,
            }
        )
    else:
        from cry_lite.text_report import model_lines

        print("\n".join(model_lines(analyzer, path, size_bytes)))
    return _DONE


def _models(args: argparse.Namespace) -> int:
    from cry_lite.models import bundled

    found = bundled()
    if args.json:
        _print_json([model.to_dict() for model in found])
    else:
        from cry_lite.text_report import card_lines

        print("\n\n".join("\n".join(card_lines(model.to_dict())) for model in found))
    return _DONE


def _calibrate(args: argparse.Namespace) -> int:
    from cry_lite.models import NAMES, resolve

    target = args.output or args.model
    if args.output is None and args.model in NAMES:
        return _complain(
            f"The included {args.model} stays as it is. Name the file to write with "
            "-o FILE.tflite.",
            _WRONG_USE,
        )
    if args.output is not None and os.path.exists(target) and not args.overwrite:
        return _complain(
            f"{target} exists already. Add --overwrite to replace it.", _WRONG_USE
        )
    path = resolve(args.model)
    analyzer = _load(path, threads=1)
    from cry_lite import room_calibration
    from cry_lite.alarm_budget import choice_sentences

    problems: list[str] = []
    try:
        recordings = _ambient(args, analyzer, problems)
        for problem in problems:
            _complain(problem)
        if not recordings:
            return _FAILED
        choice = room_calibration.choose_for_room(
            analyzer,
            recordings,
            args.max_false_alarms_per_hour,
            accept_few_hours=args.accept_few_hours,
            has_no_crying=args.no_crying,
        )
    except ValueError as error:
        return _complain(error)
    room_calibration.write_choice(path, target, choice, recordings)
    if args.json:
        _print_json({"model": target, **choice.to_dict(), "left_out": problems})
    else:
        print("\n".join([*choice_sentences(choice), f"written: {target}"]))
    return _FAILED if problems else _DONE


def _ambient(
    args: argparse.Namespace, analyzer: Analyzer, problems: list[str]
) -> list[ScoredRecording]:
    """Scores the sounds of the room: files, or what the microphone gives."""
    from cry_lite import room_calibration

    if args.ambient != [_MICROPHONE]:
        from cry_lite.sound_folder import find_sounds

        sounds, found = find_sounds(args.ambient)
        problems += found
        return room_calibration.score_files(analyzer, sounds, problems)
    from cry_lite.microphone import Microphone

    rate_hz = analyzer.spec.sample_rate_hz
    with Microphone(rate_hz) as microphone:
        print(
            f"cry-lite: recording for {args.seconds:g} s; Ctrl-C ends it early",
            file=sys.stderr,
        )
        blocks = room_calibration.first_seconds(microphone, rate_hz, args.seconds)
        return [room_calibration.score_room(analyzer, blocks, "The microphone")]


def _benchmark(args: argparse.Namespace) -> int:
    from cry_lite.models import resolve
    from cry_lite.speed import measure_speeds

    files = [resolve(name) for name in args.files]
    speeds = [found for [found] in measure_speeds(files, (args.threads,))]
    if args.json:
        for path, speed in zip(files, speeds, strict=True):
            _print_json({"path": path, **speed.to_dict()})
    else:
        from cry_lite.text_report import speed_lines

        print("\n".join(speed_lines(files, speeds)))
    return _DONE


def _load(model: str | None, threads: int) -> Analyzer:
    from cry_lite.detector import Analyzer
    from cry_lite.models import resolve
    from cry_lite.terminal import without_delegate_notice

    with without_delegate_notice():
        return Analyzer(resolve(model), threads)


def _print_json(values: object) -> None:
    import json

    print(json.dumps(values, allow_nan=False), flush=True)


def _complain(what: object, code: int = _FAILED) -> int:
    print(f"cry-lite: {streams.in_one_line(str(what))}", file=sys.stderr)
    return code


def _formats(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in _FORMATS]
    if wrong or not names:
        raise argparse.ArgumentTypeError(
            f"formats must be among {', '.join(_FORMATS)}. Received: {text!r}."
        )
    return names


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= _LONGEST_ROOM_S:
        raise argparse.ArgumentTypeError(
            f"must be 1 to {_LONGEST_ROOM_S} seconds. Received: {text!r}."
        )
    return seconds


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"threads must be a whole number >= 1. Received: {text!r}."
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
