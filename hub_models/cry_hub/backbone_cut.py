"""A backbone in two: what stays as it is, and what is trained behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from cry_hub.backbone import Backbone
from cry_hub.fast_training.normalization import (
    FrozenBatchNormalization,
    MaskedBatchNormalization,
)
from cry_hub.patches import MergeMask, MergePatches, SplitPatches

ops: Any = keras.ops  # Keras types most results as perhaps None


@dataclass(frozen=True)
class BackboneCut:
    """The two parts of a backbone; its layers are theirs.

    A few tensors pass from one to the other, `(batch, steps, ...)` each; the number of
    steps may differ. A clip has the same values in them alone and
    in a batch, but for the steps behind its last: zeros (False) may stand there as
    well, up to the longest clip of the batch.

    Attributes:
        stem: A model from waveform `(batch, samples)` to a list: those tensors, then
            the time mask, bool `(batch, time)`.
        top: A model from a list of those tensors to the embeddings `(batch, time,
            features)`.
    """

    stem: keras.Model
    top: keras.Model


def cut(backbone: Backbone, trained: Iterable[keras.layers.Layer]) -> BackboneCut:
    """Cuts a backbone in front of the first layers that are trained.

    Args:
        backbone: A functional graph.
        trained: Layers of it, at least one. What depends on one of them is the top.

    Raises:
        ValueError: If the top needs the waveform itself, or statistics in it take
            padding in.
    """
    trained = list(trained)
    operations = list(backbone.operations)  # in the order in which they run
    maker = {id(tensor): op for op in operations for tensor in _flat(op.output)}
    behind: set[int] = set()
    merged: set[int] = set()  # what has the patches of all clips as rows
    for op in operations:
        before = {id(maker[id(tensor)]) for tensor in _inputs(op)}
        if any(op is layer for layer in trained) or before & behind:
            behind.add(id(op))
        if isinstance(op, MergePatches | MergeMask) or before & merged:
            merged.add(id(op))
    top = [op for op in operations if id(op) in behind]
    _check(backbone, top, trained)

    split = top[-1] if isinstance(top[-1], SplitPatches) else None
    inside = top[:-1] if split else top
    inner = [tensor for op in inside for tensor in _inputs(op)]
    tensors = list({id(t): t for t in inner if id(maker[id(t)]) not in behind}.values())
    in_rows = [id(maker[id(tensor)]) in merged for tensor in tensors]
    if any(tensor is backbone.input for tensor in tensors) or any(in_rows) != bool(
        split
    ):
        raise ValueError(
            f"{backbone.name} cannot be cut in two: its last layers need the waveform "
            "itself."
        )

    patches = _flat(split.input)[1] if split else None
    outputs = [
        SplitPatches(name=f"map{number}", dtype=tensor.dtype)(tensor, patches)
        if is_in_rows
        else tensor
        for number, (tensor, is_in_rows) in enumerate(
            zip(tensors, in_rows, strict=True)
        )
    ]
    mask = backbone.time_mask()(backbone.input)
    stem = keras.Model(backbone.input, [*outputs, mask], name=f"{backbone.name}_stem")

    inputs: list[Any] = [
        keras.Input(output.shape[1:], dtype=output.dtype, name=f"map{number}")
        for number, output in enumerate(outputs)
    ]
    laid_out = [
        ops.reshape(each, (-1, *each.shape[2:])) if is_in_rows else each
        for each, is_in_rows in zip(inputs, in_rows, strict=True)
    ]
    embeddings: Any = keras.Model(tensors, inside[-1].output)(laid_out)
    if split:
        embeddings = split(embeddings, inputs[in_rows.index(True)])
    return BackboneCut(
        stem, keras.Model(inputs, embeddings, name=f"{backbone.name}_top")
    )


def _check(backbone: Backbone, top: list[Any], trained: list[Any]) -> None:
    """Refuses layers that are not in the graph, and those that depend on padding."""
    safe = MaskedBatchNormalization | FrozenBatchNormalization
    if not trained or any(all(op is not layer for op in top) for layer in trained):
        raise ValueError(
            f"{backbone.name} cannot be cut in two: the layers to train are not in its "
            "graph."
        )
    for layer in trained:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        if is_norm and not isinstance(layer, safe):
            raise ValueError(
                f"{backbone.name} cannot be cut in two: the statistics of {layer.name} "
                "take padding in, which is not kept."
            )


def _flat(tensors: Any) -> list[Any]:
    return keras.tree.flatten(tensors)


def _inputs(op: Any) -> list[Any]:
    return [] if isinstance(op, keras.layers.InputLayer) else _flat(op.input)
