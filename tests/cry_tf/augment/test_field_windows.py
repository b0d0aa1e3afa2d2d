import dataclasses

import numpy as np
import pytest

from cry_tf.augment.add_noise import mean_power
from cry_tf.augment.field_windows import (
    FieldMix,
    FieldWindows,
    Recording,
    crying,
    mixed,
)

RATE_HZ = 8_000
CRY_HZ, OTHER_HZ = 1_000, 2_500


def tone(hz, seconds):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def recording(is_cry, part, group="", seconds=7.0, domain="phone", crying_s=None):
    waveform = tone(CRY_HZ if is_cry else OTHER_HZ, seconds)
    return Recording(waveform, is_cry, domain, group or f"{part}", part, crying_s)


def share(sound, hz):
    """Share of the power within a fifth of a frequency, which speed moves less."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return power[np.abs(frequencies / hz - 1) < 0.2].sum() / power.sum()


@pytest.fixture(scope="module")
def recordings():
    return [
        recording(is_cry, part, f"{part}{is_cry}{n}")
        for part in range(3)
        for is_cry in (True, False)
        for n in range(3)
    ]


@pytest.fixture(scope="module")
def windows(recordings):
    return FieldWindows(recordings, RATE_HZ, FieldMix(windows=120), seed=3)


def test_a_window_follows_from_its_number_and_the_seed(recordings, windows):
    again = FieldWindows(recordings, RATE_HZ, FieldMix(windows=120), seed=3)
    other = FieldWindows(recordings, RATE_HZ, FieldMix(windows=120), seed=4)
    for number in (0, 7, 119):
        np.testing.assert_array_equal(windows[number].waveform, again[number].waveform)
        assert windows.plan(number) == (windows[number].is_cry, windows[number].places)
    assert any(windows.plan(n) != other.plan(n) for n in range(20))
    assert not np.array_equal(windows[0].waveform, windows[3].waveform)


def test_a_window_is_three_seconds_of_sound_within_full_scale(windows):
    for number in range(20):
        waveform = windows[number].waveform
        assert waveform.shape == (3 * RATE_HZ,)
        assert waveform.dtype == np.float32
        assert 0 < np.abs(waveform).max() <= 1


def test_cries_have_their_share_of_every_stretch_of_numbers(windows):
    is_cry = np.array([windows.plan(n)[0] for n in range(len(windows))])
    assert is_cry.sum() == 48
    assert is_cry[:60].sum() == 24


def test_recordings_of_two_parts_are_in_no_window_together(recordings, windows):
    for number in range(len(windows)):
        is_cry, places = windows.plan(number)
        assert len({recordings[place].part for place in places}) == 1
        assert recordings[places[0]].is_cry == is_cry
        assert not any(recordings[place].is_cry for place in places[1:])


def test_the_cry_is_in_the_windows_with_one_and_in_no_other(recordings):
    alone = FieldMix(windows=40, mixed=0, behind=0)
    for window in FieldWindows(recordings, RATE_HZ, alone):
        own, other = (CRY_HZ, OTHER_HZ) if window.is_cry else (OTHER_HZ, CRY_HZ)
        assert share(window.waveform, own) > 3 * share(window.waveform, other)


def test_a_mixed_window_has_both(recordings):
    mix = FieldMix(windows=40, mixed=1, min_snr_db=0, max_snr_db=0)
    found = [w for w in FieldWindows(recordings, RATE_HZ, mix) if w.is_cry]
    both = [min(share(w.waveform, CRY_HZ), share(w.waveform, OTHER_HZ)) for w in found]
    assert np.median(both) > 0.05


def test_the_ratio_is_that_of_the_cry_where_it_cries(rng):
    sound, behind = np.zeros(8_000, np.float32), np.float32(rng.normal(0, 0.2, 8_000))
    sound[:2_000] = tone(CRY_HZ, 0.25)
    power = mean_power(sound[:2_000])
    noise = mixed(sound, power, behind, snr_db=10.0) - sound
    assert 10 * np.log10(power / mean_power(noise)) == pytest.approx(10, abs=1e-3)
    np.testing.assert_array_equal(mixed(sound, power, 0 * behind, 10.0), sound)


def test_where_nothing_is_written_down_the_loud_part_is_the_cry():
    waveform = np.concatenate([0.01 * tone(CRY_HZ, 1), tone(CRY_HZ, 1)])
    loud = Recording(waveform, True, "", "", 0)
    assert crying(loud, RATE_HZ)[:RATE_HZ].sum() == 0
    assert crying(loud, RATE_HZ)[RATE_HZ:].all()
    stated = loud._replace(crying_s=[(0.25, 0.5)])
    assert crying(stated, RATE_HZ).sum() == RATE_HZ // 4
    assert crying(stated, RATE_HZ)[RATE_HZ // 4]


def test_a_window_with_a_cry_holds_enough_of_it():
    stated = [(3.0, 4.0)]
    data = [recording(True, 0, crying_s=stated), recording(False, 0)]
    drawn = FieldWindows(data, RATE_HZ, FieldMix(windows=60, min_cry_s=0.7))
    is_crying = crying(data[0], RATE_HZ)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        start = drawn.start(rng, is_crying, is_alone=seed % 2 == 0)
        low, high = max(start, 0), start + 3 * RATE_HZ
        assert is_crying[low:high].sum() >= 0.7 * RATE_HZ
        assert start >= 0 or seed % 2


def test_a_domain_counts_by_the_root_of_its_duration():
    data = [recording(True, 0)]
    data += [recording(False, 0, domain="music", seconds=10) for _ in range(16)]
    data += [recording(False, 0, domain="rain", seconds=10)]
    drawn = FieldWindows(data, RATE_HZ, FieldMix(windows=3_000, behind=0))
    plans = [drawn.plan(n) for n in range(len(drawn))]
    rain = np.mean([places[0] == 17 for is_cry, places in plans if not is_cry])
    assert rain == pytest.approx(1 / 5, abs=0.03)  # not 1 / 17


def test_sounds_of_recorders_that_recorded_cries_count_double():
    data = [recording(True, 0, "phone1"), recording(False, 0, "phone1")]
    data += [recording(False, 0, "phone2")]
    drawn = FieldWindows(data, RATE_HZ, FieldMix(windows=3_000, behind=0))
    plans = [drawn.plan(n) for n in range(len(drawn))]
    own = np.mean([places[0] == 1 for is_cry, places in plans if not is_cry])
    assert own == pytest.approx(2 / 3, abs=0.04)


def test_data_without_both_labels_in_one_part_is_refused():
    data = [recording(True, 0), recording(False, 1)]
    with pytest.raises(
        ValueError, match=r"1 with one, 1 without, never both .* 2 parts"
    ):
        FieldWindows(data, RATE_HZ, FieldMix())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cries": 1.0}, "cries=1"),
        ({"windows": 1}, "windows=1"),
        ({"min_cry_s": 4.0}, "min_cry_s=4"),
        ({"min_snr_db": 40.0}, "min_snr_db=40"),
        ({"mixed": 1.5}, "mixed"),
    ],
)
def test_impossible_numbers_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        FieldMix(**changes)


def test_the_fingerprint_follows_every_number():
    found = {FieldMix().fingerprint()}
    for field in dataclasses.fields(FieldMix):
        value = getattr(FieldMix(), field.name)
        changed = FieldMix(**{field.name: type(value)(value * 0.9)})
        found.add(changed.fingerprint())
    assert len(found) == 1 + len(dataclasses.fields(FieldMix))


def test_a_number_beyond_the_last_is_refused(windows):
    with pytest.raises(IndexError, match=r"\[0, 120\)"):
        windows[120]
