"""Where a model is trained: one device, several, or several machines.

Each device has a replica of the model and takes its share of every batch; the
gradients are summed, so that a step is the step of one device on the whole batch.
What looks at a batch as a whole looks at a share: batch norm normalises with the
statistics of a replica's own clips, and its moving statistics are averaged over the
replicas after each step, so that every worker ends with the same model.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from cry_hub import keras_internals
from cry_hub.fast_training.normalization import FrozenBatchNormalization
from cry_tf.training.settings import STRATEGIES, StrategyName

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The workers that train together, and which of them this process is.

    Attributes:
        workers: How many there are, the chief among them; 1 without a cluster.
        worker: Number of this one, from 0. Worker 0 is the chief, who writes.
    """

    workers: int = 1
    worker: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return self.worker == 0

    @classmethod
    def of_environment(cls) -> Cluster:
        """Reads the environment variable `TF_CONFIG`.

        Raises:
            ValueError: If it is set and does not name this process as a worker.
        """
        text = os.environ.get("TF_CONFIG", "").strip()
        if not text:
            return cls()
        try:
            config = json.loads(text)
            jobs = config.get("cluster", {})
            if not jobs:
                return cls()
            chiefs, workers = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
            kind, index = config["task"]["type"], int(config["task"]["index"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"TF_CONFIG must be JSON such as {_EXAMPLE}. Received: {text!r} "
                f"({error!r})."
            ) from error
        of_kind = {"chief": chiefs, "worker": workers}.get(kind, 0)
        if not 0 <= index < of_kind:
            raise ValueError(
                "The task of TF_CONFIG must be one of its chief and workers. "
                f"Received: type={kind!r}, index={index}, with {chiefs} chief and "
                f"{workers} workers."
            )
        return cls(chiefs + workers, index if kind == "chief" else chiefs + index)


def share(batch: tuple[Any, ...], number: Any, replicas: int) -> tuple[Any, ...]:
    """Returns the part of a batch that a replica trains on, at least one clip.

    Keras divides the loss of each replica by its clips and by the replicas. Where a
    batch has fewer clips than there are replicas, some get one that counts nothing.
    """
    *values, weights = batch
    number = tf.cast(number, tf.int32)
    clips = tf.shape(weights)[0]
    start, stop = number * clips // replicas, (number + 1) * clips // replicas
    evens_out = tf.cast((stop - start) * replicas, weights.dtype)
    evens_out /= tf.cast(clips, weights.dtype)
    start = tf.minimum(start, clips - 1)
    stop = tf.maximum(stop, start + 1)
    shared = tf.nest.map_structure(lambda value: value[start:stop], values)
    return (*shared, weights[start:stop] * evens_out)


def moving_statistics(model: Any) -> list[Any]:
    """Returns the variables of batch norm that training moves on."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += moving_statistics(layer)
        elif (
            isinstance(layer, keras.layers.BatchNormalization)
            and not isinstance(layer, FrozenBatchNormalization)
            and layer.trainable
        ):
            found += [layer.moving_mean, layer.moving_variance]
    return found


class Devices:
    """Where a model is trained.

    Args:
        engine: A `tf.distribute.Strategy`, or None for one device.
        cluster: Which worker this is, and of how many.
    """

    def __init__(self, engine: Any = None, cluster: Cluster | None = None):
        self._engine = engine
        self.cluster = Cluster() if cluster is None else cluster

    @property
    def replicas(self) -> int:
        """Number of devices in all, those of other workers counted."""
        return 1 if self._engine is None else self._engine.num_replicas_in_sync

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the results."""
        return self.cluster.is_chief

    @property
    def sentence(self) -> str:
        """What trains, for a log."""
        if self._engine is None:
            return "not used, one device trains"
        if self.cluster.workers == 1:
            return f"{self.replicas} devices of this machine"
        return (
            f"{self.replicas} devices of {self.cluster.workers} workers, "
            f"this is worker {self.cluster.worker}"
        )

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context to build and to compile a model in."""
        return (
            contextlib.nullcontext() if self._engine is None else self._engine.scope()
        )

    def check_batch_size(self, batch_size: int) -> None:
        """Refuses a batch that the devices cannot share evenly.

        Raises:
            ValueError: If it is smaller than their number, or no multiple of it.
        """
        if batch_size % self.replicas:
            raise ValueError(
                "batch_size is shared by all devices and must be a multiple of their "
                f"number. Received: batch_size={batch_size}, {self.replicas} devices."
            )

    def adopt(self, model: Any) -> None:
        """Makes `fit` of a compiled model work on several devices.

        Keras 3.15 supports `MirroredStrategy` for batches of one shape, and its
        `fit` fails under `MultiWorkerMirroredStrategy`
        (https://github.com/keras-team/keras/issues/20585): to find out the shapes
        it averages the first batch over the replicas, and it averages the scalar
        figures of a step over an axis that they do not have.

        Args:
            model: A functional model, built and compiled within `scope`, without
                XLA.

        Raises:
            ValueError: If its optimizer accumulates gradients, which Keras 3.15
                cannot do within a replica.
        """
        if self._engine is None:
            return
        accumulated = model.optimizer.gradient_accumulation_steps
        if accumulated:
            raise ValueError(
                "Several devices share a batch and cannot accumulate gradients as "
                f"well. Received: {accumulated} batches a step on {self.replicas} "
                "devices. Let a batch be in memory at once, or take one device."
            )
        train_step = model.train_step
        statistics = moving_statistics(model)
        is_cluster = self.cluster.workers > 1

        def step(data):
            figures = train_step(data)
            if statistics:
                replica: Any = tf.distribute.get_replica_context()
                means = replica.all_reduce(
                    tf.distribute.ReduceOp.MEAN,
                    [tf.identity(variable.value) for variable in statistics],
                )
                for variable, mean in zip(statistics, means, strict=True):
                    variable.assign(mean)
            if not is_cluster:
                return figures
            return {name: tf.reshape(value, [1]) for name, value in figures.items()}

        keras_internals.replace_train_step(model, step)  # `distribute` builds

    def distribute(self, model: Any, batches: Any) -> Any:
        """Returns batches for `fit`, of which each device gets its share.

        Every worker reads all the clips, in the same order, and keeps its share:
        what was drawn for a clip or mixed into it does not depend on how many
        devices there are. The weights of an incomplete batch, which cannot be
        shared evenly, are scaled so that each clip still counts as much as the
        others; only the loss that is shown of it is approximate.

        Args:
            model: Adopted by `adopt`.
            batches: A `tf.data.Dataset` of (inputs, truth, weights `(batch,)`), of
                a known number of batches or endless.
        """
        if self._engine is None:
            return batches
        symbolic = tf.nest.map_structure(
            lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
            batches.element_spec,
        )
        with self._engine.scope():
            keras_internals.build_for(model, symbolic)
        replicas = self.replicas

        def shares_of_worker(context):
            here = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * here
            shares = batches.flat_map(
                lambda *batch: tf.data.Dataset.range(first, first + here).map(
                    lambda number: share(batch, number, replicas)
                )
            )
            return shares.prefetch(here)

        distributed = self._engine.distribute_datasets_from_function(shares_of_worker)
        # Of batches, where TensorFlow counts shares, and Keras then misses the rest.
        distributed._cardinality = batches.cardinality()
        return distributed

    def local_copy(self, model: Any, copy: Any = None) -> Any:
        """Returns the model on one device, with the weights of now, for `predict`.

        Args:
            model: A functional model.
            copy: What this returned before, to be used again, or None.
        """
        if self._engine is None:
            return model
        if copy is None:
            copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
        return copy

    def check_alike(self, what: str, *facts: Any) -> None:
        """Checks that every worker was given the same.

        Args:
            what: Named in the error.
            *facts: JSON types.

        Raises:
            ValueError: If some worker was given something else.
        """
        if self._engine is None or self.cluster.workers == 1:
            return
        text = json.dumps(facts, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).digest()
        number = float(int.from_bytes(digest[:3], "big"))  # exact in float32
        low, high = self._reduced(number, -number)
        if low != -high:
            raise ValueError(
                f"Every worker must be given the same {what}. This is worker "
                f"{self.cluster.worker}, and another one has something else."
            )

    def wait(self) -> None:
        """Waits for all workers: one that exits early would make the others fail."""
        if self._engine is not None and self.cluster.workers > 1:
            self._reduced(0.0)

    def place(self, path: str | os.PathLike[str]) -> str | os.PathLike[str]:
        """Returns where this process writes its run.

        That is the path for the chief, and for others a folder that is removed when
        the process ends.
        """
        if self.is_chief:
            return path
        nowhere = tempfile.mkdtemp(prefix="cry-tf-worker-")
        atexit.register(shutil.rmtree, nowhere, ignore_errors=True)
        return Path(nowhere) / "run"

    def _reduced(self, *numbers: float) -> list[float]:
        """Returns the smallest that any worker has of each number."""

        @tf.function
        def gathered(values):
            def of_replica(values):
                replica: Any = tf.distribute.get_replica_context()
                return replica.all_gather(values[None], axis=0)

            return self._engine.run(of_replica, args=(values,))

        found = gathered(tf.constant(numbers))
        first = self._engine.experimental_local_results(found)[0]
        return [float(value) for value in tf.reduce_min(first, axis=0)]


ONE_DEVICE = Devices()


def find_devices(name: StrategyName, trains: str = "all") -> Devices:
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
