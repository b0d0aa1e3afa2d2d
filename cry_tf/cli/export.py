"""`cry-tf export`: a trained model becomes one `.tflite` that is proven equal."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cry_export.recipe import RECIPES
from cry_tf.cli import searching
from cry_tf.cli.console import Console, import_tensorflow_quietly
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
  int8       int8 activations as well, with ranges measured on clips of the training
             data: those of --representative, or else the run's own.
  float16    half the size, the answers all but the same.
  none       float32 weights.
The front end that turns sound into a spectrogram stays float32 in all of them.

Before it is written, the file is compared with the model on real clips: those of
--check, or else those that the run was trained on, if they are still there. If it
answers too far from the model, the layers that most of the noise comes from are left
float, then float16 and float32 are taken; a line says what was written and why. With
--strict, or if float32 answers differently too, no file is written, and the exit code
is 1. The figures are in FILE.parity.json either way; only an earlier FILE.tflite keeps
its own. --keep-float LAYER leaves a layer as it is from the beginning.

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
        help="write a model as a checked .tflite",
        description=(
            "Writes one .tflite for phones and small computers: waveform in, scores "
            "out, labels and settings inside, builtin operators only."
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
        help="how the weights are stored (default: %(default)s)",
    )
    parser.add_argument(
        "--compress",
        metavar="HOW",
        help="prune=0.8, cluster=16 or qat: compress the network first, and train it "
        "on the run's clips to answer as before (docs/compression.md)",
    )
    parser.add_argument(
        "--compress-epochs",
        type=int,
        metavar="N",
        help="times that --compress hears each clip (default: 10)",
    )
    parser.add_argument(
        "--check",
        metavar="DATA",
        action="append",
        help="clips to compare on: a folder per label or a manifest CSV "
        "(default: the run's own)",
    )
    parser.add_argument(
        "--length",
        metavar="SECONDS|dynamic",
        type=_length,
        action="append",
        help="fixed length of the input, which phones need, or dynamic; given several "
        "times, as many files are written (default: dynamic)",
    )
    parser.add_argument(
        "--representative",
        metavar="DATA",
        action="append",
        help="clips that the model was trained on, for int8 (default: the run's own)",
    )
    parser.add_argument(
        "--keep-float",
        metavar="LAYER",
        action="append",
        default=[],
        help="name of a layer to leave float32; may be given several times",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the draw of representative clips (default: %(default)s)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a file that answers too far from the model as it was asked for; "
        "without it the noisiest layers, or all of them, are stored in more bytes",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier file"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the comparison as JSON on stdout"
    )
    searching.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the model cannot be exported, or the file does not answer
            like the model.
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
        with console.bar(f"training for {request[0]}", request[1].epochs) as tell:
            compressed = compressing.compress(
                model,
                request[0],
                compressing.training_clips(found),
                request[1],
                lengths,
                tell,
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
        _tell(console, made[-1])
    if args.json:
        reports = [{"path": str(each.path)} | _report(each) for each in made]
        console.json(reports[0] if len(reports) == 1 else {"files": reports})
    return 0


def _report(made: Artefact) -> dict[str, Any]:
    return json.loads(made.parity_path.read_text(encoding="utf-8"))


def _tell(console: Console, made: Artefact) -> None:
    parity = made.parity
    flips = len(parity.flips)
    changed = f"{flips} of {parity.clips} decisions changed"
    if flips:
        margin = max(flip.margin for flip in parity.flips)
        changed += f", the clearest had a margin of {margin:.2g}"
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
    if parity.spared_layers:
        console.line(f"left float: {', '.join(parity.spared_layers)}")
    console.line(
        f"written: {made.path} ({made.file_bytes / 1e6:.2f} MB) and "
        f"{made.parity_path.name}"
    )


def _interval(figure: dict[str, Any]) -> str:
    told = f"{figure['value']:+.3f}"
    if figure["low"] is None:
        return told
    return f"{told}, 95 % interval {figure['low']:+.3f} to {figure['high']:+.3f}"


def _length(text: str) -> float | Literal["dynamic"]:
    if text == "dynamic":
        return "dynamic"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be seconds or dynamic. Received: {text!r}"
        ) from None
