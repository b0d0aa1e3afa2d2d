from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import cry_export
from cry_export import ConversionError, FallbackWarning, ParityError
from cry_export.operators import list_operators
from cry_export.quantization_recipe import get
from cry_lite import Analyzer
from cry_lite.errors import ModelFileError
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import read_metadata


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


@pytest.fixture(autouse=True)
def _make(folder):
    folder.mkdir()


# Windows of the spec are 3 s; what export says of it is in a test of its own.
shorter_windows = pytest.mark.filterwarnings(
    "ignore:The input takes:cry_export.errors.FallbackWarning"
)


@pytest.fixture(autouse=True)
def _convert_once(convert_once, monkeypatch):
    from cry_export import checked_export

    monkeypatch.setattr(checked_export, "to_tflite", convert_once)


@shorter_windows
@pytest.mark.parametrize(
    ("quantize", "length_s"), [("none", None), ("dynamic", 1.5), ("int8", 1.5)]
)
def test_the_file_answers_as_the_model(model, spec, clips, folder, quantize, length_s):
    path = folder / "cry.tflite"
    made = cry_export.export(
        model,
        path,
        spec,
        quantize,
        check=clips,
        length_s=length_s,
        representative=clips,
    )
    runtime = LiteRTModel(path)
    assert runtime.input_samples == (None if length_s is None else 24_000)
    tolerance = made.parity.max_score_difference + 1e-5
    for clip in clips:
        clip = clip[: runtime.input_samples]
        expected = model.predict(clip[None], verbose=0)[0]
        np.testing.assert_allclose(runtime(clip), expected, atol=tolerance)


@shorter_windows
def test_dynamic_and_fixed_lengths_agree(model, spec, clips, folder):
    scores = []
    for length_s in (None, 1.5):
        path = folder / f"{length_s}.tflite"
        cry_export.export(model, path, spec, "none", check=clips, length_s=length_s)
        runtime = LiteRTModel(path)
        scores.append([runtime(clip[:24_000]) for clip in clips])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_labels_spec_and_origin_are_inside(model, spec, clips, folder):
    path = folder / "cry.tflite"
    cry_export.export(
        model, path, spec, check=clips, provenance={"seed": 7, "data_sha256": "ab"}
    )
    metadata = read_metadata(path)
    assert metadata.spec == spec
    assert metadata.spec.labels == ("hungry", "tired", "belly_pain")
    assert metadata.provenance["seed"] == 7
    assert metadata.provenance["recipe"] == "dynamic"
    assert {"cry_tf_version", "tensorflow_version", "keras_version"} <= set(
        metadata.provenance
    )


def test_the_report_beside_it_has_digest_figures_and_clips(model, spec, clips, folder):
    path = folder / "cry.tflite"
    made = cry_export.export(
        model, path, spec, check=clips, check_names=["a", "b", "c", "d"]
    )
    report = json.loads((folder / "cry.parity.json").read_text())
    assert made.parity_path == folder / "cry.parity.json"
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert report["bytes"] == path.stat().st_size == made.file_bytes
    assert report["refused"] is False
    assert report["check_clips"] == ["a", "b", "c", "d"]
    assert report["parity"]["max_score_difference"] <= 0.05
    assert "RFFT2D" not in report["operators"]  # slower than products
    assert sorted(os.listdir(folder)) == ["cry.parity.json", "cry.tflite"]


@pytest.fixture
def perturb(other_model, convert_once, monkeypatch):
    """Makes the converter write the weights of another model."""
    from cry_export import checked_export

    def wrong(model, recipe, samples):
        return convert_once(other_model, recipe, samples)

    return lambda: monkeypatch.setattr(checked_export, "to_tflite", wrong)


@pytest.mark.parametrize("strict", [False, True])
def test_a_file_with_other_weights_is_not_written_and_its_report_is(
    model, spec, clips, folder, perturb, strict
):
    perturb()
    with pytest.raises(ParityError, match=r"was not written.*scores differ") as caught:
        cry_export.export(
            model, folder / "cry.tflite", spec, check=clips, strict=strict
        )
    assert os.listdir(folder) == ["cry.parity.json"]
    report = json.loads((folder / "cry.parity.json").read_text())
    assert report["refused"] is True
    assert report["sha256"] is None
    assert report["parity"]["reasons"] == list(caught.value.report.reasons)
    # Float32 is the last that is tried.
    assert caught.value.report.recipe == ("dynamic" if strict else "none")
    assert ("--strict" in str(caught.value)) == strict


def test_a_refused_export_leaves_the_earlier_file_and_its_proof(
    model, spec, clips, folder, perturb
):
    path = folder / "cry.tflite"
    cry_export.export(model, path, spec, check=clips)
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    perturb()
    with pytest.raises(ParityError):
        cry_export.export(model, path, spec, check=clips, overwrite=True)
    after = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    assert after == before


def test_an_earlier_file_is_only_replaced_when_asked(model, spec, clips, folder):
    path = folder / "cry.tflite"
    path.write_bytes(b"earlier")
    with pytest.raises(FileExistsError, match="--overwrite"):
        cry_export.export(model, path, spec, check=clips)
    assert path.read_bytes() == b"earlier"
    cry_export.export(model, path, spec, check=clips, overwrite=True)
    assert read_metadata(path).spec == spec


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing(model, spec, clips, folder, monkeypatch, fails):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left") as caught:
        cry_export.export(model, folder / "cry.tflite", spec, check=clips)
    assert os.listdir(folder) == []
    if fails == "fsync":  # os.replace names its files itself
        assert caught.value.filename.startswith(str(folder))


def test_a_file_and_its_proof_are_there_both_or_neither(
    model, spec, clips, folder, monkeypatch
):
    replace = os.replace

    def fails_at_the_tflite(source, target):
        if str(target).endswith(".tflite"):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_tflite)
    with pytest.raises(OSError, match="Input/output"):
        cry_export.export(model, folder / "cry.tflite", spec, check=clips)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("cry.onnx", ValueError, "end in .tflite"),
        ("missing/cry.tflite", FileNotFoundError, "must exist"),
        ("folder.tflite", IsADirectoryError, "is a folder"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused_at_once(
    model, spec, clips, folder, name, error, match
):
    (folder / "folder.tflite").mkdir()
    with pytest.raises(error, match=match):
        cry_export.export(model, folder / name, spec, check=clips)


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0,
    reason="needs a folder that it may not write, which root always may",
)
def test_a_folder_that_is_not_writable_is_refused_at_once(model, spec, clips, folder):
    folder.chmod(0o500)
    with pytest.raises(PermissionError, match="writable"):
        cry_export.export(model, folder / "cry.tflite", spec, check=clips)


def export(model, spec, clips, folder, **kwargs):
    return cry_export.export(
        model, folder / "cry.tflite", spec, **{"check": clips, **kwargs}
    )


def test_a_model_without_the_front_end_is_refused(build_model, spec, clips, folder):
    with pytest.raises(ValueError, match="named 'frontend'"):
        export(build_model(front_end="ears"), spec, clips, folder)


def test_a_label_too_many_is_refused(build_model, spec, clips, folder):
    with pytest.raises(ValueError, match="Received: 4 scores and 3 labels"):
        export(build_model(scores=4), spec, clips, folder)


def test_another_front_end_than_the_models_is_refused(model, spec, clips, folder):
    other = spec.replace(front_end=spec.front_end.replace(cutoff_hz=4000.0))
    with pytest.raises(ValueError, match="must be that of the model"):
        export(model, other, clips, folder)


def test_a_model_of_spectrograms_is_refused(spec, clips, folder):
    inputs = keras.Input((96, 64))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    with pytest.raises(ValueError, match="one waveform"):
        export(model, spec, clips, folder)


def test_what_is_no_keras_model_is_refused(spec, clips, folder):
    with pytest.raises(ValueError, match="must be a keras.Model"):
        export("model.keras", spec, clips, folder)


def test_an_unknown_recipe_lists_the_known_ones(model, spec, clips, folder):
    with pytest.raises(
        ValueError, match="one of none, float16, dynamic, int8. Received: 'int4'"
    ):
        export(model, spec, clips, folder, quantize="int4")


@pytest.mark.parametrize(
    ("check", "match"),
    [
        ([], "at least one real clip"),
        ([np.zeros(16_000, np.float32)], "all silent"),
        ([np.ones((1, 16_000), np.float32)], r"shape \(1, 16000\)"),
        ([np.ones(10, np.float32), np.zeros(0, np.float32)], "clip 1"),
        ([np.array([1, np.nan], np.float32)], "finite"),
    ],
)
def test_clips_that_prove_nothing_are_refused(model, spec, folder, check, match):
    with pytest.raises(ValueError, match=match):
        export(model, spec, check, folder)


def test_names_must_match_the_clips(model, spec, clips, folder):
    with pytest.raises(ValueError, match="1 names, 4 clips"):
        export(model, spec, clips, folder, check_names=["a"])


@pytest.mark.parametrize("length_s", [0, -1.0, float("nan"), 1e9, 0.001])
def test_a_length_without_sense_is_refused(model, spec, clips, folder, length_s):
    with pytest.raises(ValueError, match="length_s"):
        export(model, spec, clips, folder, length_s=length_s)


def test_a_damaged_file_is_noticed_by_its_reader(model, spec, clips, folder):
    path = folder / "cry.tflite"
    export(model, spec, clips, folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        read_metadata(path)


def test_the_package_and_its_recipes_load_without_tensorflow():
    code = (
        "import sys, cry_export; assert list(cry_export.RECIPES);"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_int8_says_what_its_ranges_come_from(model, spec, clips, folder):
    made = export(
        model,
        spec,
        clips[:2],
        folder,
        quantize="int8",
        representative=clips[2:],
        representative_origin={"clips": ["a", "b"], "seed": 3},
    )
    report = json.loads(made.parity_path.read_text())
    assert report["representative"] == {"clips": ["a", "b"], "seed": 3}
    provenance = read_metadata(made.path).provenance
    assert provenance["recipe"] == "int8"
    assert provenance["representative_clips"] == 2
    assert report["operators"]["QUANTIZE"] >= 1
    assert set(report["parity"]["conditions"]) == {
        "no_xnnpack",
        "two_threads",
        "other_lengths",
        "batch_of_two",
    }
    assert report["parity"]["reference_difference"] < 1e-3


@pytest.mark.parametrize(
    ("representative", "match"),
    [
        ([], "needs representative clips"),
        ([np.zeros(800, np.float32)], "not silent"),
        ([np.full(800, np.nan, np.float32)], "must be finite"),
    ],
)
def test_ranges_without_sound_are_refused_at_once(
    model, spec, clips, folder, representative, match
):
    with pytest.raises(ValueError, match=match):
        export(
            model, spec, clips, folder, quantize="int8", representative=representative
        )


@pytest.fixture
def noisy(build_model):
    """A model with one layer that int8 weights spoil, `pointwise`."""
    model = build_model()
    depthwise, pointwise = model.get_layer("depthwise"), model.get_layer("pointwise")
    kernel, bias = depthwise.get_weights()
    bias += 0.1
    kernel[:, :, 1:] /= 3_000  # quiet channels, and loud weights that read them
    bias[1:] /= 3_000
    depthwise.set_weights([kernel, bias])
    kernel, bias = pointwise.get_weights()
    kernel[:, :, 1:] *= 3_000
    pointwise.set_weights([kernel, bias])
    return model


def test_a_refusal_names_the_layer_and_keeping_it_float_helps(
    noisy, spec, clips, folder
):
    with pytest.raises(ParityError, match="--keep-float pointwise") as caught:
        export(noisy, spec, clips, folder, strict=True)
    report = caught.value.report
    assert report.worst_layer == "pointwise"
    assert {layer.layer for layer in report.layers} >= {"conv", "pointwise", "logits"}
    made = export(noisy, spec, clips, folder, strict=True, keep_float=["pointwise"])
    assert not made.parity.is_refused
    assert read_metadata(made.path).provenance["kept_float"] == "pointwise"


def test_the_layer_that_int8_spoils_is_left_float_and_told(noisy, spec, clips, folder):
    counted = []
    with pytest.warns(FallbackWarning) as caught:
        made = export(noisy, spec, clips, folder, advance=lambda: counted.append(1))
    assert len(counted) == len(clips)  # a bar for the clips ends at its end
    assert (made.asked, made.got) == ("dynamic", "dynamic")
    assert made.left_float == ("pointwise",)
    assert made.fallback == str(caught[0].message)
    assert made.fallback.startswith(
        "dynamic was asked for, dynamic with pointwise left float was written: with "
        "dynamic scores differ by "
    )
    report = json.loads(made.parity_path.read_text())
    assert report["recipe"] == {
        "asked": "dynamic",
        "got": "dynamic",
        "left_float": ["pointwise"],
        "fallback": made.fallback,
    }
    assert not report["refused"]
    provenance = read_metadata(made.path).provenance
    assert provenance["recipe"] == provenance["recipe_asked"] == "dynamic"
    assert provenance["left_float"] == "pointwise"


def over_budget_for(monkeypatch, *recipes):
    """Makes the gate find some recipes too far from the model."""
    from cry_export import checked_export

    measure = checked_export.measure

    def measured(known, packed, spec, recipe, *rest):
        found = measure(known, packed, spec, recipe, *rest)
        if recipe.name in recipes:
            found = dataclasses.replace(found, reasons=("scores differ by 0.9",))
        return found

    monkeypatch.setattr(checked_export, "measure", measured)


@pytest.mark.parametrize(
    ("asked", "over", "got"),
    [
        ("int8", ["int8"], "dynamic"),
        ("int8", ["int8", "dynamic"], "float16"),
        ("dynamic", ["dynamic"], "float16"),
        ("dynamic", ["dynamic", "float16"], "none"),
        ("float16", ["float16"], "none"),
    ],
)
def test_what_moves_scores_less_is_taken_where_too_little_is_left(
    model, spec, clips, folder, monkeypatch, asked, over, got
):
    over_budget_for(monkeypatch, *over)
    with pytest.warns(FallbackWarning, match=f"{asked} was asked for, {got} was"):
        made = export(model, spec, clips, folder, quantize=asked, representative=clips)
    assert (made.asked, made.got, made.left_float) == (asked, got, ())
    assert made.parity.recipe == got
    inside = read_metadata(made.path)
    assert inside.provenance["recipe"] == got
    assert inside.provenance["recipe_asked"] == asked
    assert inside.card["stored_as"] == get(got).summary
    report = json.loads(made.parity_path.read_text())
    assert report["budget"] == get(got).budget.to_dict()


def test_float32_over_budget_is_refused(model, spec, clips, folder, monkeypatch):
    over_budget_for(monkeypatch, "dynamic", "float16", "none")
    with pytest.raises(ParityError, match="was not written"):
        export(model, spec, clips, folder)
    assert os.listdir(folder) == ["cry.parity.json"]


def test_a_file_within_its_budget_is_written_as_asked(model, spec, clips, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        made = export(model, spec, clips, folder)
    assert (made.asked, made.got, made.left_float) == ("dynamic", "dynamic", ())
    assert made.fallback is None


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_model_of_mixed_precision_becomes_a_file_of_float32(
    build_model, spec, clips, folder, policy
):
    keras.config.set_dtype_policy(policy)
    try:
        model = build_model()
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("conv").compute_dtype != "float32"
    made = export(model, spec, clips, folder, quantize="none")
    assert made.got == "none"
    exact = build_model()
    exact.set_weights(model.get_weights())
    runtime = LiteRTModel(made.path)
    for clip in clips:
        expected = exact.predict(clip[None], verbose=0)[0]
        np.testing.assert_allclose(runtime(clip), expected, atol=1e-4)


def test_a_file_shorter_than_a_window_gets_windows_of_its_length(
    model, spec, clips, folder
):
    with pytest.warns(FallbackWarning, match="The input takes 1 s, so windows are 1 s"):
        made = export(model, spec, clips, folder, length_s=1.0)
    inside = Analyzer(made.path)
    assert (inside.spec.decision.window_s, inside.spec.decision.hop_s) == (1.0, 1.0)
    assert inside.scores(clips[2])[1][0] == 1.0
    assert spec.decision.window_s == 3.0


def test_the_task_metric_is_in_the_report_and_a_clear_fall_is_refused(
    model, spec, clips, folder
):
    def judge(before, after):
        assert before.shape == after.shape == (4, 3)
        figure = {"value": 0.5, "low": 0.4, "high": 0.6}
        return {"name": "macro-F1", "before": figure, "after": figure, "change": change}

    change = {"value": -0.1, "low": -0.2, "high": -0.01}
    made = export(model, spec, clips, folder, judge=judge)
    assert made.parity.task_metric["change"] == change
    change = {"value": -0.1, "low": -0.2, "high": -0.05}
    with pytest.raises(ParityError, match="macro-F1 changes by -0.100"):
        export(model, spec, clips, folder, judge=judge, overwrite=True)


@keras.saving.register_keras_serializable(package="somebody")
class PowerPooling(keras.layers.Layer):
    """A pooling of a user's own."""

    def call(self, inputs):
        return keras.ops.sqrt(keras.ops.mean(keras.ops.square(inputs), axis=1))


class Unbuildable(keras.layers.Layer):
    def call(self, inputs):
        return inputs + keras.ops.erfinv(keras.ops.clip(inputs, 0.1, 0.9))


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Lambda(lambda x: keras.ops.square(x), name="odd"),
        PowerPooling(name="odd"),
    ],
)
def test_a_layer_of_a_users_own_is_exported_if_the_gate_lets_it(
    model, spec, clips, folder, layer
):
    x = model.output
    if isinstance(layer, PowerPooling):
        x = keras.layers.Reshape((1, 3))(x)
    made = export(keras.Model(model.input, layer(x)), spec, clips, folder)
    assert made.parity.max_score_difference <= 0.1


def test_a_layer_that_needs_another_runtime_is_refused(model, spec, clips, folder):
    odd = keras.Model(model.input, Unbuildable(name="odd")(model.output))
    with pytest.raises(ConversionError, match="builtin operators only.*Erfinv"):
        export(odd, spec, clips, folder)
    assert os.listdir(folder) == []


@shorter_windows
def test_the_card_is_inside_and_in_the_description_that_phones_read(
    model, spec, clips, folder
):
    card = {"limits": "No medical device."}
    made = export(model, spec, clips, folder, card=card, length_s=1.0)
    assert read_metadata(made.path).card["limits"] == "No medical device."
    assert b"Limits: No medical device." in made.path.read_bytes()


@shorter_windows
def test_the_file_names_layers_and_not_paths(model, spec, clips, folder):
    made = export(model, spec, clips, folder, length_s=1.0)
    found = list_operators(made.path.read_bytes())
    named = {operator.path for operator in found}
    assert {"frontend", "pointwise", "embedding"} <= named
    assert not any("small" in name for name in named)
    assert sum(operator.is_front_end for operator in found) > 10
