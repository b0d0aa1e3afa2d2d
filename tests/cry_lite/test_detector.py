from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
import soundfile

import cry_lite
from cry_lite.detector import Analyzer
from cry_lite.errors import ModelFileError, SoundFileError
from cry_lite.metadata import pack
from cry_lite.spec import DecisionSpec

RATE_HZ = 16_000


@pytest.fixture
def analyzer(model_file) -> Analyzer:
    return Analyzer(model_file)


@pytest.fixture
def make_sound(tmp_path, rng):
    """Writes a sound of loud and quiet seconds, such as "..LL."."""

    def make(pattern: str, name="a.wav", rate_hz=RATE_HZ, subtype="FLOAT", channels=1):
        parts = [
            rng.uniform(-0.4, 0.4, rate_hz) * (part == "L") + 0.0 for part in pattern
        ]
        wave = np.repeat(np.concatenate(parts)[:, None], channels, axis=1)
        soundfile.write(tmp_path / name, wave, rate_hz, subtype)
        return tmp_path / name

    return make


@pytest.fixture
def make_model(dynamic_network, spec, tmp_path):
    """Writes the network for any length with a decision of its own."""

    def make(decision: DecisionSpec):
        path = tmp_path / "decided.tflite"
        path.write_bytes(pack(dynamic_network, spec.replace(decision=decision), {}))
        return path

    return make


def extents(analysis) -> list[tuple[float, float]]:
    return [(event.start_s, event.end_s) for event in analysis.events]


def test_the_public_names_are_here():
    assert cry_lite.Analyzer is Analyzer
    assert set(cry_lite.__all__) >= {"Analyzer", "FrontEndSpec", "ModelSpec", "read"}
    for name in cry_lite.__all__:
        assert getattr(cry_lite, name).__module__.startswith("cry_lite.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cry_lite.nothing  # noqa: B018


def test_crying_is_found_where_it_is(analyzer, make_sound):
    analysis = analyzer.analyze_file(make_sound("..LLL...L"))
    # Windows of 1 s every 0.5 s that are half loud count, each for 0.5 s about
    # its centre; the last window counts to the end of the sound.
    assert extents(analysis) == [(1.75, 5.25), (7.75, 9.0)]
    assert analysis.events[0].peak > 0.99
    assert analysis.duration_s == 9.0
    assert analysis.notes == ()


def test_silence_is_no_crying(analyzer, make_sound):
    analysis = analyzer.analyze_file(make_sound("..."))
    assert analysis.events == ()
    assert analysis.label == "no_cry"
    assert analysis.score == analysis.clip_scores[1] < 0.01


def test_the_score_of_a_clip_is_that_of_its_highest_window(analyzer, make_sound):
    analysis = analyzer.analyze_file(make_sound("L.."))
    assert analysis.scores.shape == (5, 2)
    assert analysis.windows[:, 0].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert analysis.windows[:, 1].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    highest = analysis.scores[:, 1].max()
    np.testing.assert_array_equal(analysis.clip_scores[1], highest)
    assert analysis.clip_scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("threshold", [0.3, 0.95])
def test_label_events_and_json_agree_at_any_threshold(
    make_model, make_sound, rng, threshold
):
    decision = DecisionSpec(
        window_s=1.0, hop_s=0.5, onset_threshold=threshold, offset_threshold=0.2
    )
    analyzer = Analyzer(make_model(decision))
    soundfile.write(
        path := make_sound("."), rng.uniform(-0.1, 0.1, 4 * RATE_HZ) * 1.03, RATE_HZ
    )
    analysis = analyzer.analyze_file(path)
    # The network scores this sound between the two thresholds.
    assert 0.3 < analysis.clip_scores[1] < 0.95
    is_cry = threshold == 0.3
    assert analysis.label == ("cry" if is_cry else "no_cry")
    assert bool(analysis.events) == is_cry
    values = analysis.to_dict()
    assert values["label"] == analysis.label
    assert bool(values["events"]) == is_cry
    # One figure that tells the answer, whichever it is.
    assert values["score"] == values["scores"]["cry"]
    assert (values["score"] >= threshold) == is_cry


@pytest.mark.parametrize("samples", [1, 160, 1600])
def test_a_very_short_clip_is_heard(analyzer, tmp_path, rng, samples):
    soundfile.write(tmp_path / "a.wav", np.full(samples, 0.5), RATE_HZ)
    analysis = analyzer.analyze_file(tmp_path / "a.wav")
    assert analysis.scores.shape == (1, 2)
    assert extents(analysis) == [(0.0, samples / RATE_HZ)]


def test_a_waveform_gives_the_scores_of_its_file(analyzer, make_sound):
    path = make_sound("L.L")
    starts, ends, scores = analyzer.scores(cry_lite.read(path, RATE_HZ))
    analysis = analyzer.analyze_file(path)
    np.testing.assert_array_equal(analysis.windows, np.stack([starts, ends], 1))
    np.testing.assert_array_equal(analysis.scores, scores)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_another_rate_and_stereo_change_nothing_but_are_told(
    analyzer, make_sound, rate_hz
):
    path = make_sound("..LL..", rate_hz=rate_hz, subtype="PCM_24", channels=2)
    analysis = analyzer.analyze_file(path)
    assert extents(analysis) == [(1.75, 4.25)]
    assert analysis.source_sample_rate_hz == rate_hz
    assert analysis.sample_rate_hz == RATE_HZ


def test_clipping_is_told(analyzer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(100, 1.5), RATE_HZ, "FLOAT")
    analysis = analyzer.analyze_file(tmp_path / "a.wav")
    assert "100 samples beyond full scale" in analysis.notes[0]


def test_an_analysis_is_json(analyzer, make_sound):
    path = make_sound(".L.", "schreit ä.wav", rate_hz=8_000)
    values = json.loads(json.dumps(analyzer.analyze_file(path).to_dict()))
    assert values["path"] == str(path)
    assert values["duration_s"] == 3.0
    assert values["source_sample_rate_hz"] == 8_000
    assert list(values["scores"]) == ["no_cry", "cry"]
    assert values["label"] in values["scores"]
    assert values["events"][0]["label"] == "cry"


def test_progress_ends_at_one(analyzer, make_sound):
    shares = []
    analyzer.analyze_file(make_sound("." * 20), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(0, np.float32),
        np.zeros((2, 100), np.float32),
        np.zeros(100, np.int16),
        np.array([0.1, np.nan]),
        np.array([np.inf, 0.1]),
        np.full(100, 3_000.0, np.float32),
    ],
)
def test_what_is_no_waveform_is_refused(analyzer, waveform):
    with pytest.raises(ValueError, match="waveform must"):
        analyzer.scores(waveform)


def test_a_bad_sound_file_is_refused(analyzer, tmp_path):
    with pytest.raises(SoundFileError, match="File not found"):
        analyzer.analyze_file(tmp_path / "none.wav")


def test_a_night_needs_the_memory_of_a_minute(analyzer, tmp_path):
    """Traces what NumPy and Python allocate for 4 minutes at 44.1 kHz stereo."""
    minute = np.zeros((60 * 44_100, 2), np.int16)
    path = tmp_path / "night.flac"
    with soundfile.SoundFile(path, "w", 44_100, 2) as file:
        for _ in range(4):
            file.write(minute)
    tracemalloc.start()
    try:
        analysis = analyzer.analyze_file(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert analysis.duration_s == 240.0
    assert len(analysis.scores) == 479
    assert peak_bytes < 4e6  # The waveform has 15 MB, decoded 85 MB.


def test_a_static_network_hears_what_a_dynamic_one_hears(
    network, spec, analyzer, make_sound, tmp_path
):
    path = tmp_path / "static.tflite"
    path.write_bytes(pack(network(1, RATE_HZ), spec, {}))
    sound = make_sound("..LL.")
    static, dynamic = Analyzer(path), analyzer
    assert static.input_samples == RATE_HZ
    assert dynamic.input_samples is None
    np.testing.assert_allclose(
        static.analyze_file(sound).scores, dynamic.analyze_file(sound).scores, atol=1e-6
    )


def test_labels_must_be_as_many_as_the_scores(dynamic_network, spec, tmp_path):
    path = tmp_path / "cry.tflite"
    three = spec.replace(labels=("no_cry", "cry", "laugh"))
    path.write_bytes(pack(dynamic_network, three, {}))
    with pytest.raises(ModelFileError, match="3 labels but its network gives 2 scores"):
        Analyzer(path)


def test_a_static_network_must_hold_a_window(network, spec, tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(pack(network(1, 1000), spec, {}))
    with pytest.raises(ModelFileError, match="windows of 16000 samples but"):
        Analyzer(path)


def test_a_network_without_settings_is_refused(dynamic_network, tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(dynamic_network)
    with pytest.raises(ModelFileError, match="has no cry-tf settings inside"):
        Analyzer(path)


def test_a_damaged_network_never_reaches_the_interpreter(
    model_file, tmp_path, monkeypatch, rng
):
    content = model_file.read_bytes()
    network_bytes = Analyzer(model_file).metadata.flatbuffer_bytes
    monkeypatch.setattr("cry_lite.detector.LiteRTModel", lambda *_: pytest.fail("ran"))
    path = tmp_path / "cry.tflite"
    for index in rng.integers(8, network_bytes, 50):
        damaged = bytearray(content)
        damaged[index] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="is damaged"):
            Analyzer(path)


def test_a_network_that_gives_nan_is_refused(spec, tmp_path, make_sound):
    import tensorflow as tf

    class Broken(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
        def __call__(self, waveform):
            total = tf.reduce_sum(waveform, -1, keepdims=True)
            return tf.concat([total, tf.math.log(-1.0 - total * total)], axis=-1)

    module = Broken()
    content = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    ).convert()
    path = tmp_path / "cry.tflite"
    path.write_bytes(pack(content, spec, {}))
    with pytest.raises(ModelFileError, match="a score that is not a number at 0.0 s"):
        Analyzer(path).analyze_file(make_sound("L"))


def test_a_reason_model_names_its_reasons(dynamic_network, spec, tmp_path, make_sound):
    path = tmp_path / "reason.tflite"
    reason = spec.replace(
        task="reason",
        labels=("tired", "hungry"),
        positive_label=None,
        decision=DecisionSpec(window_s=1.0, hop_s=1.0),
    )
    path.write_bytes(pack(dynamic_network, reason, {}))
    analysis = Analyzer(path).analyze_file(make_sound("..LL"))
    assert [(e.label, e.start_s, e.end_s) for e in analysis.events] == [
        ("tired", 0.0, 2.0),
        ("hungry", 2.0, 4.0),
    ]
