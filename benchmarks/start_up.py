"""How long a command takes before it does anything.

    python benchmarks/start_up.py [--runs N]

Starts a fresh interpreter each time. The least wall time is the figure of a machine
with nothing else to do; the median says how busy it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

WORK = {
    "python, nothing": "pass",
    "import cry_lite": "import cry_lite",
    "import cry_tf": "import cry_tf",
    "cry-tf --help": "from cry_tf.cli.main import main; main(['--help'])",
    "cry-tf train --help": "from cry_tf.cli.main import main; main(['train', '-h'])",
    "cry-lite --help": "from cry_lite.cli import main; main(['--help'])",
    "import cry_tf.data, load": "import cry_tf.data; cry_tf.data.load",
    "import tensorflow, keras": "import tensorflow, keras",
    "cry_tf.CryDetector": "import cry_tf; cry_tf.CryDetector",
}


def start(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}")
    print(f"Python {platform.python_version()}, {args.runs} runs")
    print(f"load average at the start: {os.getloadavg()[0]:.1f}\n")
    print(f"{'seconds':28s} {'least':>7s} {'median':>7s}")
    for name, code in WORK.items():
        start(code)  # compiles and reads from disk what was not yet
        spent = [start(code) for _ in range(args.runs)]
        print(f"{name:28s} {min(spent):7.2f} {statistics.median(spent):7.2f}")


if __name__ == "__main__":
    main()
