"""Measures speed and memory of `.tflite` files on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cry_lite.errors import ModelFileError
from cry_lite.metadata import read_metadata

TURNS = 15


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed and memory of one file with a number of threads.

    Attributes:
        threads: Threads for the network.
        window_s: Length of the audio of one run, seconds.
        load_s: Time to load the network and check its digest, seconds, without the
            start of Python.
        first_s: Time of the first run, seconds.
        median_s: Median of the later runs, seconds.
        slow_s: 95th percentile of the later runs, seconds.
        runs: Number of later runs.
        peak_bytes: Peak memory of a process that does nothing else, including Python.
    """

    threads: int
    window_s: float
    load_s: float
    first_s: float
    median_s: float
    slow_s: float
    runs: int
    peak_bytes: int

    @property
    def per_audio_second_s(self) -> float:
        """Real-time factor: seconds of computing per second of audio."""
        return self.median_s / self.window_s

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types, including the real-time factor."""
        return asdict(self) | {"real_time_factor": self.per_audio_second_s}


def measure_speeds(
    paths: Sequence[str | os.PathLike[str]],
    threads: Sequence[int] = (1,),
    seconds: float | None = None,
    turns: int | None = None,
    advance: Callable[[], None] | None = None,
) -> list[list[Speed]]:
    """Measures several files under the same conditions.

    Each file and number of threads runs in a separate process. The processes take
    turns of a tenth of a second, so that other load on the machine affects all alike.

    Args:
        paths: Files that cry-tf exported.
        threads: Numbers of threads, int >= 1 each. Default: 1.
        seconds: Length of the audio, seconds, for files that take any length. None
            takes the window of the file's settings. A fixed length is not changed.
        turns: Number of turns of each process, int >= 1. None takes 15.
        advance: Called after each round of turns, for a progress bar.

    Returns:
        One list per file, with one `Speed` per number of threads.

    Raises:
        ModelFileError: If a file is missing, damaged, or cannot be run here.
        ValueError: If a number is not positive.
    """
    turns = TURNS if turns is None else turns
    for name, values in (("threads", threads), ("turns", [turns])):
        if not values or min(values) < 1:
            raise ValueError(f"{name} must be positive. Received: {name}={values!r}.")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"seconds must be positive. Received: seconds={seconds!r}.")
    for path in paths:
        read_metadata(path)  # its sentence is better than that of a dead process
    with ExitStack() as stack:
        workers = [
            [
                stack.enter_context(_Worker(path, count, seconds or 0.0))
                for count in threads
            ]
            for path in paths
        ]
        for _ in range(turns):
            for file_workers in workers:
                for worker in file_workers:
                    worker.take_turn()
            if advance is not None:
                advance()
        return [[worker.speed for worker in file_workers] for file_workers in workers]


class _Worker:
    """The other end of `cry_lite.speed_worker`."""

    def __init__(self, path: str | os.PathLike[str], threads: int, seconds: float):
        self._path, self._threads = os.fspath(path), threads
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "cry_lite.speed_worker",
                self._path,
                str(threads),
                str(seconds),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._times_s: list[float] = []
        self._facts: dict[str, Any] = {}
        self._facts = self._answer()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it may have died with unread words in the pipe
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def take_turn(self) -> None:
        """Lets the file run for a moment."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # `_answer` says what happened
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        answer = self._answer()
        self._times_s += answer["times_s"]
        self._facts["peak_bytes"] = answer["peak_bytes"]

    @property
    def speed(self) -> Speed:
        """What was measured so far."""
        return Speed(
            threads=self._threads,
            median_s=float(np.median(self._times_s)),
            slow_s=float(np.percentile(self._times_s, 95)),
            runs=len(self._times_s),
            **self._facts,
        )

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        words = self._process.stderr.read().strip().splitlines() or ["no word"]
        self.__exit__()
        code = self._process.returncode
        raise ModelFileError(
            f"{self._path} cannot be measured: its process ended with {code} "
            f"({words[-1].strip().rstrip('.')}). Export it again, or use a machine "
            "with more memory."
        )
