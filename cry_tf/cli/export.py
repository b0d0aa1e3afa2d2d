"""`cry-tf export`: writes a model as a `.tflite` and checks that the scores agree."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cry_export.quantization_recipe import RECIPES
from cry_tf.cli import searching
from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_result
from cry_tf.cli.export_inputs import (
    check_clips,
    find_model,
    load_model,
    representative_clips,
)

if TYPE_CHECKING:
    from cry_export import Artefact

_EPILOG = """\
recipes (--quantize):
  dynamic    int8 weights of convolutions and dense layers: a quarter of the size,
             faster on large networks. The default.
  int8       int8 weights and activations. Ranges are measured on training clips:
             those of --representative, or the run's.
  float16    float16 weights: half the size, nearly equal scores.
  none       float32 weights.
The front end that computes the spectrogram is always float32.

Before writing, the command checks on real clips that the file gives the same scores as
the model: clips of --check, or those that the run was trained on. If the scores differ
too much, it keeps the noisiest layers in float32, then tries float16 and float32, and
prints what it wrote and why. With --strict, or if float32 differs too, no file is
written and the exit code is 1. FILE.parity.json has the figures in each case, unless an
earlier FILE.tflite exists. --keep-float LAYER keeps a layer in float32 from the start.

examples:
  cry-tf export runs/reason -o cry.tflite
  cry-tf export runs/detect -o cry.tflite --check new_recordings/
  cry-tf export runs/detect -o phone.tflite --length 3 --quantize int8
  cry-tf export runs/detect -o cry.tflite --length 3 --length dynamic
                             (writes cry_3s.tflite and cry_dynamic.tflite)
  cry-tf export runs/small runs/large -o cry.tflite --search --max-bytes 300k \\
      --max-latency-ms 20
  cry-tf export runs/detect -o small.tflite --compress prune=0.8
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as a .tflite file and check its scores",
        description=(
            "Writes a .tflite file for phones and small computers: takes a waveform, "
            "gives scores, includes labels and settings, uses builtin operators only."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="+",
        help="run folder of cry-tf train or distill, or a .keras file",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE.tflite", required=True, help="file to write"
    )
    parser.add_argument(
        "--quantize",
        choices=tuple(RECIPES),
        default="dynamic",
        help="number format of the weights, see below (default: %(default)s)",
    )
    parser.add_argument(
        "--compress",
        metavar="HOW",
        help="compress the network first and fine-tune it on the run's clips: "
        "prune=SHARE of weights set to 0 (0.8), cluster=N values per kernel (16), or "
        "qat, quantization-aware training (docs/compression.md)",
    )
    parser.add_argument(
        "--compress-epochs",
        type=int,
        metavar="N",
        help="epochs of fine-tuning with --compress, int >= 1 (default: 10)",
    )
    parser.add_argument(
        "--check",
        metavar="DATA",
        action="append",
        help="clips to compare the file with the model on: a folder with one subfolder "
        "per label or a manifest CSV (default: the run's)",
    )
    parser.add_argument(
        "--length",
        metavar="SECONDS|dynamic",
        type=_length,
        action="append",
        help="input length, seconds (phones need a fixed one), or dynamic for any "
        "length; give it several times to write several files (default: dynamic)",
    )
    parser.add_argument(
        "--representative",
        metavar="DATA",
        action="append",
        help="training clips that int8 measures its ranges on (default: the run's)",
    )
    parser.add_argument(
        "--keep-float",
        metavar="LAYER",
        action="append",
        default=[],
        help="name of a layer to keep in float32; can be repeated",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the choice of representative clips (default: %(default)s)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="fail if the scores of the requested recipe differ too much from the "
        "model's, instead of storing layers in more bytes",
    )
    add_result(parser, "file", "the comparison")
    searching.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the model cannot be exported, or the scores of the file differ
            too much from the model's.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    if args.search:
        return searching.run(args, console)
    searching.refuse_without_search(args)
    import_tensorflow_quietly()
    from cry_export import FallbackWarning, ParityError
    from cry_export.artefact import check_target
    from cry_tf import compressing, exporting
    from cry_tf.exporting import model_card

    request = compressing.check_request(
        args.compress, args.compress_epochs, args.quantize
    )
    model_path, found = find_model(args.run[0])
    given: list[float | Literal["dynamic"]] = args.length or ["dynamic"]
    lengths = list(dict.fromkeys(given))
    paths = [
        exporting.length_path(args.output, length) if len(lengths) > 1 else args.output
        for length in lengths
    ]
    for path in paths:
        check_target(Path(path), args.overwrite)
    check, where = check_clips(args, found)
    representative = representative_clips(args, found)
    model = load_model(model_path)
    compressed = None
    if request is not None:
        with console.bar(f"training for {request[0]}", request[1].epochs) as advance:
            compressed = compressing.compress(
                model,
                request[0],
                compressing.training_clips(found),
                request[1],
                lengths,
                advance,
            )
    count = min(len(check), exporting.MAX_CHECK_CLIPS)
    made = []
    for path, length in zip(paths, lengths, strict=True):
        console.line(f"converting, then comparing on {count} clips of {where}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", exporting.SkippedClipsWarning)
            warnings.simplefilter("always", FallbackWarning)
            try:
                with console.bar("comparing", count) as advance:
                    made += [
                        exporting.export(
                            model,
                            path,
                            quantize=args.quantize,
                            check=check,
                            length=length,
                            overwrite=args.overwrite,
                            provenance=exporting.run_provenance(found)
                            if found
                            else None,
                            advance=advance,
                            representative=representative,
                            keep_float=args.keep_float,
                            card=model_card(model, found),
                            seed=args.seed,
                            compressed=compressed,
                            strict=args.strict,
                        )
                    ]
            except ParityError as error:
                if args.json:
                    console.json({"refused": True, "parity": error.report.to_dict()})
                raise
        for warning in caught:
            if issubclass(
                warning.category, (exporting.SkippedClipsWarning, FallbackWarning)
            ):
                console.warn(str(warning.message))
        if compressed is not None:
            console.line(compressing.sentence(_report(made[-1])["compression"]))
        _print_parity(console, made[-1])
    if args.json:
        reports = [{"path": str(each.path)} | _report(each) for each in made]
        console.json(reports[0] if len(reports) == 1 else {"files": reports})
    return 0


def _report(made: Artefact) -> dict[str, Any]:
    return json.loads(made.parity_path.read_text(encoding="utf-8"))


def _print_parity(console: Console, made: Artefact) -> None:
    parity = made.parity
    flips = len(parity.flips)
    changed = f"{flips} of {parity.clips} decisions changed"
    if flips:
        margin = max(flip.margin for flip in parity.flips)
        changed += f", with a margin of at most {margin:.2g}"
    console.line(
        f"scores differ by at most {parity.max_score_difference:.2g}, on average "
        f"{parity.mean_score_difference:.2g}; {changed}"
    )
    metric = parity.task_metric
    if metric is not None:
        console.line(
            f"{metric['name']} {metric['before']['value']:.3f} before, "
            f"{metric['after']['value']:.3f} after over {metric['clips']} clips "
            f"(change {_interval(metric['change'])}); always the commonest label "
            f"{metric['majority']:.3f}"
        )
    console.line(
        f"written: {made.path} ({made.file_bytes / 1e6:.2f} MB) and "
        f"{made.parity_path.name}"
    )


def _interval(figure: dict[str, Any]) -> str:
    text = f"{figure['value']:+.3f}"
    if figure["low"] is None:
        return text
    return f"{text}, 95 % interval {figure['low']:+.3f} to {figure['high']:+.3f}"


def _length(text: str) -> float | Literal["dynamic"]:
    if text == "dynamic":
        return "dynamic"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be seconds or dynamic. Received: {text!r}"
        ) from None
