from collections import Counter

import pytest

from cry_tf.data import (
    load,
    native_sample_rates,
    shared_bandwidth,
)


def test_equal_rates_need_no_cutoff(write, tmp_path):
    write("cry/1.wav", rate_hz=8_000)
    write("noise/2.wav", rate_hz=8_000)
    data = load(tmp_path)
    assert shared_bandwidth(data).cutoff_hz is None
    assert "8000 Hz" in shared_bandwidth(data).reason


def test_different_rates_are_cut_under_half_the_lowest(write, tmp_path):
    write("cry/1.wav", rate_hz=8_000)
    write("cry/2.wav", rate_hz=16_000)
    write("noise/3.wav", rate_hz=44_100)
    data = load(tmp_path)
    assert native_sample_rates(data) == {
        "cry": Counter({8_000: 1, 16_000: 1}),
        "noise": Counter({44_100: 1}),
    }
    assert shared_bandwidth(data).cutoff_hz == pytest.approx(3600)
    reason = shared_bandwidth(data).reason
    assert "8000 Hz for cry" in reason
    assert "44100 Hz for noise" in reason
    assert "3600 Hz" in reason


def test_an_unreadable_file_is_named(write, tmp_path):
    write("a/1.wav")
    (tmp_path / "a" / "2.wav").write_bytes(b"x")
    with pytest.raises(OSError, match=r"2\.wav"):
        native_sample_rates(load(tmp_path))


def test_no_clips_have_no_bandwidth(make_dataset):
    assert shared_bandwidth(make_dataset({"a": []})).cutoff_hz is None
