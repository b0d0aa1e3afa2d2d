"""Backbones whose network sees one patch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from cry_hub.backbone import Backbone
from cry_hub.patches import MergeMask, MergePatches

ops: Any = keras.ops  # Keras types most results as perhaps None


class PatchBackbone(Backbone):
    """A backbone from a front end to a network over patches.

    A batch of clips of different lengths has patches of nothing but padding, which no
    mask lets count. Training steps leave them out once `prepare_training` said that
    XLA, which takes no number of patches that depends on the waveform, has no part in
    them: the real patches give what they gave, and those zeros. Inference never does.
    """

    _halves: _Halves | None = None

    def prepare_training(self, *, jit_compile: bool) -> None:
        if jit_compile:
            self._halves = None
        elif self._halves is None:
            self._halves = _Halves.of(self)

    def call(self, inputs, training=None, mask=None):
        if training and self._halves is not None:
            return self._halves(self.time_mask()(inputs), inputs)
        return super().call(inputs, training=training, mask=mask)


@dataclass(frozen=True)
class _Halves:
    """A backbone in front of its patches and behind; Keras does not track them here.

    Attributes:
        front: A model from the waveform to the patches `(batch, patches, ...)`.
        network: A model from the patches, and their mask where batch norm asks for
            it, to the embeddings `(batch, patches, features)`.
    """

    front: keras.Model
    network: keras.Model

    @classmethod
    def of(cls, backbone: Backbone) -> _Halves:
        merge = next(op for op in backbone.operations if isinstance(op, MergePatches))
        masks = [op.input for op in backbone.operations if isinstance(op, MergeMask)]
        return cls(
            keras.Model(backbone.input, merge.input),
            keras.Model([merge.input, *masks], backbone.output),
        )

    def __call__(self, is_real: Any, waveform: Any) -> Any:
        """Returns embeddings in training, computed for real patches alone."""
        patches = self.front(waveform, training=True)
        batch, steps = ops.shape(is_real)
        (rows,) = ops.nonzero(ops.reshape(is_real, (-1,)))
        # Each real patch is one clip.
        flat = ops.reshape(patches, (-1, 1, *patches.shape[2:]))
        inputs = [ops.take(flat, rows, axis=0)]
        if len(self.network.inputs) > 1:
            inputs.append(ops.ones((ops.shape(rows)[0], 1), dtype="bool"))
        found = self.network(inputs, training=True)
        features = found.shape[-1]
        every = ops.scatter(
            ops.expand_dims(rows, 1), found[:, 0], (batch * steps, features)
        )
        return ops.reshape(every, (batch, steps, features))
