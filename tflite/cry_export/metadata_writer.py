"""The metadata that MediaPipe's AudioClassifier reads: sample rate and label file.

A `ModelMetadata` flatbuffer inside the TFLite flatbuffer names a file of labels in
the zip behind it. The classes that read and write it are in no package that can be
installed beside TensorFlow today, so its few tables are built by their slots, the
numbers of metadata_schema.fbs (tensorflow/tflite-support).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flatbuffers
import numpy as np

from cry_export.operators import read_graph, schema, write_graph
from cry_lite.spec import ModelSpec

ENTRY = "TFLITE_METADATA"
LABEL_FILE = "labels.txt"
"""The name under which `cry_lite.metadata.pack` puts the labels into the file."""

_IDENTIFIER = b"M001"
# The first parser that knows AudioProperties.
_MIN_PARSER = "1.3.0"
_AUDIO_PROPERTIES = 4  # in the union ContentProperties
_TENSOR_AXIS_LABELS = 2  # in the enum AssociatedFileType


def add_audio_metadata(
    tflite: bytes, spec: ModelSpec, card: Mapping[str, str] | None = None
) -> bytes:
    """Adds the metadata that MediaPipe reads: sample rate, labels, description.

    MediaPipe needs a fixed input length; with a dynamic one it loads a file and then
    fails.

    Args:
        tflite: A TFLite flatbuffer with nothing appended yet.
        spec: Its sample rate is written; its labels are those of the appended file.
        card: A short model card, names to text; it becomes the description.

    Returns:
        The flatbuffer with the metadata inside.
    """
    graph = read_graph(tflite)
    content = schema.BufferT()
    content.data = np.frombuffer(_model_metadata(spec, card or {}), np.uint8)  # type: ignore[assignment]
    entry = schema.MetadataT()
    entry.name = ENTRY  # type: ignore[assignment]
    entry.buffer = len(graph.buffers)
    graph.buffers.append(content)
    graph.metadata = [*(graph.metadata or ()), entry]
    return write_graph(graph)


def _model_metadata(spec: ModelSpec, card: Mapping[str, str]) -> bytes:
    builder = flatbuffers.Builder(1024)
    text = builder.CreateString
    audio = _table(builder, uint32={0: spec.sample_rate_hz, 1: 1})  # rate, channels
    properties = _table(builder, offsets={1: audio}, uint8={0: _AUDIO_PROPERTIES})
    waveform = _table(
        builder,
        offsets={
            0: text("waveform"),
            1: text("Mono waveform in [-1, 1]; a tail below -66 dBFS is padding."),
            3: properties,
        },
    )
    labels = _table(
        builder,
        offsets={0: text(LABEL_FILE), 1: text("One label a line.")},
        uint8={2: _TENSOR_AXIS_LABELS},
    )
    scores = _table(
        builder,
        offsets={
            0: text("scores"),
            1: text("One score in [0, 1] a label."),
            6: _vector(builder, [labels]),
        },
    )
    subgraph = _table(
        builder,
        offsets={2: _vector(builder, [waveform]), 3: _vector(builder, [scores])},
    )
    task = "Is a baby crying" if spec.task == "detect" else "Why a baby cries"
    lines = [f"{task}: {', '.join(spec.labels)}."]
    lines += [
        f"{name.replace('_', ' ').capitalize()}: {text}" for name, text in card.items()
    ]
    description = "\n".join(lines)
    model = _table(
        builder,
        offsets={
            0: text("cry-tf"),
            1: text(description),
            3: _vector(builder, [subgraph]),
            7: text(_MIN_PARSER),
        },
    )
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _table(
    builder: flatbuffers.Builder,
    offsets: Mapping[int, int] | None = None,
    uint32: Mapping[int, int] | None = None,
    uint8: Mapping[int, int] | None = None,
) -> int:
    """Writes a table from slot -> value and returns its offset."""
    offsets, uint32, uint8 = offsets or {}, uint32 or {}, uint8 or {}
    builder.StartObject(1 + max([*offsets, *uint32, *uint8]))
    for slot, value in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    for slot, value in uint32.items():
        builder.PrependUint32Slot(slot, value, 0)
    for slot, value in uint8.items():
        builder.PrependUint8Slot(slot, value, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, tables: Sequence[int]) -> int:
    """Writes a vector of tables and returns its offset."""
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()
