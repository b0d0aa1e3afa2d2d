from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from cry_lite.errors import ModelFileError
from cry_lite.metadata import pack, read_metadata, with_decision

# Nothing here runs a network: only the identifier is looked at.
NETWORK = b"\x1c\x00\x00\x00TFL3" + bytes(range(256)) * 4
PROVENANCE = {"backbone": "yamnet_audioset", "seed": 3, "accuracy": 0.5}


@pytest.fixture
def packed(spec) -> bytes:
    return pack(NETWORK, spec, PROVENANCE)


def repacked(packed: bytes, **entries: str) -> bytes:
    """Returns the file with other contents in its zip."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    file = io.BytesIO()
    file.write(NETWORK)
    with zipfile.ZipFile(file, "a") as archive:
        for name, text in (texts | entries).items():
            archive.writestr(name, text)
    return file.getvalue()


def settings(packed: bytes) -> dict:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return json.loads(archive.read("cry_tf.json"))


def test_what_was_packed_is_read_back(packed, spec):
    metadata = read_metadata(packed)
    assert metadata.spec == spec
    assert metadata.provenance == PROVENANCE
    assert metadata.flatbuffer_bytes == len(NETWORK)
    assert metadata.flatbuffer_sha256 == hashlib.sha256(NETWORK).hexdigest()


def test_a_file_is_read_as_its_bytes_are(packed, tmp_path):
    path = tmp_path / "schläft nicht.tflite"
    path.write_bytes(packed)
    assert read_metadata(path) == read_metadata(str(path)) == read_metadata(packed)


def test_the_network_stays_in_front_and_any_zip_program_reads_the_rest(packed):
    assert packed.startswith(NETWORK)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["labels.txt", "cry_tf.json"]
        assert archive.read("labels.txt") == b"no_cry\ncry\n"
        assert archive.testzip() is None


def test_the_same_input_gives_the_same_bytes(packed, spec):
    assert pack(NETWORK, spec, PROVENANCE) == packed


def test_labels_may_be_in_any_language(spec):
    other = spec.replace(labels=("no_cry", "cry", "Hunger", "眠い", "a, b"))
    assert read_metadata(pack(NETWORK, other, {})).spec == other


def test_another_decision_leaves_the_network_and_all_else_as_it_was(packed, spec):
    decision = spec.decision.replace(onset_threshold=0.7, confirmation_s=2.0)
    changed = with_decision(packed, decision, {"seed": 4, "hours": 2.0}, {"a": "b"})
    assert changed[: len(NETWORK)] == NETWORK
    found = read_metadata(changed)
    assert found.spec == spec.replace(decision=decision)
    assert found.provenance == {**PROVENANCE, "seed": 4, "hours": 2.0}
    assert found.card == {"a": "b"}
    assert with_decision(changed, spec.decision, PROVENANCE) != packed  # the hours
    assert with_decision(packed, spec.decision) == packed


def test_another_decision_cannot_have_other_windows(packed, spec):
    with pytest.raises(ValueError, match="windows must stay 1 s every 0.5 s"):
        with_decision(packed, spec.decision.replace(hop_s=1.0))


def test_a_file_without_our_settings_takes_no_decision(spec):
    with pytest.raises(ModelFileError, match="no cry-tf settings inside"):
        with_decision(NETWORK, spec.decision)


def test_what_is_no_network_is_not_packed(spec):
    with pytest.raises(ValueError, match="must be a TFLite flatbuffer"):
        pack(b"RIFF" * 100, spec, {})


def test_a_packed_file_is_not_packed_again(packed, spec):
    with pytest.raises(ValueError, match="no files inside yet"):
        pack(packed, spec, {})


@pytest.mark.parametrize("label", ["a\nb", "a\r", "", "\u2028"])
def test_a_label_is_one_line(spec, label):
    with pytest.raises(ValueError, match="one line"):
        pack(NETWORK, spec.replace(labels=("no_cry", "cry", label)), {})


@pytest.mark.parametrize(
    "provenance", [{"a": None}, {"a": [1]}, {1: "a"}, {"a": float("nan")}]
)
def test_provenance_is_text_and_finite_numbers(spec, provenance):
    with pytest.raises(ValueError, match="provenance must map"):
        pack(NETWORK, spec, provenance)


def test_every_damaged_byte_of_the_network_is_noticed(packed):
    for index in range(0, len(NETWORK), 13):
        damaged = bytearray(packed)
        damaged[index] ^= 0x10
        if 4 <= index < 8:
            continue
        with pytest.raises(ModelFileError, match="is damaged: its sha256"):
            read_metadata(bytes(damaged))


def test_no_damage_to_the_zip_gives_other_settings_or_another_error(packed):
    expected = read_metadata(packed)
    refused = []
    for index in range(len(NETWORK), len(packed)):
        for flip in (0x01, 0x08, 0xFF):
            damaged = bytearray(packed)
            damaged[index] ^= flip
            try:
                assert read_metadata(bytes(damaged)) == expected
            except ModelFileError as error:
                refused.append(str(error))
    assert len(refused) > len(packed) - len(NETWORK)
    assert not any("\n" in sentence for sentence in refused)


def test_a_file_that_was_cut_short_is_refused_wherever_the_cut(packed):
    for size in range(len(packed)):
        with pytest.raises(ModelFileError):
            read_metadata(packed[:size])


def test_a_network_without_settings_is_refused():
    with pytest.raises(ModelFileError, match="has no cry-tf settings inside"):
        read_metadata(NETWORK)


def test_a_zip_of_somebody_else_is_refused():
    file = io.BytesIO()
    file.write(NETWORK)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("yamnet_label_list.txt", "Speech\n")
    with pytest.raises(ModelFileError, match="has no cry-tf settings inside"):
        read_metadata(file.getvalue())


def test_a_foreign_file_is_named_and_refused(tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(b"<html>404 Not Found</html>")
    with pytest.raises(ModelFileError, match=r"cry\.tflite is not a TFLite model"):
        read_metadata(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"File not found: .*none\.tflite"):
        read_metadata(tmp_path / "none.tflite")


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(ModelFileError, match="cannot be opened"):
        read_metadata(tmp_path)


def test_a_newer_format_says_to_upgrade(packed):
    newer = settings(packed) | {"format_version": 2}
    with pytest.raises(ModelFileError, match="format 2.*pip install --upgrade"):
        read_metadata(repacked(packed, **{"cry_tf.json": json.dumps(newer)}))


def test_labels_that_disagree_are_refused(packed):
    with pytest.raises(ModelFileError, match="other labels"):
        read_metadata(repacked(packed, **{"labels.txt": "cry\nno_cry\n"}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format_version": 1}', '"x"', "1"]
)
def test_settings_that_are_not_settings_are_refused(packed, text):
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_metadata(repacked(packed, **{"cry_tf.json": text}))


def test_settings_that_break_a_rule_are_refused_with_the_rule(packed):
    broken = settings(packed)
    broken["model"]["decision"]["hop_s"] = 0
    with pytest.raises(ModelFileError, match="hop_s <= window_s"):
        read_metadata(repacked(packed, **{"cry_tf.json": json.dumps(broken)}))


def test_a_network_longer_than_its_digest_is_refused(dynamic_network, spec):
    content = pack(dynamic_network + bytes(64), spec, {})
    # The settings speak of fewer bytes, with the right digest of those.
    shorter = pack(dynamic_network, spec, {})[len(dynamic_network) :]
    with pytest.raises(ModelFileError, match="its network takes"):
        read_metadata(dynamic_network + bytes(64) + shorter)
    assert read_metadata(content).flatbuffer_bytes == len(dynamic_network) + 64


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model", "decision"), "no"),
        (("model", "decision", "hop_s"), 1e-12),
        (("model", "decision", "window_s"), 1e12),
        (("model", "decision", "window_s"), float("nan")),
        (("model", "front_end"), []),
        (("model", "front_end", "sample_rate_hz"), 2**70),
        (("model", "front_end", "sample_rate_hz"), True),
        (("model", "labels"), "cry"),
        (("model", "labels"), [1, 2]),
        (("card",), True),
        (("provenance",), 3),
        (("flatbuffer",), []),
        (("flatbuffer", "bytes"), float("inf")),
        (("format_version",), "a\nb"),
    ],
)
def test_settings_of_another_kind_are_refused_in_one_line(
    dynamic_network, spec, path, value
):
    file = io.BytesIO()
    file.write(dynamic_network)
    with zipfile.ZipFile(io.BytesIO(pack(dynamic_network, spec, {}))) as archive:
        labels, text = (archive.read(name) for name in archive.namelist())
    settings = json.loads(text)
    holder = settings
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", labels)
        archive.writestr("cry_tf.json", json.dumps(settings))
    with pytest.raises(ModelFileError) as caught:
        read_metadata(file.getvalue())
    assert len(str(caught.value).splitlines()) == 1
