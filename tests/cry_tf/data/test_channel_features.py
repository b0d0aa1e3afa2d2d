import numpy as np
import pytest
import soundfile

from cry_tf.data import channel_features, load
from cry_tf.data.channel_features import measure_channel, names

LIMIT_HZ = 3600.0
RATE_HZ = 16_000


def measured(waveform, rate_hz=RATE_HZ, limit_hz=LIMIT_HZ):
    values = measure_channel(np.asarray(waveform, np.float32), rate_hz, limit_hz)
    found = dict(zip(names(None), values, strict=False))
    limited = dict(zip(names(limit_hz), values[len(names(None)) :], strict=True))
    return found, limited


def noise(rng, level_dbfs, seconds=2.0, rate_hz=RATE_HZ):
    return 10 ** (level_dbfs / 20) * rng.normal(size=round(seconds * rate_hz))


def test_the_floor_is_the_level_of_the_pauses(rng):
    wave = noise(rng, -60)
    time_s = np.arange(len(wave) // 2) / RATE_HZ
    wave[: len(time_s)] += 0.5 * np.sin(2 * np.pi * 1000 * time_s)
    recorded, limited = measured(wave)

    # White noise up to 8 kHz, of which 45 % lies below 3.6 kHz: 3.5 dB less. A tenth
    # of the frames is quieter than the mean of their levels, by less than 1 dB.
    assert recorded["floor_dbfs"] == pytest.approx(-60, abs=1)
    assert limited["floor_dbfs"] == pytest.approx(-63.5, abs=1)
    # Half the time a tone of amplitude 0.5: -9 dB, and 3 dB less over the whole.
    assert recorded["level_dbfs"] == pytest.approx(-12.0, abs=0.3)
    assert recorded["peak_dbfs"] == pytest.approx(-6.0, abs=0.1)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100])
def test_levels_are_the_same_at_every_sample_rate(rate_hz):
    time_s = np.arange(2 * rate_hz) / rate_hz
    recorded, limited = measured(np.sin(2 * np.pi * 1000 * time_s), rate_hz)
    assert recorded["level_dbfs"] == pytest.approx(-3.0, abs=0.1)
    assert limited["level_dbfs"] == pytest.approx(-3.0, abs=0.1)
    assert recorded["rate_octaves"] == pytest.approx(np.log2(rate_hz))


def test_a_recording_that_was_upsampled_shows_where_it_ends(rng):
    import soxr

    narrow = noise(rng, -20, rate_hz=8_000)
    recorded, _ = measured(soxr.resample(narrow, 8_000, 44_100), 44_100)
    whole, _ = measured(noise(rng, -20, rate_hz=44_100), 44_100)

    assert 2 ** recorded["bandwidth_octaves"] == pytest.approx(4_000, abs=250)
    assert recorded["edge_db"] > 40
    assert 2 ** whole["bandwidth_octaves"] > 20_000
    assert abs(whole["edge_db"]) < 3
    assert recorded["empty_share"] > 0.5
    assert whole["empty_share"] == 0


def test_what_lies_above_the_limit_changes_nothing_below_it(rng):
    low = noise(rng, -40)
    time_s = np.arange(len(low)) / RATE_HZ
    _, before = measured(low)
    _, after = measured(low + 1e-3 * np.sin(2 * np.pi * 6000 * time_s))
    for name in before.keys() - {"peak_dbfs", "clipped_log10"}:
        assert after[name] == pytest.approx(before[name], abs=0.05), name


def test_clipping_and_offset_are_seen(rng):
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.sin(2 * np.pi * 440 * time_s)
    plain, _ = measured(0.5 * tone)
    clipped, _ = measured(np.clip(2 * tone, -0.5, 0.5))
    shifted, _ = measured(0.5 * tone + 0.1)
    assert clipped["clipped_log10"] > plain["clipped_log10"] + 0.5
    assert shifted["dc_dbfs"] == pytest.approx(-20, abs=0.1)
    assert shifted["level_dbfs"] == pytest.approx(plain["level_dbfs"], abs=0.1)


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 513])
@pytest.mark.parametrize("rate_hz", [1, 100, 8_000, 192_000])
def test_every_length_and_rate_has_finite_features(rng, samples, rate_hz):
    for wave in (np.zeros(samples), rng.uniform(-1, 1, samples), np.ones(samples)):
        found = measure_channel(wave.astype(np.float32), rate_hz, LIMIT_HZ)
        assert found.shape == (len(names(None)) + len(names(LIMIT_HZ)),)
        assert np.isfinite(found).all()


def test_only_the_beginning_of_a_long_recording_counts(rng):
    rate_hz = 1000
    first = noise(rng, -30, 30.0, rate_hz)
    both = np.concatenate([first, np.ones(1000)])
    np.testing.assert_array_equal(
        measure_channel(first.astype(np.float32), rate_hz, 400.0),
        measure_channel(both.astype(np.float32), rate_hz, 400.0),
    )


def test_a_file_is_measured_once(tmp_path, rng, monkeypatch):
    for number in range(2):
        file = tmp_path / "data" / "cry" / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, noise(rng, -30 - 20 * number), RATE_HZ)
    dataset = load(tmp_path / "data")
    first = channel_features.compute(dataset, tmp_path / "cache", LIMIT_HZ)
    monkeypatch.setattr(channel_features, "measure_channel", None)
    again = channel_features.compute(dataset, tmp_path / "cache", LIMIT_HZ)

    np.testing.assert_array_equal(first.recorded, again.recorded)
    np.testing.assert_array_equal(first.limited, again.limited)
    assert first.recorded.shape == (2, len(names(None)))
    assert first.limited.shape == (2, len(names(LIMIT_HZ)))
    one = first.subset(np.array([1]))
    np.testing.assert_array_equal(one.limited, first.limited[1:])
