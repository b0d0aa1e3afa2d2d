"""Finds the devices or machines that the settings name."""

from __future__ import annotations

import functools
import os
from typing import Any

import tensorflow as tf

from cry_tf.training.cluster import STRATEGIES, Cluster, StrategyName
from cry_tf.training.devices import ONE_DEVICE, Devices


def find(name: StrategyName, trains: str = "all") -> Devices:
    """Returns where to train.

    A cluster must be joined before TensorFlow computes anything, and waits until
    every worker is there.

    Args:
        name: `mirrored` takes every GPU of this machine (every CPU device where it
            has none). `multiworker` joins the cluster that the environment
            variable `TF_CONFIG` names. `none` takes one device. `auto` is
            `multiworker` if `TF_CONFIG` names several workers, else `mirrored` if
            there are several GPUs, else `none`.
        trains: What is trained; anything but `all` takes one device, since a head
            on computed embeddings takes seconds. Of several workers each trains it
            then, and the chief's is written.

    Raises:
        ValueError: If there is no such strategy, or no cluster.
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"strategy must be one of {', '.join(STRATEGIES)}. "
            f"Received: strategy={name!r}."
        )
    if name == "none":
        return ONE_DEVICE
    cluster = Cluster() if name == "mirrored" else Cluster.of_environment()
    if name == "multiworker" and cluster.workers == 1:
        raise ValueError(
            "The strategy multiworker takes the environment variable TF_CONFIG, which "
            "names at least two workers. Received: "
            f"TF_CONFIG={os.environ.get('TF_CONFIG')!r}."
        )
    if trains != "all":
        return Devices(None, cluster)
    if cluster.workers > 1:
        return Devices(_engine(), cluster)
    devices = tf.config.list_logical_devices("GPU")
    if name == "mirrored" and not devices:
        devices = tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        return ONE_DEVICE
    return Devices(_engine(tuple(device.name for device in devices)))


@functools.cache
def _engine(devices: tuple[str, ...] | None = None) -> Any:
    """Returns the engine of a process.

    There is one. Two of them would give their collective operations the same
    numbers, and the second model could not be trained.
    """
    if devices is None:
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy(devices)
