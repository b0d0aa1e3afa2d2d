"""What the benchmarks share: the best of several runs, and the machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path


def best_of(count: int, work: Callable[[], object]) -> tuple[float, float]:
    """Returns the least wall time and the least processor time of so many runs, s."""
    wall, processor = [], []
    for _ in range(count):
        began, began_processor = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_processor)
    return min(wall), min(processor)


def machine(*packages: str) -> str:
    """Returns the processor, the system and the versions of Python and packages."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if "model name" in line]
        cpu = names[0] if names else cpu
    versions = [f"Python {platform.python_version()}"]
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}; {', '.join(versions)}"
