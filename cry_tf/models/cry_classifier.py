"""Classifies why a baby cries: one score per reason from a waveform."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import keras

from cry_tf.models.cry_model import CryModel
from cry_tf.models.preset_backbone import load_backbone, split_arguments


@keras.saving.register_keras_serializable(package="cry_tf")
class CryClassifier(CryModel):
    """Classifies why a baby cries, or any other labels: one score per label.

    A functional Keras model, see `CryModel` for its parts. Compile it with a
    string loss such as `sparse_categorical_crossentropy`: it returns scores, not
    logits.

    Args:
        backbone: A `cry_hub` backbone, waveform to embeddings.
        labels: At least two different names, in the order of the scores.
        pooling: `max`, `average`, `max_average`, `statistic` or `attention`, or a
            layer that takes embeddings `(batch, time, features)` and a `mask`
            `(batch, time)`.
        dropout: Dropout rate in [0, 1) before the last dense layer. Default: 0.
        decision: A `cry_lite.spec.DecisionSpec`: windows and thresholds that turn
            scores into events. None takes its defaults.
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
    model = cry_tf.CryClassifier.from_preset(
        "yamnet_audioset", labels=["hungry", "tired"], pooling="attention"
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train.to_tf(), validation_data=test.to_tf(), epochs=30)
    model.save("cry.keras")
    model = keras.saving.load_model("cry.keras")
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), section 3.3.
    """

    task = "reason"

    @classmethod
    def from_preset(
        cls,
        preset: str,
        labels: Sequence[str],
        pooling: str | keras.layers.Layer = "statistic",
        weights: str | os.PathLike[str] | None = "pretrained",
        cutoff_hz: float | None = None,
        trainable_backbone: bool = True,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> Self:
        """Builds a classifier on a backbone of `cry_hub`.

        Args:
            preset: One of `cry_hub.presets()`.
            labels: Names of the labels, in the order of the scores.
            pooling: Name or layer, see the class.
            weights: Weights of the backbone: `pretrained`, None for random ones, or the
                path of a weights file.
            cutoff_hz: Hz. Frequencies above it are removed; None keeps all.
                For recordings of different bandwidth.
            trainable_backbone: False freezes the backbone, batch norm included.
                Default: True.
            dropout: Dropout rate in [0, 1) before the last dense layer. Default: 0.
            **kwargs: More arguments of the constructor, and any others of the
                backbone's, as `pre_emphasis=0.97, z_score=True`.

        Raises:
            ValueError: If the preset is unknown or an argument breaks its rule.
            cry_hub.WeightsError: If the weights are missing or do not fit.

        Example:
        ```python
        model = cry_tf.CryClassifier.from_preset(
            "ds_cnn_s", labels=["hungry", "tired"], weights=None
        )
        ```
        """
        own, rest = split_arguments(cls, kwargs)
        backbone = load_backbone(preset, weights, cutoff_hz, trainable_backbone, **rest)
        return cls(backbone, labels, pooling=pooling, dropout=dropout, **own)
