"""Batches of clips that take sample rate and labels from the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

WAVEFORMS_AND_PLACES = (
    tf.TensorSpec([None, None], tf.float32),
    tf.TensorSpec([None], tf.int32),
)
Pipeline = Callable[[int, bool, tuple[str, ...]], tf.data.Dataset]


class WaveformBatches(tf.data.Dataset):
    """A `tf.data.Dataset` of waveforms, or what becomes one in `fit`.

    Without a sample rate it is no pipeline yet: a model of ours that it is given to
    makes one at its own rate, with its own places for the labels. Anything else is
    told to name the rate.

    Args:
        make: Sample rate, whether to shuffle, and names of the places, to a
            pipeline.
        size: Number of batches, None if it is not known beforehand.
        sample_rate_hz: Rate of the waveforms, Hz, or None for that of the model.
        shuffle: Whether each epoch has a new order; None shuffles in `fit` alone.
        labels: Names of the places, or None for those of the model, and of the
            dataset elsewhere.
        own_labels: Those of the dataset.
        is_augmented: Whether the batches are for training alone.
        element_spec: Shapes and types of a batch.
    """

    def __init__(
        self,
        make: Pipeline,
        size: int | None,
        sample_rate_hz: int | None,
        shuffle: bool | None,
        labels: tuple[str, ...] | None,
        own_labels: tuple[str, ...],
        is_augmented: bool = False,
        element_spec: Any = WAVEFORMS_AND_PLACES,
    ):
        self._make = make
        self._size = size
        self.sample_rate_hz = sample_rate_hz
        self._shuffle = shuffle
        self._labels = labels
        self._own_labels = own_labels
        self._is_augmented = is_augmented
        self._element_spec = element_spec
        self._made: dict[Any, tf.data.Dataset] = {}
        self._own: Any = None
        if sample_rate_hz is not None:
            self._own = self._pipeline(sample_rate_hz, bool(shuffle), self.labels)
        variant: Any = None if self._own is None else self._own._variant_tensor
        super().__init__(variant)  # type: ignore[call-arg]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label indices."""
        return self._own_labels if self._labels is None else self._labels

    def for_model(
        self,
        sample_rate_hz: int | None,
        labels: tuple[str, ...] | None,
        is_training: bool,
    ) -> tf.data.Dataset:
        """Returns the pipeline for a model.

        Args:
            sample_rate_hz: Rate that the model takes, None if unknown.
            labels: Names of its outputs, None if they have none or do not matter.
            is_training: Whether it is trained on them.

        Raises:
            ValueError: If the batches have another rate or other labels, or
                are for training alone.
        """
        rate_hz = self.sample_rate_hz or sample_rate_hz
        if rate_hz is None:
            raise ValueError(_NO_RATE)
        if sample_rate_hz not in (None, rate_hz):
            raise ValueError(
                f"Waveforms for this model must be at {sample_rate_hz} Hz. Received: "
                f"batches at {rate_hz} Hz. Make them with "
                f"to_tf(sample_rate_hz={sample_rate_hz})."
            )
        if self._is_augmented and not is_training:
            raise ValueError(
                "Augmented batches are for training. Received: to_tf(augment=...) "
                "where a model is evaluated. Leave augment out there."
            )
        if labels is None:
            labels = self.labels
        elif self._labels is not None and labels[: len(self._labels)] != self._labels:
            raise ValueError(
                "Labels of batches must be those of the model in the same order. "
                f"Received: {', '.join(self._labels)} for a model of "
                f"{', '.join(labels)}. Leave labels out: the batches then take them "
                "from the model."
            )
        is_shuffled = is_training if self._shuffle is None else self._shuffle
        return self._pipeline(rate_hz, is_shuffled, labels)

    def _pipeline(
        self, sample_rate_hz: int, shuffle: bool, labels: tuple[str, ...]
    ) -> tf.data.Dataset:
        # Kept, so that a second `fit` continues with the orders that were drawn.
        key = (sample_rate_hz, shuffle, labels)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    @property
    def is_ordered(self) -> bool:
        """Whether a pipeline made of these keeps an order that nobody asked for."""
        return self._shuffle is None

    @property
    def element_spec(self) -> Any:
        """Shapes and types of a batch."""
        return self._element_spec

    @property
    def _variant_tensor(self) -> Any:
        if self._own is None:
            raise ValueError(_NO_RATE)
        return self._own._variant_tensor

    def _inputs(self) -> list[tf.data.Dataset]:
        return [] if self._own is None else [self._own]

    def cardinality(self) -> tf.Tensor:
        """Returns the number of batches, which is the same at any rate."""
        if self._own is not None:
            return self._own.cardinality()
        if self._size is None:
            return tf.constant(tf.data.UNKNOWN_CARDINALITY, tf.int64)
        return tf.constant(self._size, tf.int64)

    def __repr__(self) -> str:
        rate = "the model's rate"
        if self.sample_rate_hz is not None:
            rate = f"{self.sample_rate_hz} Hz"
        return f"<WaveformBatches of {len(self.labels)} labels at {rate}>"

    __str__ = __repr__


_NO_RATE = (
    "Batches without a sample rate take it from a model of cry-tf, in fit, evaluate "
    "and predict. Elsewhere name it: to_tf(sample_rate_hz=16000), or "
    "to_tf(sample_rate_hz=model.sample_rate_hz)."
)
