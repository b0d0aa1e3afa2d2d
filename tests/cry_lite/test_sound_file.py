from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile

from cry_lite import sound_file
from cry_lite.errors import SoundFileError
from cry_lite.sound_file import SoundStream

RATE_HZ = 16_000


def tone(seconds: float, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def streamed(path, rate_hz: int = RATE_HZ) -> tuple[np.ndarray, tuple[str, ...]]:
    with SoundStream(path, rate_hz) as sound:
        waveform = np.concatenate(list(sound))
    return waveform, sound.notes()


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 0.0), ("DOUBLE", 0.0)],
)
def test_a_wav_is_read_to_the_last_bit_it_holds(tmp_path, rng, subtype, tolerance):
    wave = rng.uniform(-0.9, 0.9, 1000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, RATE_HZ, subtype=subtype)
    waveform = sound_file.read(tmp_path / "a.wav", RATE_HZ)
    assert waveform.dtype == np.float32
    assert np.abs(waveform - wave).max() <= tolerance


@pytest.mark.parametrize("rate_hz", [1, 999, 1_000_001, 1_493_188_224])
def test_a_rate_that_no_recorder_has_is_a_damaged_header(tmp_path, rate_hz):
    soundfile.write(tmp_path / "a.wav", tone(0.1), rate_hz)
    with pytest.raises(SoundFileError, match=f"sample rate is {rate_hz} Hz.*damaged"):
        sound_file.read(tmp_path / "a.wav", RATE_HZ)
    for edge_hz in (1_000, 1_000_000):
        soundfile.write(tmp_path / "edge.wav", tone(0.1), edge_hz)
        assert len(sound_file.read(tmp_path / "edge.wav", RATE_HZ)) > 0


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_other_formats_are_read(tmp_path, name):
    wave = tone(1.0)
    soundfile.write(tmp_path / name, wave, RATE_HZ)
    waveform, notes = streamed(tmp_path / name)
    assert len(waveform) == len(wave)
    assert np.corrcoef(waveform, wave)[0, 1] > 0.99  # Ogg and MP3 are lossy.
    assert notes == ()


def test_channels_are_averaged(tmp_path):
    left = tone(0.1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, 0 * left], 1), RATE_HZ, "FLOAT")
    np.testing.assert_allclose(
        sound_file.read(tmp_path / "a.wav", RATE_HZ), left / 2, atol=1e-7
    )


@pytest.mark.parametrize("from_hz", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_is_resampled_to_the_same_tone(tmp_path, from_hz):
    soundfile.write(tmp_path / "a.wav", tone(1.0, from_hz), from_hz, "FLOAT")
    waveform = sound_file.read(tmp_path / "a.wav", RATE_HZ)
    assert len(waveform) == RATE_HZ
    middle = slice(1000, -1000)  # The filter rings where the tone starts and ends.
    np.testing.assert_allclose(waveform[middle], tone(1.0)[middle], atol=1e-3)


@pytest.mark.parametrize("samples", [3, 4410, 65_536, 65_537, 200_000])
def test_blocks_are_resampled_as_if_they_were_one(tmp_path, rng, samples):
    wave = rng.uniform(-0.5, 0.5, samples).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 44_100, "FLOAT")
    whole = sound_file.resample(wave, 44_100, RATE_HZ)
    streamed_wave = sound_file.read(tmp_path / "a.wav", RATE_HZ)
    np.testing.assert_allclose(streamed_wave, whole, atol=1e-6)


def test_an_equal_rate_is_left_alone(rng):
    wave = rng.uniform(-1, 1, 100).astype(np.float32)
    assert sound_file.resample(wave, 8_000, 8_000) is wave


@pytest.mark.parametrize(
    ("waveform", "from_hz"), [(np.zeros((2, 2)), 8_000), (np.zeros(2), 0)]
)
def test_resampling_refuses_what_is_no_waveform_or_rate(waveform, from_hz):
    with pytest.raises(ValueError, match="1-D and both rates positive"):
        sound_file.resample(waveform, from_hz, RATE_HZ)


def test_the_wanted_rate_must_be_positive(tmp_path):
    with pytest.raises(ValueError, match="sample_rate_hz must be positive"):
        sound_file.read(tmp_path / "a.wav", 0)


def test_the_header_is_read_without_the_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((8_000, 2)), 44_100, "PCM_24")
    info = sound_file.info(tmp_path / "a.wav")
    assert (info.sample_rate_hz, info.channels, info.frames) == (44_100, 2, 8_000)
    assert info.duration_s == pytest.approx(8_000 / 44_100)
    assert info.subtype == "PCM_24"


def test_a_name_with_spaces_and_umlauts_is_read(tmp_path):
    path = tmp_path / "das Baby schreit sehr – früh 👶.wav"
    soundfile.write(path, tone(0.1), RATE_HZ)
    assert len(sound_file.read(path, RATE_HZ)) == 1600


def test_one_sample_is_a_waveform(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(1) / 2, RATE_HZ)
    assert sound_file.read(tmp_path / "a.wav", RATE_HZ).tolist() == [0.5]


def test_samples_beyond_full_scale_are_clipped_and_noted(tmp_path):
    wave = np.array([0.5, 1.5, -2.0, 1.0])
    soundfile.write(tmp_path / "a.wav", wave, RATE_HZ, "FLOAT")
    waveform, notes = streamed(tmp_path / "a.wav")
    assert waveform.tolist() == [0.5, 1.0, -1.0, 1.0]
    assert notes == ("2 samples beyond full scale (peak 2) were clipped",)


def test_resampling_stays_within_full_scale(tmp_path):
    square = np.sign(tone(0.5, 44_100, hz=100.0) + 1e-9)
    soundfile.write(tmp_path / "a.wav", square, 44_100, "FLOAT")
    waveform, notes = streamed(tmp_path / "a.wav")
    assert np.abs(waveform).max() == 1.0
    assert notes == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_are_refused(tmp_path, bad):
    wave = tone(5.0)
    wave[70_000] = bad  # Not in the first block.
    soundfile.write(tmp_path / "a.wav", wave, RATE_HZ, "FLOAT")
    with pytest.raises(SoundFileError, match=r"a\.wav has samples that are NaN or inf"):
        sound_file.read(tmp_path / "a.wav", RATE_HZ)


def test_integers_saved_as_float_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(0.1) * 32768, RATE_HZ, "FLOAT")
    with pytest.raises(SoundFileError, match="where full scale is 1"):
        sound_file.read(tmp_path / "a.wav", RATE_HZ)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SoundFileError, match=r"File not found: .*none\.wav"):
        sound_file.read(tmp_path / "none.wav", RATE_HZ)


def test_a_folder_is_no_sound_file(tmp_path):
    with pytest.raises(SoundFileError, match="is a folder"):
        sound_file.read(tmp_path, RATE_HZ)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.wav", b"", "is empty \\(0 bytes\\)"),
        ("a.wav", b"not a sound at all", "cannot be read as sound"),
        ("a.m4a", b"\0\0\0\x18ftypmp42" + bytes(100), "Convert it to WAV or FLAC"),
        ("a.raw", bytes(100), "cannot be read as sound"),
    ],
)
def test_a_file_that_is_no_sound_is_refused_in_one_sentence(
    tmp_path, name, content, message
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SoundFileError, match=message) as caught:
        sound_file.read(tmp_path / name, RATE_HZ)
    assert "\n" not in str(caught.value)


def test_a_sound_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE_HZ)
    with pytest.raises(SoundFileError, match="no sound in it"):
        sound_file.read(tmp_path / "a.wav", RATE_HZ)


def test_a_sound_that_resampling_leaves_nothing_of_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(1) / 2, 96_000)
    with pytest.raises(SoundFileError, match="no sound in it"):
        sound_file.read(tmp_path / "a.wav", RATE_HZ)


def test_a_wav_that_was_cut_short_is_read_and_noted(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0), RATE_HZ)
    os.truncate(path, path.stat().st_size // 2)
    waveform, notes = streamed(path)
    assert 7_000 < len(waveform) < 8_100
    assert "may be cut short" in notes[0]


def test_flac_without_a_whole_frame_is_refused(tmp_path, rng):
    path = tmp_path / "a.flac"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 80_000), RATE_HZ)
    os.truncate(path, 3000)
    with pytest.raises(SoundFileError, match="no sound in it|is damaged from its"):
        sound_file.read(path, RATE_HZ)
