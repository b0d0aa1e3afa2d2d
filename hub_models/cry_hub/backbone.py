"""The interface every backbone keeps: waveform in, frame embeddings out."""

from __future__ import annotations

import keras

from cry_hub.time_mask import TimeMask
from cry_lite.spec import FrontEndSpec


class Backbone(keras.Model):
    """A network from waveform to a sequence of embeddings.

    A subclass builds a functional graph in its constructor and hands the two
    ends to this one. Its first layer is a `FrontEnd` named `frontend`.

    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at
            `front_end_spec.sample_rate_hz`. Trailing zeros are padding.
    Output shape:
        `(batch, time, embedding_features)`. Steps made of padding hold
        whatever the network makes of silence: leave them out with the mask
        of `time_mask`.
    """

    def __init__(self, inputs, outputs, *, front_end_spec: FrontEndSpec, **kwargs):
        """Builds the model from the two ends of its graph."""
        super().__init__(inputs, outputs, **kwargs)
        self.front_end_spec = front_end_spec

    @property
    def embedding_features(self) -> int:
        """Length of one embedding."""
        return self.output.shape[-1]

    def time_mask(self) -> TimeMask:
        """Returns a new layer, waveform -> bool `(batch, time)`, True where real."""
        return TimeMask(self.front_end_spec, name="time_mask")
