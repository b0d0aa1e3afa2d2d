"""The `cry-tf` command: parses, runs one subcommand, turns errors into sentences."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from cry_hub.requirements import check_keras
from cry_lite import __version__, streams
from cry_lite.arguments import expand_home

# One module each in this package, with add_parser(subparsers) and run(args) -> int.
COMMANDS = (
    "quickstart",
    "weights",
    "audit",
    "tag",
    "train",
    "distill",
    "personalize",
    "evaluate",
    "scenes",
    "calibrate",
    "mine",
    "export",
    "benchmark",
    "reproduce",
)
# Without -o they only print: a closed pipe ends them.
_PRINTERS = ("audit", "tag", "benchmark")


def _parser() -> tuple[argparse.ArgumentParser, dict]:
    parser = argparse.ArgumentParser(
        prog="cry-tf",
        description="Trains, evaluates and exports models that detect a baby's crying.",
        epilog="Help and examples for one command: cry-tf COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"cry-tf {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules = {}
    for name in COMMANDS:
        modules[name] = importlib.import_module(f"cry_tf.cli.{name}")
        modules[name].add_parser(subparsers)
    return parser, modules


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments without the program's name; None takes `sys.argv`.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong usage.
    """
    code = streams.run("cry-tf", lambda output: _run(argv, output))
    if argv is None:
        streams.let_interrupts_end_the_process()
    return code


def _run(argv: Sequence[str] | None, output: streams.Output) -> int:
    argv = sys.argv[1:] if argv is None else argv
    fault = _fault_of_installation()
    if fault is not None:
        if list(argv) == ["--version"]:
            print(f"cry-tf {__version__}")
            return 0
        print(f"error: {fault}", file=sys.stderr)
        return 1
    parser, modules = _parser()
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    try:
        args = parser.parse_args(expand_home(argv))
    except SystemExit as stop:  # --help and --version stop with 0, bad usage with 2
        return int(stop.code or 0)
    only_prints = args.command in _PRINTERS and args.output is None
    output.goes_on = not only_prints
    signals: list[int] = []
    try:
        with _stopped_by(signals):
            return modules[args.command].run(args)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        # TensorFlow turns an interrupt in the middle of tracing into other errors.
        if not signals:
            if not isinstance(error, ValueError | OSError):
                raise
            print(f"error: {_sentence(error)}", file=sys.stderr)
            return 1
    print("Stopped. No incomplete files were left.", file=sys.stderr)
    return 1


def _fault_of_installation() -> str | None:
    """Returns what is missing for every command, or None."""
    try:
        check_keras()
    except ImportError as error:
        return str(error)
    return None


@contextlib.contextmanager
def _stopped_by(signals: list[int]) -> Iterator[None]:
    """Makes `kill`, a shutdown and a closed terminal clean up as Ctrl-C does.

    The numbers of the received signals are added to `signals`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    earlier = {
        getattr(signal, name): signal.getsignal(getattr(signal, name))
        for name in ("SIGINT", "SIGTERM", "SIGHUP")
        if hasattr(signal, name)  # no SIGHUP on Windows
    }
    # `nohup` and a shell's background jobs ask for signals to be ignored.
    taken = [number for number in earlier if earlier[number] != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, earlier[number])


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
