import shutil

import numpy as np
import pytest
import soundfile

from cry_lite.errors import SoundFileError
from cry_tf.augment import NoiseFolder
from cry_tf.augment import noise_folder as module

RATE_HZ = 16_000


@pytest.fixture
def ramp(tmp_path):
    """A folder with one file of 5 s, whose samples say where they are."""
    folder = tmp_path / "ramp"
    folder.mkdir()
    samples = np.linspace(0.1, 0.9, 5 * RATE_HZ)
    soundfile.write(folder / "ramp.wav", samples, RATE_HZ, subtype="FLOAT")
    return folder


def place_of(sample):
    return round((float(sample) - 0.1) / 0.8 * (5 * RATE_HZ - 1))


def test_sounds_are_found_at_any_depth_and_sorted(noise_folder):
    (noise_folder / "notes.txt").write_text("no sound")
    (noise_folder / ".hidden.wav").write_bytes(b"no sound either")
    (noise_folder / ".trash").mkdir()
    shutil.copy(noise_folder / "a.wav", noise_folder / ".trash" / "a.wav")
    folder = NoiseFolder(noise_folder)
    names = [path.relative_to(noise_folder).as_posix() for path in folder.files]
    assert names == ["a.wav", "below/b.flac", "c.wav"]
    assert len(folder) == 3


@pytest.mark.parametrize("place", [0.0, 0.25, 1.0])
def test_a_long_noise_is_cut_at_the_place_drawn(ramp, place):
    piece = NoiseFolder(ramp).cut("ramp.wav", place, RATE_HZ, RATE_HZ)
    assert piece.shape == (RATE_HZ,)
    assert place_of(piece[0]) == pytest.approx(place * 4 * RATE_HZ, abs=1)
    assert place_of(piece[-1]) == pytest.approx((place * 4 + 1) * RATE_HZ - 1, abs=1)


def test_a_short_noise_is_repeated_from_the_place_drawn(ramp):
    piece = NoiseFolder(ramp).cut("ramp.wav", 0.5, 12 * RATE_HZ, RATE_HZ)
    assert piece.shape == (12 * RATE_HZ,)
    assert place_of(piece[0]) == pytest.approx(2.5 * RATE_HZ, abs=1)
    np.testing.assert_array_equal(
        piece[: 5 * RATE_HZ], piece[5 * RATE_HZ :][: 5 * RATE_HZ]
    )


def test_a_noise_comes_at_the_rate_asked(noise_folder):
    piece = NoiseFolder(noise_folder).cut("c.wav", 0.0, 3 * 8_000, 8_000)
    spectrum = np.abs(np.fft.rfft(piece))
    assert piece.shape == (24_000,)
    assert spectrum[100:10_000].std() > 0.1 * spectrum.mean()


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_a_very_long_file_is_streamed_to_the_same_piece(ramp, place, monkeypatch):
    expected = NoiseFolder(ramp).cut("ramp.wav", place, RATE_HZ, RATE_HZ)
    monkeypatch.setattr(module, "_LONGEST_CACHED_S", 3.0)
    monkeypatch.setattr(module, "_decoded", None)  # so that using it fails
    streamed = NoiseFolder(ramp).cut("ramp.wav", place, RATE_HZ, RATE_HZ)
    np.testing.assert_array_equal(streamed, expected)


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_a_very_long_file_that_was_cut_gives_what_is_there(ramp, place, monkeypatch):
    path = ramp / "ramp.flac"
    samples, _ = soundfile.read(ramp / "ramp.wav")
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 5])
    whole = NoiseFolder(ramp).cut("ramp.flac", 0.0, 30_000, RATE_HZ)
    assert len(np.unique(whole)) > 20_000  # Two of the five seconds.
    monkeypatch.setattr(module, "_LONGEST_CACHED_S", 3.0)
    monkeypatch.setattr(module, "_decoded", None)
    piece = NoiseFolder(ramp).cut("ramp.flac", place, RATE_HZ, RATE_HZ)
    assert piece.shape == (RATE_HZ,)
    assert (np.diff(piece) >= 0).all()
    assert place_of(piece[-1]) < 2.5 * RATE_HZ


def test_a_silent_stretch_is_passed_over(tmp_path):
    sound = np.zeros(10 * RATE_HZ)
    sound[7 * RATE_HZ : 7 * RATE_HZ + 100] = 0.5
    soundfile.write(tmp_path / "x.wav", sound, RATE_HZ)
    folder = NoiseFolder(tmp_path)
    for place in (0.0, 0.5, 1.0):
        assert folder.cut("x.wav", place, RATE_HZ, RATE_HZ).any()
    assert folder.silent == []


def test_a_silent_file_gives_zeros_and_is_noted_once(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(RATE_HZ), RATE_HZ)
    folder = NoiseFolder(tmp_path)
    for samples in (100, 2 * RATE_HZ):
        assert not folder.cut("x.wav", 0.5, samples, RATE_HZ).any()
    assert folder.silent == [tmp_path / "x.wav"]


def test_a_file_is_decoded_once_while_there_is_room(noise_folder, monkeypatch):
    decoded = module._Decoded(most_bytes=5 * RATE_HZ * 4)
    monkeypatch.setattr(module, "_decoded", decoded)
    folder = NoiseFolder(noise_folder)
    folder.cut("a.wav", 0.0, 100, RATE_HZ)
    with monkeypatch.context() as patch:
        patch.setattr("cry_tf.data.sound_source.read", None)
        folder.cut("a.wav", 1.0, 100, RATE_HZ)
    folder.cut("c.wav", 0.0, 100, RATE_HZ)  # takes the room of a.wav
    assert [key[0] for key in decoded._kept] == [str(noise_folder / "c.wav")]
    assert decoded._bytes == 3 * RATE_HZ * 4


def test_the_digest_follows_names_and_contents(noise_folder, tmp_path):
    digest = NoiseFolder(noise_folder).sha256()
    moved = tmp_path / "moved"
    shutil.copytree(noise_folder, moved)
    assert NoiseFolder(moved).sha256() == digest
    (moved / "a.wav").rename(moved / "b.wav")
    assert NoiseFolder(moved).sha256() != digest
    (moved / "b.wav").rename(moved / "a.wav")
    soundfile.write(moved / "a.wav", np.ones(10), RATE_HZ)
    assert NoiseFolder(moved).sha256() != digest


def test_no_folder_and_an_empty_one_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        NoiseFolder(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(ValueError, match="at least one sound file"):
        NoiseFolder(tmp_path)


def test_a_file_that_is_no_sound_is_named_at_once(noise_folder):
    for number in range(5):
        (noise_folder / f"bad{number}.wav").write_bytes(b"no sound")
    with pytest.raises(SoundFileError, match=r"bad0\.wav.*bad2\.wav.*2 more files"):
        NoiseFolder(noise_folder)


def test_a_file_that_vanishes_or_breaks_is_named_when_it_is_read(noise_folder):
    folder = NoiseFolder(noise_folder)
    (noise_folder / "a.wav").write_bytes(b"broken since")
    with pytest.raises(SoundFileError, match=r"a\.wav"):
        folder.cut("a.wav", 0.0, 100, RATE_HZ)
    (noise_folder / "a.wav").unlink()
    with pytest.raises(SoundFileError, match=r"a\.wav"):
        folder.cut("a.wav", 0.0, 100, RATE_HZ)
