from __future__ import annotations

import numpy as np
import pytest

from cry_lite.windows import stream_windows, window_starts


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (1, [0]),
        (9, [0]),
        (10, [0]),
        (11, [0, 1]),
        (14, [0, 4]),
        (15, [0, 4, 5]),
        (18, [0, 4, 8]),
        (21, [0, 4, 8, 11]),
    ],
)
def test_the_last_window_ends_with_the_sound(total, expected):
    assert window_starts(total, window_samples=10, hop_samples=4) == expected


def test_windows_without_overlap_touch():
    assert window_starts(30, window_samples=10, hop_samples=10) == [0, 10, 20]


@pytest.mark.parametrize("block", [1, 3, 10, 1000])
@pytest.mark.parametrize("total", [1, 9, 10, 11, 14, 15, 57])
@pytest.mark.parametrize("hop", [1, 4, 10])
def test_streamed_windows_are_those_of_the_whole_waveform(total, hop, block):
    waveform = np.arange(total, dtype=np.float32)
    blocks = [waveform[i : i + block] for i in range(0, total, block)]
    streamed = list(stream_windows(blocks, window_samples=10, hop_samples=hop))
    assert [start for start, _ in streamed] == window_starts(total, 10, hop)
    for start, window in streamed:
        np.testing.assert_array_equal(window, waveform[start : start + 10])


def test_empty_blocks_change_nothing():
    nothing, some = np.zeros(0, np.float32), np.ones(10, np.float32)
    streamed = list(stream_windows([nothing, some, nothing], 10, 5))
    assert [start for start, _ in streamed] == [0]


def test_no_sound_gives_no_window():
    assert list(stream_windows([], 10, 5)) == []


def test_no_sound_has_no_starts():
    with pytest.raises(ValueError, match="total_samples must be positive"):
        window_starts(0, 10, 5)


@pytest.mark.parametrize("hop", [0, 11])
def test_a_hop_that_loses_sound_is_refused(hop):
    with pytest.raises(ValueError, match="hop_samples <= window_samples"):
        window_starts(20, 10, hop)
    with pytest.raises(ValueError, match="hop_samples <= window_samples"):
        list(stream_windows([np.zeros(20)], 10, hop))


def test_a_long_stream_holds_one_window_and_one_block():
    held = []

    def blocks():
        for _ in range(1000):
            yield np.zeros(100, np.float32)

    for _, window in stream_windows(blocks(), window_samples=300, hop_samples=50):
        base = window if window.base is None else window.base
        held.append(base.size)
    assert max(held) <= 300 + 100
