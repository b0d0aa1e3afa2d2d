from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest
import soundfile

from cry_lite import sound_file, sound_pipe
from cry_lite.errors import SoundFileError
from cry_lite.sound_file import SoundStream

RATE_HZ = 16_000

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="pipes have no names there"
)


@pytest.fixture(params=["WAV", "FLAC", "OGG", "MP3"])
def content(request, tmp_path, rng) -> bytes:
    path = tmp_path / "a"
    sound = rng.uniform(-0.5, 0.5, 3 * RATE_HZ)
    soundfile.write(path, sound, RATE_HZ, format=request.param)
    return path.read_bytes()


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def written(path, content: bytes) -> threading.Thread:
    thread = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    thread.start()
    return thread


def test_a_fifo_gives_what_the_file_gives(fifo, content, tmp_path):
    writer = written(fifo, content)
    waveform = sound_file.read(fifo, RATE_HZ)
    writer.join()
    np.testing.assert_array_equal(waveform, sound_file.read(tmp_path / "a", RATE_HZ))


def test_an_open_pipe_gives_what_the_file_gives(content, tmp_path):
    out, into = os.pipe()

    def feed():
        with os.fdopen(into, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=feed)
    thread.start()
    waveform = sound_file.read(f"/dev/fd/{out}", RATE_HZ)
    thread.join()
    os.close(out)
    np.testing.assert_array_equal(waveform, sound_file.read(tmp_path / "a", RATE_HZ))


def test_standard_input_gives_what_the_file_gives(content, tmp_path):
    code = (
        "import sys; from cry_lite import sound_file;"
        f"sys.stdout.buffer.write(sound_file.read('-', {RATE_HZ}).tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=content, capture_output=True, check=True
    )
    waveform = np.frombuffer(done.stdout, np.float32)
    np.testing.assert_array_equal(waveform, sound_file.read(tmp_path / "a", RATE_HZ))


def test_a_writer_that_comes_late_is_waited_for_with_a_word(
    fifo, content, monkeypatch, caplog
):
    monkeypatch.setattr(sound_pipe, "_PATIENCE_S", 0.05)
    late = threading.Timer(0.3, fifo.write_bytes, args=(content,))
    late.start()
    with caplog.at_level(logging.WARNING, "cry_lite"):
        assert len(sound_file.read(fifo, RATE_HZ)) >= 3 * RATE_HZ
    assert caplog.messages == [f"waiting for sound from {fifo}"]


def test_a_pipe_that_gives_nothing_is_empty(fifo):
    writer = written(fifo, b"")
    with pytest.raises(SoundFileError, match=r"fifo is empty \(0 bytes\)"):
        sound_file.read(fifo, RATE_HZ)
    writer.join()


def test_a_pipe_that_never_ends_is_refused(fifo, monkeypatch):
    monkeypatch.setattr(sound_pipe, "_MOST_BYTES", 1 << 20)
    # The writer is told by SIGPIPE that nobody reads.
    with (
        subprocess.Popen(["sh", "-c", f"exec cat /dev/zero >'{fifo}'"]) as endless,
        pytest.raises(SoundFileError, match="Save the sound to a file"),
    ):
        sound_file.read(fifo, RATE_HZ)
    assert endless.returncode


def test_a_long_pipe_goes_to_the_disk(fifo, content, tmp_path, monkeypatch):
    monkeypatch.setattr(sound_pipe, "_IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    writer = written(fifo, content)
    waveform = sound_file.read(fifo, RATE_HZ)
    writer.join()
    np.testing.assert_array_equal(waveform, sound_file.read(tmp_path / "a", RATE_HZ))
    assert sorted(os.listdir(tmp_path)) == ["a", "fifo"]


def test_asking_a_pipe_for_its_length_does_not_eat_its_sound(fifo, content):
    with pytest.raises(SoundFileError, match="is a pipe, which gives its sound once"):
        sound_file.info(fifo)
    writer = written(fifo, content)
    assert len(sound_file.read(fifo, RATE_HZ)) >= 3 * RATE_HZ
    writer.join()


def test_a_device_is_no_sound_file():
    with pytest.raises(SoundFileError, match="/dev/zero is a device"):
        SoundStream("/dev/zero", RATE_HZ)


def test_a_pipe_without_a_length_in_its_header_is_read_without_one(fifo, tmp_path):
    # What sox and ffmpeg write to a pipe.
    soundfile.write(tmp_path / "a.wav", np.full(RATE_HZ, 0.25), RATE_HZ)
    whole = bytearray((tmp_path / "a.wav").read_bytes())
    whole[40:44] = whole[4:8] = b"\xff\xff\xff\xff"
    writer = written(fifo, bytes(whole))
    with SoundStream(fifo, RATE_HZ) as sound:
        assert sum(len(block) for block in sound) == RATE_HZ
        assert "says no length" in sound.notes()[0]
    writer.join()


def test_asking_standard_input_for_its_length_is_refused():
    with pytest.raises(SoundFileError, match="standard input is a pipe"):
        sound_file.info("-")
