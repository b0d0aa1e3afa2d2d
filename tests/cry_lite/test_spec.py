from __future__ import annotations

import dataclasses
import json

import pytest

from cry_lite import front_ends
from cry_lite.spec import DecisionSpec, FrontEndSpec, ModelSpec


def detector(**changes) -> ModelSpec:
    values = {
        "task": "detect",
        "labels": ("no_cry", "cry"),
        "front_end": front_ends.YAMNET,
        "positive_label": "cry",
    }
    return ModelSpec(**(values | changes))


@pytest.mark.parametrize(
    "front_end",
    [
        front_ends.PANNS_32K,
        front_ends.PANNS_16K,
        front_ends.PANNS_8K,
        front_ends.VGGISH,
        front_ends.YAMNET,
        front_ends.EFFICIENTAT,
        front_ends.YAMNET.replace(cutoff_hz=4000.0),
        front_ends.VGGISH.replace(pre_emphasis=0.97, z_score=True),
    ],
)
def test_a_front_end_survives_json(front_end):
    text = json.dumps(front_end.to_dict())
    assert FrontEndSpec.from_dict(json.loads(text)) == front_end


def test_a_model_survives_json_with_all_it_holds():
    spec = detector(
        labels=("no_cry", "cry", "Geschrei ä"),
        decision=DecisionSpec(smoothing_windows=3, max_gap_s=0.5),
    )
    again = ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert isinstance(again.labels, tuple)
    assert isinstance(again.front_end, FrontEndSpec)
    assert isinstance(again.decision, DecisionSpec)


def test_a_reason_model_survives_json():
    spec = detector(task="reason", labels=("hungry", "tired"), positive_label=None)
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        front_ends.YAMNET.mel_bands = 32  # type: ignore[misc]


def test_an_unknown_field_says_to_upgrade():
    values = front_ends.YAMNET.to_dict() | {"colour": "blue"}
    with pytest.raises(ValueError, match=r"no field colour.*upgrade"):
        FrontEndSpec.from_dict(values)


def test_a_missing_field_is_named():
    values = front_ends.YAMNET.to_dict()
    del values["mel_bands"]
    with pytest.raises(ValueError, match="mel_bands"):
        FrontEndSpec.from_dict(values)


def test_a_file_of_before_a_field_was_added_takes_its_default():
    values = front_ends.YAMNET.to_dict()
    for added in ("window", "pre_emphasis", "z_score", "level_mean", "level_std"):
        del values[added]
    assert FrontEndSpec.from_dict(values) == front_ends.YAMNET
    decision = DecisionSpec(min_event_s=2.0).to_dict()
    del decision["confirmation_s"]
    assert DecisionSpec.from_dict(decision) == DecisionSpec(min_event_s=2.0)


def test_a_record_is_read_from_an_object_only():
    with pytest.raises(ValueError, match="JSON object"):
        ModelSpec.from_dict(["detect"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate_hz": 0}, "sample_rate_hz must be positive"),
        ({"hop_samples": -1}, "hop_samples must be positive"),
        ({"fft_length": 400}, "power of two"),
        ({"fft_length": 256}, "at least window_samples"),
        ({"max_hz": 8001.0}, "max_hz"),
        ({"min_hz": 7500.0}, "min_hz"),
        ({"mel_scale": "bark"}, "mel_scale must be one of slaney, htk"),
        ({"spectrum": "phase"}, "spectrum must be one of"),
        ({"log_scale": "log2"}, "log_scale must be one of"),
        ({"partial_patch": "keep"}, "partial_patch must be one of"),
        ({"log_offset": 0.0}, "log_offset must be positive"),
        ({"patch_hop_frames": 0}, "both be positive or both be 0"),
        ({"cutoff_hz": 125.0}, "cutoff_hz must be above min_hz"),
        ({"window": "hamming"}, "window must be one of hann, hann_symmetric"),
        ({"window": "hann_symmetric", "window_samples": 2}, "at least 3"),
        ({"pre_emphasis": 1.01}, r"pre_emphasis must be in \[0, 1\]"),
        ({"pre_emphasis": -0.5}, r"pre_emphasis must be in \[0, 1\]"),
        ({"level_mean": float("nan")}, "level_mean must be finite"),
        ({"level_std": 0.0}, "level_std positive"),
    ],
)
def test_a_front_end_refuses_numbers_that_break_a_rule(changes, message):
    with pytest.raises(ValueError, match=message):
        front_ends.YAMNET.replace(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_s": 0.0}, "hop_s"),
        ({"hop_s": 4.0}, "hop_s <= window_s"),
        ({"offset_threshold": 0.6}, "offset_threshold <= onset_threshold"),
        ({"onset_threshold": 1.1}, "onset_threshold"),
        ({"smoothing_windows": 2}, "odd"),
        ({"smoothing_windows": -1}, "odd and positive"),
        ({"min_event_s": -0.1}, "not negative"),
        ({"max_gap_s": -0.1}, "not negative"),
        ({"confirmation_s": -0.1}, "not negative"),
        ({"confirmation_s": float("inf")}, "must be finite"),
        ({"min_event_s": float("nan")}, "must be finite"),
    ],
)
def test_a_decision_refuses_numbers_that_break_a_rule(changes, message):
    with pytest.raises(ValueError, match=message):
        DecisionSpec(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "guess"}, "task must be detect or reason"),
        ({"labels": ("cry",)}, "at least two"),
        ({"labels": ("cry", "cry")}, "different names"),
        ({"positive_label": None}, "positive_label"),
        ({"positive_label": "laugh"}, "positive_label must be one of labels"),
        ({"task": "reason"}, "None for reason"),
    ],
)
def test_a_model_refuses_settings_that_break_a_rule(changes, message):
    with pytest.raises(ValueError, match=message):
        detector(**changes)


def test_a_patch_of_yamnet_is_0_975_s():
    # 96 frames of 10 ms, the last with a window of 25 ms: yamnet/params.py.
    assert front_ends.YAMNET.patch_samples == 15_600
    assert front_ends.YAMNET.patch_hop_samples == 7_680


def test_without_patches_a_step_is_a_frame():
    assert front_ends.PANNS_32K.patch_samples == 1024
    assert front_ends.PANNS_32K.patch_hop_samples == 320


def test_a_model_hears_at_the_rate_of_its_front_end():
    assert detector().sample_rate_hz == 16_000
    assert detector(front_end=front_ends.PANNS_32K).sample_rate_hz == 32_000
