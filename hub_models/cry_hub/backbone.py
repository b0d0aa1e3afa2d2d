"""The interface every backbone keeps: waveform in, frame embeddings out."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from cry_hub.time_mask import TimeMask
from cry_hub.waveform_model import WaveformModel
from cry_lite.spec import FrontEndSpec


class Backbone(WaveformModel, keras.Model):
    """A network from waveform to a sequence of embeddings.

    A subclass builds a functional graph in its constructor and hands the two
    ends to this one. Its first layer is a `FrontEnd` named `frontend` (except for
    `HubBackbone`, whose program contains it). A subclass adds its arguments to the
    config of this class.

    Attributes:
        front_end_spec: Sample rate and settings of the front end.
        prefers_jit: Whether XLA (`jit_compile`) makes inference faster on a CPU, where
            there is much of one length; a measured figure per architecture in
            float32. In bfloat16 it slowed CNN10 and CNN14 down, so that no backbone
            of that dtype prefers it. A training step is faster without it.
        patches_per_batch: Steps of the time axis to run at once for the best
            speed on a CPU without gradients.
        head_layers: Names of the layers of a preset's own head.
        no_tflite_because: Why no `.tflite` can be made of it and what to do
            instead; None where one can.
        weights_source: A sentence: where the weights come from. `cry_hub.load`
            sets it; a saved model does not carry it.
        weights_sha256: Digest of the weights file, or None.

    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at
            `front_end_spec.sample_rate_hz`. A faint tail is padding
            (see `cry_lite.padding`).
    Output shape:
        Float tensor `(batch, time, embedding_features)`. Steps made of padding
        are not meaningful: exclude them with the mask of `time_mask`.
    """

    prefers_jit: bool = False
    patches_per_batch: ClassVar[int] = 64
    head_layers: ClassVar[tuple[str, ...]] = ("logits",)
    no_tflite_because: ClassVar[str | None] = None

    def __init__(
        self, inputs: Any, outputs: Any, *, front_end_spec: FrontEndSpec, **kwargs: Any
    ):
        """Builds the model from the two ends of its graph."""
        dtype = kwargs.pop("dtype", None)
        super().__init__(inputs, outputs, **kwargs)
        if dtype is not None:
            self.dtype_policy = keras.dtype_policies.get(dtype)
        if self.compute_dtype != "float32":
            self.prefers_jit = False
        self.front_end_spec = front_end_spec
        self.weights_source = "random initialisation"
        self.weights_sha256: str | None = None

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the waveforms, Hz."""
        return self.front_end_spec.sample_rate_hz

    @property
    def embedding_features(self) -> int:
        """Length of one embedding."""
        embeddings: Any = self.output
        return embeddings.shape[-1]

    def time_mask(self) -> TimeMask:
        """Returns a new layer, waveform -> bool `(batch, time)`, True where real."""
        return TimeMask(self.front_end_spec, name="time_mask")

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "cutoff_hz": self.front_end_spec.cutoff_hz,
        }


def backbone_of(model: keras.Model) -> Any:
    """Returns the backbone in a model, or the model itself if it is one.

    Raises:
        ValueError: If there is none.
    """
    for each in (model, *model.layers):
        if isinstance(each, Backbone):
            return each
    raise ValueError(f"model must hold a Backbone. Received: {model.name!r}.")
