"""A slim file is the same network in fewer bytes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from cry_export.operators import list_operators, read_graph, schema, write_graph
from cry_export.slimming import slim
from cry_lite.interpreter import LiteRTModel


@pytest.mark.parametrize("recipe", ["none", "dynamic", "int8"])
def test_a_slim_file_answers_bit_by_bit_as_before(tflite, clips, recipe):
    before, after = LiteRTModel(tflite[recipe]), LiteRTModel(slim(tflite[recipe]))
    for clip in clips:
        np.testing.assert_array_equal(after(clip), before(clip))


def test_the_front_end_can_still_be_told(tflite):
    def front_end(content):
        return [each.is_front_end for each in list_operators(content)]

    assert front_end(slim(tflite["dynamic"])) == front_end(tflite["dynamic"])


def test_no_buffer_is_left_that_nothing_reads(tflite):
    graph = read_graph(slim(tflite["none"]))
    assert graph.buffers[0].data is None
    assert all(buffer.data is not None for buffer in graph.buffers[1:])
    users = [tensor.buffer for tensor in graph.subgraphs[0].tensors]
    users += [entry.buffer for entry in graph.metadata]
    assert set(users) == set(range(len(graph.buffers)))


def test_equal_constants_lie_in_one_place(tflite):
    graph = read_graph(tflite["none"])
    small = next(i for i, each in enumerate(graph.buffers) if each.data is not None)
    graph.buffers.append(copy.copy(graph.buffers[small]))
    model: Any = schema.Model.GetRootAsModel(write_graph(graph), 0)

    def place(index):
        values = model.Buffers(index).DataAsNumpy()
        return values.__array_interface__["data"][0]

    assert place(len(graph.buffers) - 1) == place(small)
