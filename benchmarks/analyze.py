"""Measures `cry-lite analyze` from process start to result, beside bare LiteRT.

    python benchmarks/analyze.py MODEL.tflite CLIP.wav [--runs N]

Prints the least and the median of the wall time, the least processor time, and the
peak memory over all runs, each run a process of its own. The least wall time is the
figure of a machine with nothing else to do. POSIX only (`os.wait4`).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time

# The least that any answer costs: load the network, run it once, on nothing.
BARE_LITERT = """
import sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1])
(given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
samples = [size if size > 0 else 48000 for size in given["shape_signature"]]
interpreter.resize_tensor_input(given["index"], samples)
interpreter.allocate_tensors()
interpreter.set_tensor(given["index"], np.zeros(samples, np.float32))
interpreter.invoke()
print(interpreter.get_tensor(result["index"]).argmax())
"""
CRY_LITE = "import sys; from cry_lite.cli import main; sys.exit(main(sys.argv[1:]))"


def measure(command: list[str], bytecode: str) -> tuple[float, float, float]:
    """Runs a command; returns wall seconds, processor seconds and peak MB.

    Args:
        command: The program and its arguments.
        bytecode: Folder where Python keeps compiled modules, as an installed
            package has them: a checkout may have none.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    silence = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    begun = time.perf_counter()
    process = os.posix_spawn(command[0], command, environment, file_actions=silence)
    _, status, usage = os.wait4(process, 0)
    wall_s = time.perf_counter() - begun
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed with exit code {code}.")
    # Linux counts kilobytes, macOS bytes.
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", help="a .tflite that cry-tf export wrote")
    parser.add_argument("clip", help="a short sound file")
    parser.add_argument("--runs", type=int, default=20, help="processes (default: 20)")
    args = parser.parse_args()

    python = sys.executable
    commands = {
        "python alone": [python, "-c", "pass"],
        "bare LiteRT, one window of zeros": [python, "-c", BARE_LITERT, args.model],
        "cry-lite analyze CLIP": [
            *(python, "-c", CRY_LITE, "analyze", args.clip, "--model", args.model)
        ],
    }
    with tempfile.TemporaryDirectory() as bytecode:
        for command in commands.values():  # Fills the file cache and the bytecode.
            measure(command, bytecode)
        # In turn, so that a busy moment of the machine meets all alike.
        rounds = [
            {name: measure(command, bytecode) for name, command in commands.items()}
            for _ in range(args.runs)
        ]
    # Not before: a child begins with its parent's memory as its peak.
    from cry_lite.sound_file import info

    clip = info(args.clip)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; clip {clip.duration_s:.1f} s at "
        f"{clip.sample_rate_hz} Hz; {args.runs} runs"
    )
    print(f"{'':34}{'wall min':>9}{'median':>9}{'cpu min':>9}{'peak':>10}")
    for name in commands:
        walls, cpus, peaks = zip(*(result[name] for result in rounds), strict=True)
        print(
            f"{name:34}{min(walls):7.3f} s{sorted(walls)[len(walls) // 2]:7.3f} s"
            f"{min(cpus):7.3f} s{max(peaks):7.1f} MB"
        )


if __name__ == "__main__":
    main()
