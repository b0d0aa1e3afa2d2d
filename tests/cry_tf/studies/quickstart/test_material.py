import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.data import load
from cry_tf.runs.progress import NoProgress
from cry_tf.studies.quickstart.material import (
    STANDARD,
    possible_folds,
    real_material,
    synthetic_material,
)

TINY = dataclasses.replace(
    STANDARD,
    infants=3,
    detection_clips=2,
    detection_s=1.0,
    reason_clips=1,
    reason_s=1.0,
    night_s=60.0,
    cry_episodes=1,
    household_events=2,
)


def recordings(folder: Path, labels: dict[str, int], seconds: float = 1.0) -> Path:
    """Noise in a folder per label, a subfolder per source."""
    rng = np.random.default_rng(0)
    for label, sources in labels.items():
        for source in range(sources):
            place = folder / label / f"{label}_source{source}"
            place.mkdir(parents=True)
            for clip in range(2):
                noise = rng.uniform(-0.5, 0.5, int(seconds * 16_000))
                soundfile.write(place / f"{clip}.wav", noise, 16_000)
    return folder


def test_synthetic_material_has_both_sets_and_a_night_of_a_stranger(tmp_path):
    material = synthetic_material(tmp_path, 0, TINY, NoProgress())
    assert material.is_synthetic
    assert material.detection is not None
    assert material.reasons is not None
    assert material.night is not None
    assert set(material.detection.labels) == {"cry", "no_cry"}
    assert len(material.reasons.labels) == 5
    assert len(set(material.reasons.groups)) == 3
    assert material.night.duration_s == 60
    assert len(material.night.cries) == 1


def test_real_cries_with_reasons_and_other_sounds_give_everything(tmp_path):
    data = recordings(tmp_path, {"hungry": 6, "tired": 6, "rain": 6})
    material = real_material(data, 0, TINY)
    assert not material.is_synthetic
    assert material.detection is not None
    assert material.reasons is not None
    assert material.night is not None
    assert material.reasons.labels == ("hungry", "tired")
    assert material.night.cries
    assert any(event.label == "rain" for event in material.night.events)


def test_the_night_is_of_sources_that_no_model_is_trained_on(tmp_path):
    data = recordings(tmp_path, {"hungry": 6, "tired": 6, "rain": 6})
    material = real_material(data, 0, TINY)
    assert material.detection is not None
    assert material.reasons is not None
    assert material.night is not None
    learned = {clip.path for clip in material.detection.clips}
    assert {clip.path for clip in material.reasons.clips} <= learned
    assert 0 < len(learned) < 36
    beginnings = [soundfile.read(path, stop=64)[0] for path in learned]
    for event in material.night.events:
        start = round(event.start_s * 16_000)
        heard = material.night.waveform[start : start + 64]
        assert min(np.abs(heard - one).max() for one in beginnings) > 0.1


def test_cries_alone_give_a_reason_model_and_say_why_nothing_else(tmp_path):
    material = real_material(recordings(tmp_path, {"hungry": 3, "tired": 3}), 0, TINY)
    assert material.detection is None
    assert material.night is None
    assert material.reasons is not None
    assert any("No detector and no night" in note for note in material.notes)


def test_cries_without_reasons_give_a_detector_and_say_so(tmp_path):
    material = real_material(recordings(tmp_path, {"baby_cry": 5, "rain": 5}), 0, TINY)
    assert material.detection is not None
    assert material.reasons is None
    assert any("No reason model" in note for note in material.notes)


def test_a_reason_of_one_source_is_left_out_by_name(tmp_path):
    data = recordings(tmp_path, {"hungry": 3, "tired": 3, "pain": 1})
    material = real_material(data, 0, TINY)
    assert material.reasons is not None
    assert material.reasons.labels == ("hungry", "tired")
    assert any("pain" in note and "one group" in note for note in material.notes)


def test_data_that_teach_nothing_are_refused(tmp_path):
    data = recordings(tmp_path, {"hungry": 1, "tired": 1})
    with pytest.raises(ValueError, match="Nothing can be trained"):
        real_material(data, 0, TINY)


def test_there_are_no_more_folds_than_groups_of_a_label(tmp_path):
    dataset = load(recordings(tmp_path, {"hungry": 3, "tired": 2, "rain": 4}))
    assert possible_folds(dataset, "reason", 5) == 2
    # For a detector, hungry and tired are one label of five groups.
    assert possible_folds(dataset, "detect", 5) == 4
    assert possible_folds(dataset, "detect", 2) == 2
