"""A teacher as the embedding cache takes a backbone: one vector a clip."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from cry_hub.backbone import backbone_of
from cry_tf.distillation.resampling import Resampler
from cry_tf.distillation.tap import Tap

ops: Any = keras.ops  # typed, wrongly, as often None


class TeacherHearing:
    """Gives a teacher's logits, and its embedding after them, as one time step.

    Args:
        teacher: A classifier with a backbone.
        sample_rate_hz: Rate of the waveforms, Hz; None for the teacher's own.
        with_features: Whether the embedding is read too.
        layer: From which layer, None for the pooled one.

    Attributes:
        labels: How many logits come first.
        names: Their names, None where the teacher does not know them.
        front_end_spec: The teacher's, but for the rate of the waveforms.
        prefers_jit: As the teacher's backbone.

    Raises:
        ValueError: If the teacher has no backbone, or cannot be read.
    """

    def __init__(
        self,
        teacher: keras.Model,
        sample_rate_hz: int | None = None,
        with_features: bool = False,
        layer: str | None = None,
    ):
        self._tap = Tap(teacher, "teacher", with_features, layer)
        if self._tap.sample_rate_hz is None:
            raise ValueError(
                "A cached teacher must hold a cry_hub Backbone, which says at what "
                f"sample rate it hears. Received: {teacher.name!r}. Let the Distiller "
                "run it, or bring its logits as teacher_logits."
            )
        backbone = backbone_of(teacher)
        own_hz = self._tap.sample_rate_hz
        rate_hz = own_hz if sample_rate_hz is None else sample_rate_hz
        if rate_hz <= 0:
            raise ValueError(
                f"sample_rate_hz must be positive. Received: {sample_rate_hz=}."
            )
        self.labels, self.names = self._tap.labels, self._tap.names
        self.prefers_jit = backbone.prefers_jit
        self._teacher, self._layer = teacher, layer
        self._own_spec = backbone.front_end_spec
        self._rate_hz = rate_hz
        self._resample = Resampler(rate_hz, own_hz) if rate_hz != own_hz else None

    @property
    def front_end_spec(self) -> Any:
        """Where the cache looks for the sample rate of the waveforms."""
        return _Rate(self._rate_hz, self._own_spec)

    @property
    def weights(self) -> list[Any]:
        """The teacher's."""
        return self._teacher.weights

    def time_mask(self) -> Any:
        """Returns what says that the one step is real."""
        return lambda waveforms: ops.ones((ops.shape(waveforms)[0], 1), "bool")

    def __call__(self, waveforms: Any, training: bool = False) -> Any:
        """Returns float32 `(batch, 1, labels + features)`."""
        if self._resample is not None:
            waveforms = self._resample(waveforms)
        ends = self._tap(waveforms, training=training)
        read = [ends["logits"]]
        if "features" in ends:
            read.append(ends["features"])
        return ops.expand_dims(ops.concatenate(read, axis=-1), 1)

    def get_config(self) -> dict[str, Any]:
        """Returns what the values depend on besides weights and rate."""
        teacher = type(self._teacher)
        return {
            "teacher": f"{teacher.__module__}.{teacher.__name__}",
            "config": self._teacher.get_config(),
            "features": self._tap.features,
            "layer": self._layer,
        }


@dataclasses.dataclass(frozen=True)
class _Rate:
    """A front end behind a resampler."""

    sample_rate_hz: int
    behind: Any

    def to_dict(self) -> dict[str, Any]:
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "behind": self.behind.to_dict(),
        }
