"""Files as dying recorders, pipes and converters leave them, made from whole ones."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest
import soundfile

from cry_lite import sound_file
from cry_lite.errors import SoundFileError
from cry_lite.sound_file import SoundStream

RATE_HZ = 16_000
SECONDS = 6.0
STOPPED = "read to the end of the file"
CUT = "may be cut short"


@pytest.fixture
def wave(rng) -> np.ndarray:
    """Six seconds whose every second differs, in steps of 16 bits."""
    time_s = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * (300 + 60 * time_s) * time_s)
    noise = rng.normal(0, 0.02, len(tone))
    return (np.round(32768 * (0.4 * tone + noise)) / 32768).astype(np.float32)


@pytest.fixture
def make(tmp_path, wave):
    """Writes the wave in a format and returns its path and bytes."""

    def write(name: str, **how):
        path = tmp_path / name
        how = {"subtype": "PCM_16"} | how if name[-3:] not in ("ogg", "mp3") else how
        with soundfile.SoundFile(path, "w", RATE_HZ, 1, **how) as file:
            for start in range(0, len(wave), RATE_HZ):  # libsndfile's Vorbis overflows.
                file.write(wave[start : start + RATE_HZ])
        return path, bytearray(path.read_bytes())

    return write


def streamed(path) -> tuple[np.ndarray, tuple[str, ...]]:
    with SoundStream(path, RATE_HZ) as sound:
        waveform = np.concatenate(list(sound))
    assert sound_file.info(path).sample_rate_hz == RATE_HZ
    return waveform, sound.notes()


def patch(path, content, at, form, *values):
    struct.pack_into(form, content, at, *values)
    path.write_bytes(content)


@pytest.mark.parametrize("riff_bytes", [0, 36, 0xFFFFFFFF])
@pytest.mark.parametrize("data_bytes", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 3200])
def test_a_recorder_that_died_leaves_all_its_sound(make, wave, riff_bytes, data_bytes):
    path, content = make("a.wav")
    struct.pack_into("<I", content, 4, riff_bytes)
    patch(path, content, 40, "<I", data_bytes)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert len(notes) == 1
    assert STOPPED in notes[0]
    assert sound_file.info(path).duration_s == SECONDS


def test_sound_that_begins_like_a_chunk_or_with_zeros_is_sound(tmp_path):
    for begin in (b"LIST", b"data", b"RIFF", bytes(12)):
        path = tmp_path / "a.wav"
        sound = begin + np.full(8000, 500, "<i2").tobytes()
        path.write_bytes(
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0"
            + struct.pack("<IIHH4sI", RATE_HZ, 2 * RATE_HZ, 2, 16, b"data", 0)
            + sound
        )
        waveform, notes = streamed(path)
        assert len(waveform) == len(sound) // 2, begin
        assert len(notes) == 1


@pytest.mark.parametrize(
    ("name", "how", "marker", "offset", "form"),
    [
        ("a.w64", {"format": "W64"}, b"data\xf3\xac", 16, "<Q"),
        ("a.caf", {"format": "CAF"}, b"data", 4, ">Q"),
        ("a.au", {"format": "AU"}, b".snd", 8, ">I"),
        ("a.aiff", {"format": "AIFF"}, b"SSND", 4, ">I"),
        ("a.rf64", {"format": "RF64"}, b"ds64", 16, "<Q"),
        ("a.wav", {"format": "WAVEX"}, b"data", 4, "<I"),
        ("big.wav", {"endian": "BIG"}, b"data", 4, ">I"),
        ("a.wav", {"subtype": "IMA_ADPCM"}, b"data", 4, "<I"),
        ("a.wav", {"subtype": "ULAW"}, b"data", 4, "<I"),
        ("a.wav", {"subtype": "FLOAT"}, b"data", 4, "<I"),
    ],
)
def test_other_containers_may_promise_nothing_too(
    make, name, how, marker, offset, form
):
    path, content = make(name, **how)
    whole, notes = streamed(path)
    assert notes == ()
    patch(path, content, content.index(marker) + offset, form, 0)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, whole)
    assert len(notes) == 1
    assert STOPPED in notes[0]


@pytest.mark.parametrize(
    ("name", "how", "marker", "offset", "form", "unknown"),
    [
        ("a.au", {"format": "AU"}, b".snd", 8, ">I", 2**32 - 1),
        ("a.caf", {"format": "CAF"}, b"data", 4, ">Q", 2**64 - 1),
    ],
)
def test_a_length_that_the_format_lets_be_unknown_takes_no_note(
    make, wave, name, how, marker, offset, form, unknown
):
    path, content = make(name, **how)
    patch(path, content, content.index(marker) + offset, form, unknown)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert notes == ()


def test_an_aiff_that_counts_no_frames_is_read(make, wave):
    path, content = make("a.aiff", format="AIFF")
    struct.pack_into(">I", content, content.index(b"COMM") + 10, 0)
    patch(path, content, content.index(b"SSND") + 4, ">I", 0)
    np.testing.assert_array_equal(streamed(path)[0], wave)


@pytest.mark.parametrize(
    "tail",
    [
        b"LIST\x0c\0\0\0INFOISFT\0\0\0\0",
        b"LIST\xff\0\0\0INFO",  # The recorder died in its tags.
        b"id3 \x04\0\0\0abcdPEAK\x04\0\0\0abcd",
        b"TAG" + bytes(range(125)),
        bytes(5000),
        b"\0",
        b"abc",
    ],
)
def test_what_follows_the_sound_is_no_sound(make, wave, tail):
    path, content = make("a.wav")
    path.write_bytes(content + tail)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert notes == ()


def test_an_odd_number_of_bytes_is_no_fault(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(1001, 0.25), RATE_HZ, subtype="PCM_U8")
    waveform, notes = streamed(path)
    assert len(waveform) == 1001
    assert notes == ()
    # Without the byte that makes it even, as some write it.
    content = path.read_bytes()[:-1] + b"LIST\x04\0\0\0INFO"
    path.write_bytes(content)
    assert streamed(path)[1] == ()
    assert len(streamed(path)[0]) == 1001


def test_a_second_recording_in_a_wav_is_named(make, wave):
    path, content = make("a.wav")
    path.write_bytes(content + content)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert "another recording" in notes[0]


def test_a_wav_of_more_than_32_bits_can_tell_is_read_to_its_end(make, wave):
    path, content = make("a.wav")
    # The wave, almost 4 GiB of silence, no byte of it on the disk, and the wave again.
    # The header tells what 32 bits can of that: the last wave's length.
    with open(path, "r+b") as file:
        file.seek(len(content))
        file.write(content[44:100])
        file.seek(44 + (1 << 32))
        file.write(content[44:])
    info = sound_file.info(path)
    assert info.frames == (1 << 31) + len(wave)
    assert path.stat().st_blocks * 512 < 1 << 24


@pytest.mark.parametrize(
    "name", ["a.wav", "a.aiff", "a.w64", "a.caf", "a.au", "a.rf64"]
)
def test_what_was_cut_off_is_told_to_the_tenth_of_a_second(make, wave, name):
    form = {"aiff": "AIFF", "wav": "WAV"}.get(name[2:], name[2:].upper())
    path, content = make(name, format=form)
    os.truncate(path, len(content) - 2 * 2 * RATE_HZ)  # Two seconds.
    waveform, notes = streamed(path)
    np.testing.assert_allclose(len(waveform), 4 * RATE_HZ, atol=64)
    np.testing.assert_array_equal(waveform, wave[: len(waveform)])
    assert len(notes) == 1
    assert CUT in notes[0]
    assert "4.0 s could be read, its header promises 6.0 s" in notes[0]


# --- FLAC


@pytest.mark.parametrize("promised", [0, 1000, 16_000])
@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)])
def test_flac_is_read_to_its_end_whatever_it_promises(make, wave, promised, tag):
    path, content = make("a.flac")
    fields = struct.unpack_from(">Q", content, 18)[0]
    content += tag
    patch(path, content, 18, ">Q", fields >> 36 << 36 | promised)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert notes == ()
    assert promised or sound_file.info(path).duration_s == SECONDS


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.opus"])
def test_what_comes_before_a_cut_is_kept_and_noted(make, name, share):
    how = {"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}
    path, content = make(name, **how)
    whole, notes = streamed(path)
    assert notes == ()
    os.truncate(path, round(share * len(content)))
    waveform, notes = streamed(path)
    assert len(waveform) > (share - 0.25) * len(whole)
    # A codec may end otherwise what has no successor.
    kept = len(waveform) - 3000
    np.testing.assert_allclose(waveform[:kept], whole[:kept], atol=1e-6)
    assert CUT in notes[-1]


def test_flac_goes_on_after_damage(make, wave, rng):
    path, content = make("a.flac")
    middle = len(content) // 2
    content[middle : middle + 2000] = rng.bytes(2000)
    path.write_bytes(content)
    waveform, notes = streamed(path)
    # Frames of 4096 samples: one or two are damaged, one more is lost with them.
    assert len(wave) - 5 * 4096 <= len(waveform) < len(wave)
    np.testing.assert_array_equal(waveform[-4096:], wave[-4096:])
    assert "damaged at" in notes[0]
    assert "its header promises 6.0 s" in notes[1]


def test_two_flac_files_in_one_are_both_read(make, wave):
    path, content = make("a.flac")
    path.write_bytes(content + content)
    waveform, _ = streamed(path)
    assert len(waveform) > 2 * len(wave) - 5 * 4096
    np.testing.assert_array_equal(waveform[-4096:], wave[-4096:])


# --- Ogg


def test_ogg_streams_that_follow_each_other_are_all_read(make):
    path, content = make("a.ogg")
    whole, _ = streamed(path)
    path.write_bytes(content + content + content)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, np.tile(whole, 3))
    assert notes == ()


def test_damage_in_an_ogg_file_is_noted(make, wave, rng):
    path, content = make("a.ogg")
    middle = len(content) // 2
    content[middle : middle + 500] = rng.bytes(500)
    path.write_bytes(content)
    waveform, notes = streamed(path)
    assert len(waveform) < len(wave)
    assert "the file is damaged" in notes[0]
    assert "its header promises 6.0 s" in notes[-1]


def test_the_last_page_of_an_ogg_file_may_be_damaged(make, wave):
    path, content = make("a.ogg")
    content[-100] ^= 1
    path.write_bytes(content)
    waveform, notes = streamed(path)
    assert len(waveform) < len(wave)
    assert "the end of its stream is missing" in notes[0]


def test_what_follows_the_end_of_an_ogg_file_is_no_sound(make):
    path, content = make("a.ogg")
    whole, _ = streamed(path)
    path.write_bytes(content + b"TAG" + bytes(range(125)))
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, whole)
    assert notes == ()


# --- MP3


def without_first_frame(content: bytes) -> bytes:
    """Takes away the frame that tells the length."""
    at = content.index(b"\xff\xf3", 4)
    assert b"Xing" in content[:at] or b"Info" in content[:at]
    return bytes(content[at:])


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("tags", [False, True])
def test_an_mp3_that_tells_no_length_is_read_to_its_end(
    tmp_path, wave, make, mode, tags
):
    # Loud, then quiet: a guess from the first frames is far too short.
    path = tmp_path / "a.mp3"
    quiet = np.concatenate([wave, np.zeros(40 * RATE_HZ, np.float32), wave])
    with soundfile.SoundFile(
        path, "w", RATE_HZ, 1, bitrate_mode=mode, compression_level=0.5
    ) as file:
        file.write(quiet)
    whole, notes = streamed(path)
    assert (len(whole), notes) == (len(quiet), ())
    content = without_first_frame(path.read_bytes())
    if tags:
        content = b"ID3\3\0\0\0\0\0\x0aTIT2abcdef" + content + b"TAG" + bytes(125)
    path.write_bytes(content)
    waveform, notes = streamed(path)
    assert notes == ()
    # The samples of the encoder's delay, which that frame tells, are there as well.
    assert 0 <= len(waveform) - len(quiet) < 3 * 1152
    assert sound_file.info(path).frames == len(waveform)
    # A known place: where the second wave begins, loud after 40 s of silence.
    loud = [int(np.argmax(np.abs(w[20 * RATE_HZ :]) > 0.1)) for w in (waveform, whole)]
    assert loud[0] > 25 * RATE_HZ
    pieces = [
        w[20 * RATE_HZ + at :][: 5 * RATE_HZ]
        for w, at in zip((waveform, whole), loud, strict=True)
    ]
    np.testing.assert_allclose(*pieces, atol=1e-5)


def test_an_mp3_is_the_same_in_blocks_as_in_one_piece(make):
    path, _ = make("a.mp3")
    with soundfile.SoundFile(path) as file:
        whole = file.read(dtype="float32")
    np.testing.assert_array_equal(streamed(path)[0], whole)


def test_mp3_files_that_follow_each_other_are_all_read(make, wave):
    path, content = make("a.mp3")
    path.write_bytes(content + content)
    waveform, notes = streamed(path)
    assert notes == ()
    assert 0 <= len(waveform) - 2 * len(wave) < 5 * 1152


def test_an_mp3_may_begin_in_the_middle_of_a_frame(make, wave):
    path, content = make("a.mp3")
    path.write_bytes(content[1000:])
    waveform, _ = streamed(path)
    assert len(waveform) > 0.9 * len(wave)


def test_damage_in_an_mp3_is_left_out_and_noted(make, wave, rng):
    path, content = make("a.mp3")
    middle = len(content) // 2
    content[middle : middle + 3000] = rng.bytes(3000)
    path.write_bytes(content)
    waveform, notes = streamed(path)
    assert len(wave) - 2 * RATE_HZ < len(waveform) < len(wave)
    assert "damaged at 3.0 s" in notes[0] or "damaged at 2.9 s" in notes[0]
    assert "its header promises 6.0 s" in notes[1]


def test_an_mp3_whose_first_frames_are_damaged_says_so(make, wave, rng):
    path, content = make("a.mp3")
    content[500:2000] = rng.bytes(1500)  # Some headers, and what is between them.
    path.write_bytes(content)
    waveform, notes = streamed(path)
    assert len(waveform) > 0.9 * len(wave)
    assert "the file is damaged at 0." in notes[0]


@pytest.mark.parametrize(
    ("name", "chunk"), [("a.aiff", b"SSND"), ("a.caf", b"data"), ("a.wav", b"data")]
)
def test_a_file_cut_at_the_beginning_of_its_sound_is_refused_in_a_sentence(
    make, name, chunk
):
    path, content = make(name, format=name[2:].upper())
    at = content.index(chunk) + (12 if name == "a.caf" else 8)
    refusals = []
    for left in range(10):
        for filling in (b"\x00", b"\x01", b"\xff"):
            path.write_bytes(content[:at] + filling * left)
            try:
                waveform = sound_file.read(path, RATE_HZ)
            except SoundFileError as error:
                refusals.append(str(error))
            else:
                assert len(waveform) <= 5  # Of those bytes, two a sample.
    assert refusals
    assert all(str(path) in sentence for sentence in refusals)


def test_an_aiff_that_would_skip_its_sound_is_read_from_its_beginning(make, wave):
    path, content = make("a.aiff", format="AIFF")
    patch(path, content, content.index(b"SSND") + 8, ">I", 40_000)
    waveform, notes = streamed(path)
    np.testing.assert_array_equal(waveform, wave)
    assert len(notes) == 1
