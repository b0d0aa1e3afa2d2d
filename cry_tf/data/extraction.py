"""Runs a frozen backbone over waveforms, and records which backbone it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cry_hub.backbone import Backbone

# Raise it when decoding or this module changes what a stored embedding means.
FORMAT = 2


class Extractor:
    """Turns waveforms into embeddings, real time steps only.

    One graph serves batches of every shape, so a new length costs no tracing. A
    backbone that `prefers_jit` is compiled for each shape: its batches are padded
    to few different ones.

    Args:
        backbone: A backbone, or any Keras model from waveform `(batch,
            samples)` to `(batch, time, features)` with `front_end_spec` and
            `time_mask()`. It runs in inference mode.
    """

    def __init__(self, backbone: Backbone) -> None:
        import tensorflow as tf

        self.backbone = backbone
        self.sample_rate_hz = backbone.front_end_spec.sample_rate_hz
        self._mask = backbone.time_mask()
        self._graph = tf.function(
            self._run,
            input_signature=[tf.TensorSpec([None, None], tf.float32)],
            autograph=False,
            jit_compile=backbone.prefers_jit,
        )

    def _run(self, waveforms):
        return self.backbone(waveforms, training=False), self._mask(waveforms)

    def __call__(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns one float32 `(time, features)` for each waveform `(samples,)`."""
        samples = max(len(waveform) for waveform in waveforms)
        rows = len(waveforms)
        if self.backbone.prefers_jit:
            samples, rows = rounded_up(samples), rounded_up(rows)
        return self._real_steps(
            self._graph(pad(waveforms, samples, rows)), len(waveforms)
        )

    def probe(self) -> np.ndarray:
        """Returns the embeddings of a fixed waveform, `(time, features)`.

        Two backbones that differ in their code alone differ here. It runs
        without a graph: tracing takes longer than one short batch.
        """
        import tensorflow as tf

        rng = np.random.default_rng(0)
        samples = np.arange(round(1.7 * self.sample_rate_hz))
        tone = 0.3 * np.sin(2 * np.pi * 440 / self.sample_rate_hz * samples)
        long = (tone + rng.normal(0, 0.1, len(samples))).astype(np.float32)
        short = long[: round(0.6 * self.sample_rate_hz)]
        outputs = self._run(tf.constant(pad([long, short], len(long), 2)))
        return np.concatenate(self._real_steps(outputs, 2))

    def _real_steps(self, outputs: Any, count: int) -> list[np.ndarray]:
        embeddings, mask = (np.asarray(output) for output in outputs)
        if embeddings.ndim != 3 or embeddings.shape[:2] != mask.shape:
            raise ValueError(
                "A backbone gives embeddings (batch, time, features), and its time "
                f"mask (batch, time). Received: embeddings {embeddings.shape} and mask "
                f"{mask.shape} of {type(self.backbone).__name__}."
            )
        return [
            embeddings[row][mask[row]].astype(np.float32, copy=False)
            for row in range(count)
        ]

    def fingerprint(self) -> str:
        """Returns a digest of the backbone's class, settings and weights.

        Names of layers take no part: Keras numbers them as they are made.
        """
        weights = hashlib.sha256()
        for variable in self.backbone.weights:
            value = np.ascontiguousarray(variable.numpy())
            weights.update(f"{value.dtype}{value.shape}".encode())
            weights.update(value.data)
        config = _nameless(self.backbone.get_config())
        about = {
            "format": FORMAT,
            "class": f"{type(self.backbone).__module__}.{type(self.backbone).__name__}",
            "front_end": self.backbone.front_end_spec.to_dict(),
            "config": config,
            "weights": weights.hexdigest(),
        }
        return hashlib.sha256(
            json.dumps(about, sort_keys=True, default=repr).encode()
        ).hexdigest()


def _nameless(config: Any) -> Any:
    """Drops names and `trainable`, which inference does not depend on.

    A functional graph is little but automatic names; class, weights and probe
    stand for it.
    """
    if isinstance(config, dict):
        kept = set(config) - {"name", "trainable"}
        if "layers" in config:
            kept -= {"layers", "input_layers", "output_layers"}
        return {key: _nameless(config[key]) for key in kept}
    if isinstance(config, (list, tuple)):
        return [_nameless(item) for item in config]
    return config


def rounded_up(size: int) -> int:
    """Returns the next size with at most 3 binary digits that are not 0.

    Four sizes lie between a power of two and its double; at most a quarter is
    added.
    """
    unit = 1 << max(size.bit_length() - 3, 0)
    return -(-size // unit) * unit


def pad(waveforms: Sequence[np.ndarray], samples: int, rows: int) -> np.ndarray:
    """Stacks waveforms into `(rows, samples)`, zeros after and below them."""
    batch = np.zeros((rows, samples), np.float32)
    for row, waveform in zip(batch, waveforms, strict=False):
        row[: len(waveform)] = waveform
    return batch


def batches(
    waveforms: Iterable[tuple[str, np.ndarray]], most_samples: int
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Collects (key, waveform) pairs into batches of bounded padded size.

    Args:
        waveforms: Pairs, best sorted by length.
        most_samples: Samples of a batch, padding counted; a longer waveform
            makes a batch of its own.
    """
    batch: list[tuple[str, np.ndarray]] = []
    longest = 0
    for key, waveform in waveforms:
        longest = max(longest, len(waveform))
        if batch and longest * (len(batch) + 1) > most_samples:
            yield batch
            batch, longest = [], len(waveform)
        batch.append((key, waveform))
    if batch:
        yield batch
