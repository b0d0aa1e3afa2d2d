from __future__ import annotations

import numpy as np

from cry_export.conditions import compare_conditions
from cry_export.parity import measure
from cry_export.quantization_recipe import get
from cry_export.reference import front_end_of, reference_scores


def test_the_model_answers_the_same_behind_the_numpy_front_end(model, spec, clips):
    for clip in (*clips, np.pad(clips[0], (0, 9_000)), np.zeros(500, np.float32)):
        found = reference_scores(model, spec.front_end, clip)
        expected = np.asarray(model(clip[None]))[0]
        # Rounding of a float32 FFT, through wide weights.
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_front_end_that_is_wrong_in_keras_and_in_the_file_is_seen(
    build_model, convert_once, spec, clips
):
    wrong = build_model()
    layer = front_end_of(wrong)
    # Half an octave of error in the mel bands, say.
    layer._mel_blocks = tuple((low + 3, weights) for low, weights in layer._mel_blocks)
    content = convert_once(wrong, get("none"), None)
    names = [f"clip {i}" for i in range(len(clips))]
    report = measure(wrong, content, spec, get("none"), clips, names, None)
    assert report.max_score_difference < 1e-4  # the two agree in their error
    assert any("NumPy front end" in reason for reason in report.reasons)


def test_a_file_answers_alike_however_it_is_run(tflite, clips):
    for name, content in tflite.items():
        found = compare_conditions(content, clips)
        assert found["two_threads"] == found["other_lengths"] == 0
        assert found["no_xnnpack"] <= get(name).budget.max_condition_difference
        # The runtime says that the file takes one clip at a time.
        assert found["batch_of_two"] is None
