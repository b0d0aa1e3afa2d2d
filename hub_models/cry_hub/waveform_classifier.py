"""A functional model from waveforms to classes that have names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras

from cry_hub.backbone import Backbone
from cry_hub.waveform_model import HOW_TO_LOAD, WaveformModel


@keras.saving.register_keras_serializable(package="cry_tf")
class WaveformClassifier(WaveformModel, keras.Model):
    """A backbone with a head on it, as `cry_hub.load(preset, head=...)` gives it.

    Args:
        inputs: The waveform, float32 `(batch, samples)`.
        outputs: One number for each label, in the last axis.
        name: Name of the model.
        labels: Names of the outputs, in their order; they are saved with the model.
        **kwargs: `trainable` of a `keras.Model`.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        *,
        labels: Sequence[str] = (),
        **kwargs: Any,
    ):
        super().__init__(inputs, outputs, name=name, **kwargs)
        self._labels = tuple(labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return self._labels

    @property
    def sample_rate_hz(self) -> int | None:
        """Rate of the waveforms, Hz; None without a backbone."""
        inside = [each for each in self.layers if isinstance(each, Backbone)]
        return inside[0].sample_rate_hz if inside else None

    def get_config(self) -> dict[str, Any]:
        return {**HOW_TO_LOAD, **super().get_config(), "labels": list(self.labels)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = {name: config[name] for name in config.keys() - HOW_TO_LOAD.keys()}
        labels = config.pop("labels", ())
        model: Any = super().from_config(config, custom_objects=custom_objects)
        model._labels = tuple(labels)
        return model
