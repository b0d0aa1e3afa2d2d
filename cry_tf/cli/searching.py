"""`cry-tf export --search`: finds the best file within given limits."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import Together, names

if TYPE_CHECKING:
    from cry_tf.benchmarking.limits import Limits
    from cry_tf.benchmarking.search import Found
    from cry_tf.runs.run_folder import RunFolder

_LIMITS = ("max_bytes", "max_latency_ms", "max_memory", "data", "positive")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a search to `cry-tf export`."""
    group = parser.add_argument_group(
        "search", "export every RUN with every recipe, and keep the best file"
    )
    group.add_argument(
        "--search", action="store_true", help="search; several RUNs may be given"
    )
    group.add_argument(
        "--max-bytes",
        metavar="SIZE",
        type=_size,
        help="largest file size, bytes, such as 300k (default: no limit)",
    )
    group.add_argument(
        "--max-latency-ms",
        metavar="MS",
        type=float,
        help="longest median run on one window, milliseconds, measured on this machine "
        "(default: no limit)",
    )
    group.add_argument(
        "--max-memory",
        metavar="SIZE",
        type=_size,
        help="largest peak memory of the process, bytes (default: no limit)",
    )
    group.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=1,
        help="threads for measuring latency, int >= 1 (default: %(default)s)",
    )
    group.add_argument(
        "--data",
        metavar="DATA",
        action="append",
        help="labelled clips to evaluate every file on, preferably clips that no run "
        "was trained on (default: the out-of-fold figures of the runs)",
    )
    group.add_argument(
        "--positive",
        metavar="LABEL,...",
        type=names,
        action=Together,
        help="for detectors: labels of --data that mean crying",
    )


def refuse_without_search(args: argparse.Namespace) -> None:
    """Refuses arguments that only a search uses.

    Raises:
        ValueError: If one was given.
    """
    given = [name for name in _LIMITS if getattr(args, name) is not None]
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise ValueError(f"{flag} needs --search. Add --search, or omit {flag}.")
    if len(args.run) > 1:
        raise ValueError(
            f"Give one RUN. Received: {len(args.run)}. Add --search to keep the best "
            "of them, or export each alone."
        )


def run(args: argparse.Namespace, console: Console) -> int:
    """Searches and returns the exit code.

    Raises:
        ValueError: If the runs do not fit each other or the clips, or no file could
            be written.
        OSError: If something cannot be read or written.
    """
    import_tensorflow_quietly()
    from cry_tf.benchmarking.limits import Limits
    from cry_tf.benchmarking.search import search
    from cry_tf.runs.result_folder import write_json
    from cry_tf.runs.run_folder import RunFolder

    lengths = args.length or ["dynamic"]
    if len(lengths) > 1:
        raise ValueError("A search writes one file. Give one --length.")
    latency_ms = args.max_latency_ms
    limits = Limits(
        max_bytes=args.max_bytes,
        max_latency_s=None if latency_ms is None else latency_ms / 1e3,
        max_memory_bytes=args.max_memory,
        threads=args.threads,
    )
    dataset = None
    if args.data is not None:
        from cry_tf.data import load

        dataset = load(args.data)
    runs = [RunFolder.open(path) for path in args.run]
    output = Path(args.output)
    found = search(
        runs,
        output,
        limits,
        export=_Exporter(args, lengths[0]),
        dataset=dataset,
        positive=args.positive,
        overwrite=args.overwrite,
        progress=console,
    )
    record = found.to_dict(limits)
    _print_table(console, found, limits)
    if args.json:
        console.json(record)
    if found.chosen is None:
        raise ValueError(
            f"No file is within the limits; {output} was not written. Raise the "
            "limits, or give a smaller RUN (cry-tf distill makes one)."
        )
    write_json(output.with_suffix(".search.json"), record)
    console.line(
        f"written: {output}, which is {found.chosen.name} "
        f"({found.chosen.file_bytes / 1e6:.3f} MB), its .parity.json and .search.json"
    )
    return 0


class _Exporter:
    """Exports runs; reads each model and its clips once."""

    def __init__(self, args: argparse.Namespace, length: Any):
        self._args, self._length = args, length
        self._read: dict[Path, tuple[Any, Any, Any]] = {}

    def _of(self, run: RunFolder) -> tuple[Any, Any, Any]:
        """Returns the model, the clips to compare on, and those for int8."""
        from cry_tf import exporting
        from cry_tf.data import load

        if run.path not in self._read:
            given = (self._args.check, self._args.representative)
            found = [
                exporting.run_clips(run) if data is None else load(data)
                for data in given
            ]
            self._read[run.path] = run.load_model(), found[0], found[1]
        return self._read[run.path]

    def __call__(self, run: RunFolder, path: Path, recipe: str) -> None:
        from cry_export.quantization_recipe import RECIPES
        from cry_tf import exporting
        from cry_tf.exporting import model_card

        model, check, representative = self._of(run)
        needs_clips = RECIPES[recipe].needs_representative
        with warnings.catch_warnings():
            # `cry-tf train` has already reported these clips.
            warnings.simplefilter("ignore", exporting.SkippedClipsWarning)
            exporting.export(
                model,
                path,
                quantize=recipe,
                check=check,
                length=self._length,
                provenance=exporting.run_provenance(run),
                representative=representative if needs_clips else None,
                card=model_card(model, run),
                seed=self._args.seed,
                strict=True,  # the search tries the other recipes itself
            )


def _print_table(console: Console, found: Found, limits: Limits) -> None:
    from cry_tf.benchmarking import benchmark_page

    comparison = found.comparison
    for sentence in comparison.warnings:
        console.warn(sentence)
    rows = benchmark_page.rows(comparison)
    for row, candidate in zip(rows, comparison.candidates, strict=False):
        row.append(", ".join(limits.broken_by(candidate)) or "fits")
    for row in rows[len(comparison.candidates) :]:
        row.append("")
    console.table([*benchmark_page.header(comparison), "limits"], rows, 2)
    for sentence in benchmark_page.sentences(comparison):
        console.line(f"  {sentence}")
    for name, reason in found.refused.items():
        console.line(f"  refused: {name}: {reason}")


def _size(text: str) -> int:
    from cry_tf.benchmarking.limits import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
