import sys

import numpy as np
import pytest
import soundfile

from cry_lite import sound_file
from cry_lite.errors import SoundFileError
from cry_tf.data import load, sound_source

av = pytest.importorskip("av")


def _encode(path, waveform, rate_hz, codec, video=False):
    """Writes float32 (samples,) into a container, after some video if asked."""
    with av.open(str(path), "w") as container:
        if video:
            picture = container.add_stream("mpeg4", rate=10)
            picture.width = picture.height = 32
            picture.pix_fmt = "yuv420p"
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = "mono"
        if video:
            for _ in range(5):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(
            waveform[None].astype(np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _tone(seconds, rate_hz, hz=440):
    return 0.5 * np.sin(2 * np.pi * hz / rate_hz * np.arange(round(seconds * rate_hz)))


@pytest.mark.parametrize(
    ("suffix", "video"), [(".m4a", False), (".mp4", True), (".mov", True)]
)
def test_sound_is_taken_out_of_containers(tmp_path, suffix, video):
    path = _encode(tmp_path / f"x{suffix}", _tone(1, 44_100), 44_100, "aac", video)
    info = sound_source.info(path)
    assert info.sample_rate_hz == 44_100
    assert info.channels == 1
    assert info.subtype == "AAC"
    assert info.duration_s == pytest.approx(1, abs=0.05)
    waveform = sound_source.read(path, 16_000)
    assert waveform.dtype == np.float32
    assert len(waveform) == pytest.approx(16_000, abs=800)
    middle = waveform[4000:12_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(8000)))
    assert spectrum.argmax() * 2 == pytest.approx(440, abs=4)
    # AAC keeps the level; at 0.5 the RMS is 0.354.
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.354, abs=0.02)


def test_a_core_audio_file_is_read_by_libsndfile_if_it_can(tmp_path):
    path = tmp_path / "x.caf"
    soundfile.write(path, _tone(0.5, 16_000), 16_000, format="CAF", subtype="PCM_16")
    assert sound_source.info(path).subtype == "PCM_16"
    assert len(sound_source.read(path, 16_000)) == 8000


def test_channels_are_averaged(write, rng):
    stereo = rng.uniform(-0.5, 0.5, (4000, 2))
    path = write("x.wav", stereo, subtype="FLOAT")
    waveform, rate_hz, notes = sound_source.read_native(path)
    np.testing.assert_allclose(waveform, stereo.mean(axis=1), atol=1e-6)
    assert rate_hz == 16_000
    assert notes == ()


def test_24_bits_are_read_at_full_precision(write):
    wave = np.array([0.1, -0.2, 2**-20, 0.999])
    waveform, _, _ = sound_source.read_native(write("x.wav", wave, subtype="PCM_24"))
    np.testing.assert_allclose(waveform, wave, atol=2**-23)


@pytest.mark.parametrize("suffix", [".mp4", ".m4a", ".3gp", ".caf", ".aac"])
def test_nonsense_in_a_container_is_named(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"nonsense " * 100)
    for function in (
        sound_source.info,
        sound_source.read_native,
        lambda path: sound_source.read(path, 16_000),
    ):
        with pytest.raises(SoundFileError, match="x" + suffix):
            function(path)


def test_a_missing_container_is_named(tmp_path):
    with pytest.raises(SoundFileError, match=r"gone\.mp4"):
        sound_source.read(tmp_path / "gone.mp4", 16_000)


def test_a_video_without_sound_says_so(tmp_path):
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SoundFileError, match="no sound track"):
        sound_source.read(path, 16_000)


def test_without_pyav_the_pip_line_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / "x.m4a"
    path.write_bytes(b"x")
    with pytest.raises(SoundFileError, match=r'pip install "cry-tf\[video\]"'):
        sound_source.read(path, 16_000)


def test_videos_belong_to_a_dataset(write, tmp_path):
    write("noise/1.wav")
    (tmp_path / "cry").mkdir()
    _encode(tmp_path / "cry" / "2.MP4", _tone(0.5, 16_000), 16_000, "aac", video=True)
    data = load(tmp_path)
    assert data.label_counts == {"cry": 1, "noise": 1}
    assert data.check_audio() == []


@pytest.mark.assets
def test_raw_phone_uploads_sound_like_their_lossless_copies(assets):
    raw = sorted((assets / "data" / "donateacry_raw").iterdir())
    assert {path.suffix for path in raw} == {".3gp", ".caf"}
    for path in raw:
        waveform = sound_source.read(path, 8_000)
        (copy,) = (assets / "data" / "donateacry").glob(f"*/{path.stem}.flac")
        lossless = sound_source.read(copy, 8_000)
        assert len(waveform) == pytest.approx(len(lossless), abs=1600)
        # The copies were cleaned by other decoders: the envelope must agree.
        n = min(len(waveform), len(lossless)) // 800 * 800
        envelopes = [
            np.sqrt((w[:n].reshape(-1, 800) ** 2).mean(axis=1))
            for w in (waveform, lossless)
        ]
        assert np.corrcoef(envelopes)[0, 1] > 0.95, path.name


@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
@pytest.mark.parametrize("rate_hz", [44_100, 16_000])
def test_a_stream_is_what_reading_gives(tmp_path, rng, suffix, rate_hz):
    wave = _tone(5, 44_100) + rng.normal(0, 0.05, 5 * 44_100)
    path = tmp_path / f"x{suffix}"
    if suffix == ".wav":
        soundfile.write(path, wave, 44_100)
    else:
        _encode(path, wave, 44_100, "aac")
    blocks = list(sound_source.stream(path, rate_hz))
    assert len(blocks) > 2
    assert all(0 < len(block) <= 2 * 65_536 for block in blocks)
    assert all(block.dtype == np.float32 for block in blocks)
    whole = sound_source.read(path, rate_hz)
    # Both resample with the same filter, in float32.
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5)


def test_a_stream_tells_what_was_noticed(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.full(1000, 1.5), 16_000, subtype="FLOAT")
    notes = []
    assert np.concatenate(list(sound_source.stream(path, 16_000, notes.append))).max()
    assert notes == ["1000 samples beyond full scale (peak 1.5) were clipped"]


def test_a_stream_of_what_is_no_recording_is_refused(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(SoundFileError, match="cannot be decoded"):
        next(sound_source.stream(path, 16_000))


def test_channels_that_cancel_keep_the_sound_of_a_video(tmp_path, rng):
    path = tmp_path / "x.mkv"
    left = rng.uniform(-0.5, 0.5, 48_000).astype(np.float32)
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_f32le", rate=16_000)
        track.layout = "stereo"
        both = np.stack([left, -left], axis=1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(both, format="flt", layout="stereo")
        frame.sample_rate = 16_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    waveform, _, notes = sound_source.read_native(path)
    np.testing.assert_allclose(waveform, left, atol=1e-6)
    assert "cancel each other in 3.0 s" in notes[0]


@pytest.mark.parametrize("suffix", [".m4a", ".mkv", ".aac"])
def test_what_comes_before_a_cut_in_a_container_is_kept_and_noted(tmp_path, suffix):
    how = {"movflags": "faststart"} if suffix == ".m4a" else {}
    path = tmp_path / f"x{suffix}"
    wave = _tone(8, 16_000)
    with av.open(str(path), "w", options=how) as container:
        track = container.add_stream("aac", rate=16_000)
        track.layout = "mono"
        for at in range(0, len(wave), 1024):
            piece = wave[None, at : at + 1024].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, at
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    whole, _, notes = sound_source.read_native(path)
    assert notes == ()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])
    waveform, _, notes = sound_source.read_native(path)
    assert 0.4 * len(whole) < len(waveform) < 0.7 * len(whole)
    kept = len(waveform) - 2048
    np.testing.assert_allclose(waveform[:kept], whole[:kept], atol=1e-5)
    assert notes or suffix == ".aac"  # Which has no header to promise anything.
    (problem,) = _problems_of(path, tmp_path) or (None,)
    assert suffix == ".aac" or problem.is_usable


def _problems_of(path, tmp_path):
    folder = tmp_path / "set" / "cry"
    folder.mkdir(parents=True)
    path.rename(folder / path.name)
    return load(tmp_path / "set").check_audio()


def test_damage_inside_a_container_costs_its_packet(tmp_path, rng):
    path = _encode(tmp_path / "x.m4a", _tone(20, 44_100), 44_100, "aac")
    whole = sound_source.read(path, 44_100)
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat") + len(content) // 3
    content[at : at + 400] = rng.bytes(400)
    path.write_bytes(content)
    waveform, _, notes = sound_source.read_native(path)
    assert len(waveform) > 0.7 * len(whole)
    np.testing.assert_allclose(waveform[:44_100], whole[:44_100], atol=1e-5)
    assert len(waveform) > 0.98 * len(whole) or notes


def test_training_reads_what_the_device_reads(tmp_path, write):
    path = write("a/x.flac", 0.5 * np.sin(np.arange(80_000) / 20))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # No length, as from a pipe.
    path.write_bytes(content)
    waveform, rate_hz, notes = sound_source.read_native(path)
    assert (len(waveform), notes) == (80_000, ())
    np.testing.assert_array_equal(waveform, sound_file.read(path, rate_hz))
    assert sound_source.info(path).frames == 80_000
    assert load(tmp_path).check_audio() == []


def test_channels_that_change_within_a_file_are_left_out_with_a_note(tmp_path):
    contents = []
    for layout in ("mono", "stereo"):
        path = tmp_path / f"{layout}.aac"
        with av.open(str(path), "w") as container:
            track = container.add_stream("aac", rate=16_000)
            track.layout = layout
            wave = np.tile(_tone(2, 16_000).astype(np.float32), (track.channels, 1))
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout=layout)
            frame.sample_rate = 16_000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
        contents.append(path.read_bytes())
    path = tmp_path / "both.aac"
    path.write_bytes(b"".join(contents))
    alone = sound_source.read(tmp_path / "mono.aac", 16_000)
    waveform, _, notes = sound_source.read_native(path)
    assert len(waveform) == pytest.approx(len(alone), abs=2048)
    assert "the file is damaged at 2." in notes[0]
