"""A separate process that loads one `.tflite` and runs it on request.

Started by `cry_lite.speed`; a line of JSON answers its start and each line it reads.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

_TURN_S = 0.1
_MOST_RUNS = 1_000


def peak_memory_bytes() -> int:
    """Returns the most memory that this process has held resident, bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux it starts from the peak of the process that
        # started this one.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> int:
    """Loads the file named by the arguments, then runs it for each line on stdin."""
    path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    import numpy as np

    from cry_lite.interpreter import LiteRTModel
    from cry_lite.metadata import read_metadata
    from cry_lite.terminal import without_delegate_notice

    with without_delegate_notice():
        begun = time.perf_counter()
        spec = read_metadata(path).spec
        model = LiteRTModel(path, num_threads=threads)
        length = seconds or spec.decision.window_s
        samples = model.input_samples or max(1, round(length * spec.sample_rate_hz))
        model.prepare(samples)
        load_s = time.perf_counter() - begun
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)

    def run() -> float:
        begun = time.perf_counter()
        model(noise)
        return time.perf_counter() - begun

    answer: dict = {
        "load_s": load_s,
        "first_s": run(),
        "window_s": samples / spec.sample_rate_hz,
    }
    print(json.dumps(answer), flush=True)
    for _ in sys.stdin:
        times = [run()]
        while sum(times) < _TURN_S and len(times) < _MOST_RUNS:
            times.append(run())
        answer = {"times_s": times, "peak_bytes": peak_memory_bytes()}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
