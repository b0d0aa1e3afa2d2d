from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from cry_export import parity
from cry_export.quantization_recipe import Budget, get

NONE = get("none")


def loose(near_tie: float) -> Budget:
    """A budget that counts nothing but clear flips."""
    return Budget(
        max_score_difference=1.0,
        max_mean_difference=1.0,
        near_tie=near_tie,
        max_flip_fraction=0.0,
    )


def measure(model, tflite, spec, clips, recipe=NONE, samples=None):
    names = [f"clip {i}" for i in range(len(clips))]
    return parity.measure(model, tflite, spec, recipe, clips, names, samples)


@pytest.mark.parametrize("recipe", ["none", "dynamic"])
def test_the_converted_model_answers_as_the_keras_model(
    model, tflite, spec, clips, recipe
):
    report = measure(model, tflite[recipe], spec, clips, get(recipe))
    assert not report.is_refused
    assert report.clips == len(clips)
    assert report.is_finite
    assert report.max_score_difference >= report.mean_score_difference >= 0


def test_the_differences_are_those_of_numpy(model, tflite, spec, clips):
    """Reference: both models run by hand, without this package."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite["dynamic"])
    place = interpreter.get_input_details()[0]["index"]
    differences = []
    for clip in clips:
        interpreter.resize_tensor_input(place, (1, len(clip)))
        interpreter.allocate_tensors()
        interpreter.set_tensor(place, clip[None])
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        differences.append(np.abs(found - model.predict(clip[None], verbose=0)))
    report = measure(model, tflite["dynamic"], spec, clips, get("dynamic"))
    assert report.max_score_difference == pytest.approx(np.max(differences), rel=0.02)
    assert report.mean_score_difference == pytest.approx(np.mean(differences), rel=0.02)
    assert report.worst_clip == f"clip {int(np.argmax(np.max(differences, axis=2)))}"


def test_weights_of_another_model_are_refused_with_the_figures(
    other_model, tflite, spec, clips
):
    report = measure(other_model, tflite["none"], spec, clips)
    assert report.is_refused
    assert any("scores differ" in reason for reason in report.reasons)
    assert report.max_score_difference > NONE.budget.max_score_difference


@pytest.mark.parametrize(
    ("max_score_difference", "max_flip_fraction", "refused"),
    [(1.0, 1.0, False), (0.0, 1.0, True), (1.0, 0.0, False)],
)
def test_the_budget_decides(
    model, tflite, spec, clips, max_score_difference, max_flip_fraction, refused
):
    budget = Budget(
        max_score_difference=max_score_difference,
        max_mean_difference=1.0,
        near_tie=0.0,
        max_flip_fraction=max_flip_fraction,
        max_condition_difference=1.0,
    )
    recipe = dataclasses.replace(get("dynamic"), budget=budget)
    report = measure(model, tflite["dynamic"], spec, clips, recipe)
    assert report.is_refused is refused


def test_a_fixed_length_cuts_and_completes_clips_alike(
    model, convert_once, spec, clips
):
    tflite = convert_once(model, NONE, 24_000)
    assert min(map(len, clips)) < 24_000 < max(map(len, clips))
    report = measure(model, tflite, spec, clips, samples=24_000)
    assert not report.is_refused


def test_a_model_that_hears_padding_is_refused(tflite, spec, clips, model):
    """A Keras model whose scores move when zeros follow the clip."""

    def hears_padding(waveform, training):
        scores = model(waveform, training=training)
        return scores + 1e-6 * waveform.shape[1] / 16_000

    report = measure(hears_padding, tflite["none"], spec, clips)
    assert not report.is_refused  # 1e-6 is within the budget

    def hears_much_padding(waveform, training):
        return hears_padding(waveform, training) + 1e-3 * (waveform.shape[1] % 2)

    odd = [clip[: len(clip) // 2 * 2 - 1] for clip in clips]
    report = measure(hears_much_padding, tflite["none"], spec, odd)
    assert any("zeros follow" in reason for reason in report.reasons)


def test_scores_that_are_not_finite_are_refused_and_survive_json(
    tflite, spec, clips, model
):
    def broken(waveform, training):
        return model(waveform, training=training) * np.nan

    report = measure(broken, tflite["none"], spec, clips)
    assert "some scores are not finite" in report.reasons
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["max_score_difference"] is None


def test_silence_is_compared_too(tflite, spec, clips, model):
    def deaf(waveform, training):
        scores = model(waveform, training=training)
        return scores if np.any(waveform) else scores + 0.5

    report = measure(deaf, tflite["none"], spec, clips)
    assert report.edges["silence"] == pytest.approx(0.5, abs=1e-4)
    assert any("on silence" in reason for reason in report.reasons)


def test_near_ties_are_reported_and_not_counted(model, tflite, spec, clips):
    def moved(waveform, training):
        scores = np.array(model(waveform, training=training))
        return np.roll(scores, 1, axis=1)

    wide = dataclasses.replace(NONE, budget=loose(near_tie=1.0))
    report = measure(moved, tflite["none"], spec, clips, wide)
    assert report.flips
    assert report.clear_flips == 0
    assert not report.is_refused
    strict = dataclasses.replace(NONE, budget=loose(near_tie=0.0))
    report = measure(moved, tflite["none"], spec, clips, strict)
    assert report.clear_flips == len(report.flips)
    assert any("change their decision" in reason for reason in report.reasons)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_budget_outside_zero_to_one_is_refused(value):
    with pytest.raises(ValueError, match="near_tie must be in"):
        loose(near_tie=value)


def test_the_mean_difference_alone_can_refuse(model, tflite, spec, clips):
    """Every clip is near enough, all of them together are not."""
    recipe = dataclasses.replace(
        NONE, budget=dataclasses.replace(loose(1.0), max_condition_difference=1.0)
    )
    found = measure(model, tflite["dynamic"], spec, clips, recipe)
    assert not found.is_refused
    exactly = found.mean_score_difference
    for room, refused in ((exactly, False), (exactly * 0.99, True)):
        budget = dataclasses.replace(recipe.budget, max_mean_difference=room)
        narrow = dataclasses.replace(recipe, budget=budget)
        report = measure(model, tflite["dynamic"], spec, clips, narrow)
        assert report.is_refused == refused
    assert len(report.reasons) == 1
    assert report.reasons[0].endswith(f"on average (at most {room:g} is allowed)")
