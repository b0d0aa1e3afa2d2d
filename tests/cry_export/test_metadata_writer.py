from __future__ import annotations

import zipfile

import flatbuffers
import numpy as np
import pytest
from flatbuffers import number_types
from flatbuffers.table import Table

import cry_export
from cry_export.metadata_writer import ENTRY, add_audio_metadata
from cry_export.operators import list_operators, read_graph
from cry_lite.interpreter import LiteRTModel


class Reader:
    """Reads a flatbuffer table by slot, knowing nothing of the writer."""

    def __init__(self, content: bytearray, place: int):
        self.content, self.table = content, Table(content, place)

    @classmethod
    def root(cls, content: bytes) -> Reader:
        content = bytearray(content)
        kind = number_types.UOffsetTFlags.packer_type
        return cls(content, flatbuffers.encode.Get(kind, content, 0))

    def _place(self, slot: int) -> int:
        offset = self.table.Offset(4 + 2 * slot)
        assert offset, f"slot {slot} is empty"
        return offset + self.table.Pos

    def text(self, slot: int) -> str:
        return self.table.String(self._place(slot)).decode()

    def uint32(self, slot: int) -> int:
        return self.table.Get(number_types.Uint32Flags, self._place(slot))

    def uint8(self, slot: int) -> int:
        return self.table.Get(number_types.Uint8Flags, self._place(slot))

    def child(self, slot: int) -> Reader:
        return Reader(self.content, self.table.Indirect(self._place(slot)))

    def children(self, slot: int) -> list[Reader]:
        start = self.table.Vector(self._place(slot) - self.table.Pos)
        count = self.table.VectorLen(self._place(slot) - self.table.Pos)
        places = [self.table.Indirect(start + 4 * i) for i in range(count)]
        return [Reader(self.content, place) for place in places]


def read(tflite: bytes) -> bytes:
    graph = read_graph(tflite)
    (entry,) = [e for e in graph.metadata if e.name == ENTRY.encode()]
    return bytes(graph.buffers[entry.buffer].data)


def check(content: bytes, sample_rate_hz: int, label_file: str) -> None:
    """What MediaPipe needs to find; the same for our files and Google's."""
    assert content[4:8] == b"M001"
    (subgraph,) = Reader.root(content).children(3)
    (waveform,), (scores,) = subgraph.children(2), subgraph.children(3)
    heard = waveform.child(3)
    assert heard.uint8(0) == 4  # AudioProperties
    assert heard.child(1).uint32(0) == sample_rate_hz
    assert heard.child(1).uint32(1) == 1  # channel
    (labels,) = scores.children(6)
    assert labels.text(0) == label_file
    assert labels.uint8(2) == 2  # TENSOR_AXIS_LABELS


def test_sample_rate_and_label_file_are_where_mediapipe_looks(tflite, spec):
    content = read(add_audio_metadata(tflite["dynamic"], spec))
    check(content, 16_000, "labels.txt")
    assert Reader.root(content).text(7) == "1.3.0"
    assert "hungry, tired, belly_pain" in Reader.root(content).text(1)


@pytest.mark.assets
def test_googles_own_file_reads_the_same_way(assets):
    name = "yamnet_audio_classifier_with_metadata.tflite"
    content = read((assets / "weights" / "yamnet" / name).read_bytes())
    check(content, 16_000, "yamnet_label_list.txt")


def test_nothing_else_in_the_file_changes(tflite, spec, clips):
    before, after = tflite["dynamic"], add_audio_metadata(tflite["dynamic"], spec)
    assert list_operators(after) == list_operators(before)
    for clip in clips:
        np.testing.assert_array_equal(
            LiteRTModel(after)(clip), LiteRTModel(before)(clip)
        )


@pytest.mark.filterwarnings("ignore:The input takes:cry_export.errors.FallbackWarning")
@pytest.mark.parametrize(("length_s", "expected"), [(None, False), (1.5, True)])
def test_a_file_of_fixed_length_names_the_labels_it_carries(
    model, spec, clips, tmp_path, convert_once, monkeypatch, length_s, expected
):
    from cry_export import checked_export

    monkeypatch.setattr(checked_export, "to_tflite", convert_once)
    path = tmp_path / "cry.tflite"
    cry_export.export(model, path, spec, check=clips, length_s=length_s)
    entries = [e.name.decode() for e in read_graph(path.read_bytes()).metadata]
    assert (ENTRY in entries) is expected
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().split() == list(spec.labels)
        (info,) = [i for i in archive.infolist() if i.filename == "labels.txt"]
    assert info.compress_type == zipfile.ZIP_STORED
