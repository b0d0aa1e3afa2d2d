"""What a small file can do without: long names, empty tables, unused buffers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from cry_export.layer_noise import layer_of
from cry_export.operators import is_front_end, read_graph, write_graph

# The converter's account of itself, which no runtime reads.
_DROPPED = b"CONVERSION_METADATA"


def slim(tflite: bytes, layers: Collection[str] = ()) -> bytes:
    """Shortens each tensor's name to its layer's, and drops the conversion metadata.

    In a file of 160 kB both take a tenth. The runtime reads no names. Inputs, outputs
    and the front end stay recognisable.

    Args:
        tflite: A flatbuffer with nothing appended yet.
        layers: Names of the Keras layers.
    """
    graph = read_graph(tflite)
    for subgraph in graph.subgraphs:
        ends = {*subgraph.inputs, *subgraph.outputs}
        for index, tensor in enumerate(subgraph.tensors):
            _drop_empty(tensor)
            if index not in ends:
                tensor.name = _short(tensor.name.decode(), layers)
    graph.metadata = [each for each in graph.metadata or () if each.name != _DROPPED]
    _drop_buffers(graph)
    return write_graph(graph)


def _short(path: str, layers: Collection[str]) -> bytes:
    if is_front_end(path):
        return b"frontend"
    name = layer_of(path, layers)
    return b"" if name == path else name.encode()


def _drop_empty(tensor: Any) -> None:
    """Drops a table of quantisation without a scale, and a signature like the shape."""
    scale = None if tensor.quantization is None else tensor.quantization.scale
    if scale is None or not len(scale):
        tensor.quantization = None
    if np.array_equal(tensor.shapeSignature, tensor.shape):
        tensor.shapeSignature = None


def _drop_buffers(graph: Any) -> None:
    """Keeps the first buffer, empty as the schema asks, and those that hold values."""
    kept = [graph.buffers[0]]
    places: dict[int, int] = {0: 0}
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    for user in (*tensors, *graph.metadata):
        buffer = graph.buffers[user.buffer]
        if buffer.data is None and not buffer.size:  # a size: values lie behind
            user.buffer = 0
        elif user.buffer in places:
            user.buffer = places[user.buffer]
        else:
            user.buffer = places.setdefault(user.buffer, len(kept))
            kept.append(buffer)
    graph.buffers = kept
