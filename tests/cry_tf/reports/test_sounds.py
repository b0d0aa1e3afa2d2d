import numpy as np
import soundfile

from cry_tf.reports import sounds


def test_sounds_stop_at_the_limit_of_the_page_and_say_so(tmp_path, rng):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.wav")
        soundfile.write(paths[-1], rng.uniform(-1, 1, 16_000), 16_000)
    made = sounds.embed(paths, max_bytes=120_000)
    sizes = [len(each.audio) + len(each.spectrogram) for each in made]
    assert sizes[0] > 0
    assert sum(sizes) <= 120_000
    assert made[2].audio == ""
    assert "limited to 0.12 MB" in made[2].note


def test_a_long_recording_is_not_decoded_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "night.flac"
    soundfile.write(path, np.zeros(16_000 * 600, np.int16), 16_000)
    read = []
    from cry_tf.data import sound_source

    real = sound_source.stream

    def counted(*args):
        for block in real(*args):
            read.append(len(block))
            yield block

    monkeypatch.setattr(sound_source, "stream", counted)
    [sound] = sounds.embed([path])
    assert sound.note == "The first 10 s."
    assert sum(read) < 16_000 * 60


def test_silence_and_one_sample_have_a_player(tmp_path):
    for name, samples in (("silence", 16_000), ("one", 1)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.zeros(samples), 16_000)
        [sound] = sounds.embed([path])
        assert sound.audio.startswith("data:audio/flac;base64,")
        assert sound.note == ""
