from __future__ import annotations

import importlib.util
import json
import os
import stat

import keras
import numpy as np
import pytest

import cry_export
import cry_export.checked_export
from cry_export.compress import process
from cry_export.compress.compressed import Compressed, recipe_of
from cry_export.compress.compression import Compression, FineTuning
from cry_export.compress.kernels import compressed_layers, kernel_facts
from cry_export.dynamic_range import quantize_weights
from cry_export.operators import read_graph
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import read_metadata

PRUNE = Compression("prune", sparsity=0.8)
CLUSTER = Compression("cluster", clusters=16)
QAT = Compression("qat")


@pytest.fixture(scope="module")
def pruned(build_model) -> Compressed:
    """The small model with the smallest weights set to zero by hand."""
    model = build_model()
    for layer in compressed_layers(model).values():
        kernel, *rest = (np.asarray(value) for value in layer.weights)
        limit = np.quantile(np.abs(kernel), 0.8)
        layer.set_weights([np.where(np.abs(kernel) < limit, 0, kernel), *rest])
    facts = {"compression": "prune=0.8", "epochs": 1, **kernel_facts(model, PRUNE)}
    return Compressed(PRUNE, model, {}, facts)


def kernels_of(tflite: bytes) -> dict[str, np.ndarray]:
    """Returns the kernels of a file, `(output channels, inputs)`, by their size."""
    graph = read_graph(tflite)
    (subgraph,) = graph.subgraphs
    types = {0: "<f4", 9: "i1"}
    found = {}
    for tensor in subgraph.tensors:
        data = graph.buffers[tensor.buffer].data
        size = 0 if tensor.shape is None else int(np.prod(tensor.shape))
        if data is None or size < 1024 or tensor.type not in types:
            continue
        values = np.frombuffer(bytes(data), types[tensor.type])
        found[size] = values.reshape(tensor.shape[0], -1)
    return found


def check_zeros(tflite: bytes, model: keras.Model) -> None:
    kernels = kernels_of(tflite)
    for layer in compressed_layers(model).values():
        size = int(np.prod(layer.kernel.shape))
        wanted = float((np.asarray(layer.kernel) == 0).mean())
        # Rounding to int8 adds zeros, and must take none away.
        assert (kernels[size] == 0).mean() >= wanted - 1e-6
        assert wanted > 0.75


def test_zeros_stay_zeros_in_every_file(pruned, convert_once):
    tflite = convert_once(pruned.model, cry_export.RECIPES["none"], None)
    check_zeros(tflite, pruned.model)
    check_zeros(quantize_weights(tflite), pruned.model)


def test_the_report_and_the_file_say_what_was_compressed(
    model, pruned, spec, clips, tmp_path, convert_once, monkeypatch
):
    monkeypatch.setattr(cry_export.checked_export, "to_tflite", convert_once)
    path = tmp_path / "small.tflite"
    made = cry_export.export(model, path, spec, "none", check=clips, compressed=pruned)
    said = json.loads(made.parity_path.read_text())["compression"]
    assert said["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert 0 < said["gzipped_bytes"] < 0.7 * made.file_bytes
    # The file is proven equal to the pruned model, and is another than before.
    before = said["against_the_model_before"]
    assert made.parity.max_score_difference < 1e-4 < before["max_score_difference"]
    assert before["clips"] == len(clips)
    assert read_metadata(path).provenance["compression"] == "prune=0.8"
    expected = np.asarray(pruned.model(clips[0][None]))[0]
    np.testing.assert_allclose(LiteRTModel(path)(clips[0]), expected, atol=1e-4)


@pytest.mark.parametrize("quantize", ["none", "float16"])
def test_qat_has_no_other_recipe(quantize):
    with pytest.raises(ValueError, match="qat trains for int8"):
        recipe_of(Compressed(QAT, None, {}, {}), quantize)


def test_a_length_that_was_not_asked_for_is_refused(model, spec, clips, tmp_path):
    made = Compressed(QAT, None, {16_000: b""}, {})
    path = tmp_path / "small.tflite"
    with pytest.raises(ValueError, match="None samples; made: \\[16000\\]"):
        cry_export.export(model, path, spec, check=clips, compressed=made)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_said_with_what_to_install(model, monkeypatch):
    def find_spec(name):
        return None if name.startswith("tensorflow_model") else object()

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ValueError, match="pip install .cry-tf.compress.") as error:
        process.compress(model, PRUNE, [np.ones(8, np.float32)])
    assert "Not installed: tensorflow_model_optimization." in str(error.value)


@pytest.fixture
def is_installed(monkeypatch):
    """Lets the first check pass, also where nothing is installed."""
    monkeypatch.setattr(process, "check_installed", lambda: None)


@pytest.mark.usefixtures("is_installed")
def test_silence_alone_is_refused(model):
    with pytest.raises(ValueError, match="not silent"):
        process.compress(model, PRUNE, [np.zeros(8, np.float32)])


@pytest.mark.usefixtures("is_installed")
def test_a_foreign_layer_is_refused_before_anything_runs(monkeypatch, clips):
    monkeypatch.setattr(process, "_run", lambda *_: pytest.fail("it ran"))
    inputs = keras.Input((40,))
    odd = keras.Model(inputs, keras.layers.LayerNormalization(name="odd")(inputs))
    for compression in (PRUNE, CLUSTER, QAT):
        with pytest.raises(ValueError, match="'odd'"):
            process.compress(odd, compression, clips)


def stand_in(folder, text: str) -> str:
    """Returns a program that takes the place of Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
@pytest.mark.usefixtures("is_installed")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kill -9 $$", "was ended by SIGKILL. Perhaps the memory was full"),
        ("echo Trace >&2; echo The loss was odd. >&2; exit 1", "failed: The loss was"),
    ],
)
def test_a_process_that_fails_is_told_of_and_loses_nothing(
    model, clips, tmp_path, monkeypatch, text, sentence
):
    monkeypatch.setattr(process.sys, "executable", stand_in(tmp_path, text))
    monkeypatch.setattr(process.tempfile, "tempdir", str(tmp_path))
    before = [np.asarray(value).copy() for value in model.weights]
    with pytest.raises(process.CompressionError, match=sentence) as error:
        process.compress(model, PRUNE, clips)
    assert "no file was written" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["python"]
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_an_interrupt_ends_the_other_process(tmp_path, monkeypatch):
    program = stand_in(
        tmp_path, f"echo $$ > {tmp_path}/id; echo '{{\"epoch\": 1}}'; exec sleep 60"
    )
    monkeypatch.setattr(process.sys, "executable", program)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process._run(tmp_path, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "id").read_text()), 0)


@pytest.fixture(scope="module")
def noises() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    time = np.arange(12_000) / 16_000
    tones = [np.sin(2 * np.pi * hz * time) for hz in np.geomspace(150, 4000, 12)]
    noise = 0.02 * rng.standard_normal((12, 12_000))
    return list((0.4 * np.stack(tones) + noise).astype(np.float32))


@pytest.mark.slow
def test_a_pruned_model_has_its_zeros_and_still_answers(model, noises, convert_once):
    pytest.importorskip("tensorflow_model_optimization")
    told = []
    tuning = FineTuning(epochs=3, batch_size=4)
    made = process.compress(
        model, PRUNE, noises, tuning, advance=lambda: told.append(1)
    )
    assert len(told) == 3
    assert made.facts["clips"] == 12
    assert made.facts["sparsity"] == pytest.approx(0.8, abs=0.01)
    for recipe in ("none", "dynamic"):
        tflite = convert_once(made.model, cry_export.RECIPES[recipe], None)
        check_zeros(tflite, made.model)
    assert made.facts["loss"][-1] < made.facts["loss"][0]
    again = process.compress(model, PRUNE, noises, tuning)
    for one, other in zip(made.model.weights, again.model.weights, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-5)


@pytest.mark.slow
def test_a_clustered_model_has_few_values_also_in_its_file(model, noises, convert_once):
    pytest.importorskip("tensorflow_model_optimization")
    tuning = FineTuning(epochs=2, batch_size=4, learning_rate=1e-4)
    made = process.compress(model, CLUSTER, noises, tuning)
    assert made.facts["largest_number_of_values_in_a_layer"] <= 16
    for recipe in ("none", "dynamic"):
        tflite = convert_once(made.model, cry_export.RECIPES[recipe], None)
        kernels = kernels_of(tflite)
        for layer in compressed_layers(made.model).values():
            # Folding batch norm and rounding to int8 scale each channel by itself.
            for channel in kernels[int(np.prod(layer.kernel.shape))]:
                assert len(np.unique(channel)) <= 16


@pytest.mark.slow
def test_what_was_trained_for_int8_answers_as_the_model_does(
    model, noises, spec, tmp_path
):
    pytest.importorskip("tensorflow_model_optimization")
    tuning = FineTuning(epochs=2, batch_size=4, learning_rate=1e-5)
    made = process.compress(model, QAT, noises, tuning, lengths=[None, 16_000])
    assert made.model is None
    for samples in (None, 16_000):
        kernels = kernels_of(made.tflite[samples])
        assert {kernel.dtype for kernel in kernels.values()} == {np.dtype(np.int8)}
    path = tmp_path / "small.tflite"
    written = cry_export.export(model, path, spec, check=noises, compressed=made)
    assert written.parity.recipe == "qat"
    assert read_metadata(path).provenance["compression"] == "qat"
