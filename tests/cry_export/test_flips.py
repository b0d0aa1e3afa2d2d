from __future__ import annotations

import numpy as np
import pytest

from cry_export.flips import find_flips


def test_a_reason_flips_when_the_best_label_changes(spec):
    before = np.array([[0.5, 0.3, 0.2], [0.45, 0.4, 0.15]], np.float32)
    after = np.array([[0.5, 0.3, 0.2], [0.41, 0.44, 0.15]], np.float32)
    (flip,) = find_flips(before, after, spec, ["a", "b"])
    assert (flip.clip, flip.keras, flip.tflite) == ("b", "hungry", "tired")
    assert flip.margin == pytest.approx(0.05)


def test_a_detection_flips_at_its_threshold_and_not_at_a_half(spec):
    detect = spec.replace(
        task="detect",
        labels=("no_cry", "cry"),
        positive_label="cry",
        decision=spec.decision.replace(onset_threshold=0.2, offset_threshold=0.1),
    )
    before = np.array([[0.51, 0.49], [0.79, 0.21]], np.float32)
    after = np.array([[0.49, 0.51], [0.81, 0.19]], np.float32)
    (flip,) = find_flips(before, after, detect, ["a", "b"])
    assert (flip.clip, flip.keras, flip.tflite) == ("b", "cry", "no cry")
    assert flip.margin == pytest.approx(0.01)


def test_scores_that_agree_have_no_flip(spec):
    scores = np.array([[0.5, 0.3, 0.2]], np.float32)
    assert find_flips(scores, scores + 0.01, spec, ["a"]) == ()
