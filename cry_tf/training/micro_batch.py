"""How many clips fit into memory at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tensorflow as tf

# Adam, gradients and TensorFlow's own buffers live in the other half.
_SHARE_OF_MEMORY = 0.5
# Forward values are kept for the backward pass, which makes as much again.
_PASSES = 2
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


def choose(
    model: Any, batch_size: int, seconds: float, memory_bytes: int | None = None
) -> tuple[int, str]:
    """Chooses how many clips are in memory at once.

    Args:
        model: A `CryModel`.
        batch_size: Clips a step; the answer divides it.
        seconds: Length of the longest clip.
        memory_bytes: What is there; None asks the system.

    Returns:
        Clips in memory at once, at least 1, and a sentence that says why.
    """
    if memory_bytes is None:
        memory_bytes = available_bytes()
    need = clip_bytes(model, seconds)
    most = max(1, int(_SHARE_OF_MEMORY * memory_bytes / need))
    micro = next(n for n in range(min(most, batch_size), 0, -1) if batch_size % n == 0)
    sentence = (
        f"micro batch: {micro} of {batch_size} clips at once (about "
        f"{need / 1e6:.0f} MB a clip of {seconds:.1f} s, {memory_bytes / 1e9:.1f} GB "
        "of memory free)"
    )
    return micro, sentence


def clip_bytes(model: Any, seconds: float) -> int:
    """Returns about how many bytes a training step needs for one clip.

    The floats that every operation of the network gives for one clip, forward
    and backward; nothing is run.
    """
    samples = max(1, round(seconds * model.spec.sample_rate_hz))
    waveform = tf.TensorSpec((1, samples), tf.float32)
    traced: Any = tf.function(lambda x: model(x, training=False))
    graph = traced.get_concrete_function(waveform).graph
    floats = 0
    for operation in graph.get_operations():
        if operation.type in ("ReadVariableOp", "Const", "Placeholder"):
            continue
        for tensor in operation.outputs:
            count = tensor.shape.num_elements()
            if tensor.dtype.is_floating and count:
                floats += count * tensor.dtype.size
    return max(1, _PASSES * floats)


def available_bytes() -> int:
    """Returns how much memory is free, on the system and in its container.

    On a GPU it is not the GPU's: say `micro_batch` there.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    if _CGROUP_LIMIT.is_file() and _CGROUP_USED.is_file():
        limit = _CGROUP_LIMIT.read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int(_CGROUP_USED.read_text()))
    return max(free, 1)
