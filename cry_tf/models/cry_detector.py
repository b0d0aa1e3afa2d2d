"""Detects crying: the score of a cry from a waveform."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import keras

from cry_hub.backbone import Backbone
from cry_lite.spec import DecisionSpec
from cry_tf.models import bundled_detector
from cry_tf.models.cry_model import CryModel
from cry_tf.models.preset_backbone import load_backbone, split_arguments


@keras.saving.register_keras_serializable(package="cry_tf")
class CryDetector(CryModel):
    """Detects whether a baby cries in a clip.

    A functional Keras model, see `CryModel` for its parts. Compile it with a
    string loss such as `sparse_categorical_crossentropy`: it returns scores, not
    logits. On a long recording it scores windows of `decision.window_s` (3 s)
    every `decision.hop_s` (1 s) by default.

    Args:
        backbone: A `cry_hub` backbone, waveform to embeddings.
        labels: At least two different names, in the order of the scores.
        pooling: `max`, `average`, `max_average`, `statistic` or `attention`, or a
            layer that takes embeddings `(batch, time, features)` and a `mask`
            `(batch, time)`.
        dropout: Dropout rate in [0, 1) before the last dense layer. Default: 0.
        decision: A `cry_lite.spec.DecisionSpec`: windows and thresholds that turn
            scores into events. None takes its defaults.
        positive_label: The one of `labels` that means a cry.
        positive_names: Labels of the data set that mean a cry, where they differ
            from `labels`; `cry-tf evaluate` reads them from the model.
        head: `softmax`, `mlp` or `prototype`, see `CryModel`.
        **kwargs: `name` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float32 tensor `(batch, samples)` in [-1, 1] at
            `spec.sample_rate_hz`. A faint tail counts as padding. A silent clip is
            scored by its first step.
    Output shape:
        `(batch, labels)` float32, each in [0, 1], a row sums to 1.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:
    ```python
    model = cry_tf.CryDetector.from_preset("yamnet_audioset")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train.to_tf(), epochs=10)
    model.decision = model.decision.replace(onset_threshold=0.8)
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), section 3.2.
    """

    task = "detect"

    def __init__(
        self,
        backbone: Backbone,
        labels: Sequence[str] = ("no_cry", "cry"),
        pooling: str | keras.layers.Layer = "statistic",
        dropout: float = 0.0,
        decision: DecisionSpec | None = None,
        positive_label: str = "cry",
        positive_names: Sequence[str] = (),
        head: str = "softmax",
        **kwargs: Any,
    ):
        super().__init__(backbone, labels, pooling, dropout, decision, head, **kwargs)
        if positive_label not in self.labels:
            raise ValueError(
                "positive_label must be the one of labels that means a cry. "
                f"Received: positive_label={positive_label!r}, labels={self.labels}."
            )
        self._positive_label = positive_label
        self._positive_names = tuple(positive_names)

    @property
    def positive_label(self) -> str:
        """The label that means a cry."""
        return self._positive_label

    @property
    def positive_names(self) -> tuple[str, ...]:
        """Labels of the recordings that mean a cry."""
        return self._positive_names

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "positive_label": self.positive_label,
            "positive_names": list(self.positive_names),
        }

    @classmethod
    def from_preset(
        cls,
        preset: str,
        labels: Sequence[str] = ("no_cry", "cry"),
        pooling: str | keras.layers.Layer = "statistic",
        weights: str | os.PathLike[str] | None = "pretrained",
        cutoff_hz: float | None = None,
        trainable_backbone: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> Self:
        """Builds a detector on a backbone of `cry_hub`.

        Args:
            preset: One of `cry_hub.presets()`, or an included detector,
                `cry_detector` or `cry_detector_tiny`: trained, with labels, pooling
                and decision of its own, to use or to fine-tune.
            labels: Names of the labels, in the order of the scores.
            pooling: Name or layer, see the class.
            weights: Weights of the backbone: `pretrained`, None for random ones, or the
                path of a weights file.
            cutoff_hz: Hz. Frequencies above it are removed; None keeps all.
                For cries and other sounds that were recorded with different
                bandwidth, which a detector would otherwise learn.
            trainable_backbone: False freezes the backbone, batch norm included.
                Default: True.
            dropout: Dropout rate in [0, 1) before the last dense layer. Default: 0.
            **kwargs: More arguments of the constructor, as `positive_label`, and
                any others of the backbone's, as `z_score=True`.

        Raises:
            ValueError: If the preset is unknown or an argument breaks its rule.
            cry_hub.WeightsError: If the weights are missing or do not fit.

        Example:
        ```python
        model = cry_tf.CryDetector.from_preset("ds_cnn_s", weights=None)
        ```
        """
        if preset in bundled_detector.NAMES:
            given = {
                "labels": (tuple(labels), ("no_cry", "cry")),
                "pooling": (pooling, "statistic"),
                "cutoff_hz": (cutoff_hz, None),
                "dropout": (dropout, 0.0),
            }
            # What was left at its default follows the detector.
            kwargs |= {name: v for name, (v, default) in given.items() if v != default}
            return bundled_detector.build(
                cls, preset, weights, trainable_backbone, **kwargs
            )
        own, rest = split_arguments(cls, kwargs)
        backbone = load_backbone(preset, weights, cutoff_hz, trainable_backbone, **rest)
        return cls(backbone, labels, pooling=pooling, dropout=dropout, **own)
