from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.data import Dataset, load
from cry_tf.data.detection_labels import LabelMapping, map_labels
from cry_tf.studies.quickstart.material import held_out_night


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    for label in ("hungry", "rain", "dog"):
        for number in range(6):
            (tmp_path / label).mkdir(exist_ok=True)
            sound = rng.uniform(-0.5, 0.5, 2 * 16_000)
            soundfile.write(tmp_path / label / f"{number}.wav", sound, 16_000)
    return load(tmp_path)


def mapping(dataset: Dataset) -> LabelMapping:
    return map_labels([clip.label for clip in dataset.clips])


def test_the_truth_says_where_each_clip_is(dataset):
    night = held_out_night(dataset, mapping(dataset), 0, 600)
    assert len(night.events) == 18
    assert len(night.cries) == 6
    for event in night.events:
        inside = night.waveform[round(event.start_s * 16_000) :][: 2 * 16_000]
        assert event.end_s - event.start_s == 2
        assert np.abs(inside).mean() > 0.2
        before = night.waveform[round((event.start_s - 2) * 16_000) :][: 2 * 16_000]
        assert np.abs(before).max() < 0.01


def test_events_are_in_order_and_do_not_overlap(dataset):
    events = held_out_night(dataset, mapping(dataset), 0, 600).events
    for before, after in zip(events, events[1:], strict=False):
        assert after.start_s - before.end_s >= 3


def test_the_night_ends_where_it_is_full(dataset):
    night = held_out_night(dataset, mapping(dataset), 0, 40)
    assert night.duration_s <= 43
    assert {event.label for event in night.events} >= {"cry"}


def test_the_same_seed_gives_the_same_night(dataset):
    one, other = (held_out_night(dataset, mapping(dataset), 4, 60) for _ in range(2))
    np.testing.assert_array_equal(one.waveform, other.waveform)
    assert one.events == other.events


def test_clips_of_one_kind_make_no_night(dataset):
    labels = mapping(dataset)
    rain = dataset.map_labels(lambda label: label if label == "rain" else None)
    with pytest.raises(ValueError, match="0 clips with a cry and 6 without"):
        held_out_night(rain, labels, 0, 60)
