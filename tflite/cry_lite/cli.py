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

    from cry_lite.detector import Analyzer

_DONE, _FAILED, _WRONG_USE = 0, 1, 2
_FORMATS = ("csv", "json", "audacity", "raven")
_MODEL_VARIABLE = "CRY_LITE_MODEL"

_ANALYZE_EPILOG = """examples:
  cry-lite analyze night.wav --model cry.tflite
  cry-lite analyze recordings/ -o results --format csv,audacity --model cry.tflite
  ffmpeg -i night.m4a -f wav - | cry-lite analyze - --model cry.tflite
"""
_BENCHMARK_EPILOG = """\
Each file runs in a separate process, alternating with the others.

example:
  cry-lite benchmark small.tflite large.tflite --threads 4
"""
_INFO_EPILOG = """example:
  cry-lite info cry.tflite
"""


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
        metavar="FILE",
        help=f"the .tflite model (default: ${_MODEL_VARIABLE})",
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
        "files", nargs="+", metavar="FILE.tflite", help="files that cry-tf export wrote"
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
        "model", metavar="FILE.tflite", help="a file that cry-tf export wrote"
    )
    info.add_argument("--json", action="store_true", help="print the result as JSON")
    info.set_defaults(run=_info)
    return parser


def _analyze(args: argparse.Namespace) -> int:
    model = args.model or os.environ.get(_MODEL_VARIABLE)
    if not model:
        return _complain(
            "No model. Give one with --model FILE.tflite (cry-tf export writes it), or "
            f"set {_MODEL_VARIABLE}.",
            _WRONG_USE,
        )
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
    analyzer = _load(args.model, threads=1)
    size_bytes = os.path.getsize(args.model)
    if args.json:
        _print_json(
            {
                "path": args.model,
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

        print("\n".join(model_lines(analyzer, args.model, size_bytes)))
    return _DONE


def _benchmark(args: argparse.Namespace) -> int:
    from cry_lite.speed import measure_speeds

    speeds = [found for [found] in measure_speeds(args.files, (args.threads,))]
    if args.json:
        for path, speed in zip(args.files, speeds, strict=True):
            _print_json({"path": path, **speed.to_dict()})
    else:
        from cry_lite.text_report import speed_lines

        print("\n".join(speed_lines(args.files, speeds)))
    return _DONE


def _load(model: str, threads: int) -> Analyzer:
    from cry_lite.detector import Analyzer
    from cry_lite.terminal import without_delegate_notice

    with without_delegate_notice():
        return Analyzer(model, threads)


def _print_json(values: dict) -> None:
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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"threads must be a whole number >= 1. Received: {text!r}."
        )
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
