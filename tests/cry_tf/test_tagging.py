from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub import registry
from cry_hub.preset import Preset
from cry_hub.time_mask import real_length
from cry_lite.errors import SoundFileError
from cry_lite.front_ends import PANNS_16K, YAMNET
from cry_lite.windows import window_starts
from cry_tf.tagging import CRY_LABELS, Tagger

RATE_HZ = 16_000
LABELS = ("Speech", *CRY_LABELS)
SEGMENT_FRAMES = 32
SEGMENT_SAMPLES = SEGMENT_FRAMES * PANNS_16K.hop_samples


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def by_loudness(waveforms, training):
    """Logits of whole windows: the maximum, the minimum, and always -2."""
    high, low = tf.reduce_max(waveforms, 1), tf.reduce_min(waveforms, 1)
    return tf.stack([high, low, tf.fill(tf.shape(high), -2.0)], axis=1)


def by_frame(waveforms, training):
    """Logits of frames: the first sample of the segment that each is in."""
    samples = tf.shape(waveforms)[1]
    frames = 1 + samples // PANNS_16K.hop_samples
    last = tf.maximum(1, frames // SEGMENT_FRAMES) - 1
    segment = tf.minimum(tf.range(frames) // SEGMENT_FRAMES, last)
    first = tf.gather(waveforms, segment * SEGMENT_SAMPLES, axis=1)
    return tf.stack([first, -first, 0 * first], axis=2)


@pytest.fixture(scope="module")
def tagger():
    return Tagger(by_loudness, LABELS, PANNS_16K, window_s=1.0)


def test_scores_are_those_of_every_window(tagger, rng):
    waveform = rng.uniform(-1, 1, 53_000).astype("float32")
    starts = window_starts(53_000, 16_000, 8_000)
    windows = [waveform[start : start + 16_000] for start in starts]
    expected = sigmoid([(each.max(), each.min(), -2) for each in windows])
    tags = tagger.tag(waveform)

    assert tags.duration_s == 53_000 / RATE_HZ
    np.testing.assert_allclose(tags.windows[:, 0] * RATE_HZ, starts)
    np.testing.assert_allclose(tags.windows[:, 1] - tags.windows[:, 0], 1.0)
    assert tags.followed == CRY_LABELS
    np.testing.assert_allclose(tags.scores, expected[:, 1:], rtol=1e-5)
    assert [tag.label for tag in tags.tags] == list(LABELS)  # highest mean first
    for tag, scores in zip(tags.tags, expected.T, strict=True):
        assert tag.mean == pytest.approx(scores.mean(), rel=1e-5)
        assert tag.highest == pytest.approx(scores.max(), rel=1e-5)
        assert tag.highest_at_s == starts[scores.argmax()] / RATE_HZ


@pytest.mark.parametrize("block_samples", [700, 16_000, 40_000])
def test_blocks_are_heard_as_one_waveform(tagger, rng, block_samples):
    waveform = rng.uniform(-1, 1, 53_000).astype("float32")
    starts = range(0, len(waveform), block_samples)
    tags = tagger.tag(waveform[start : start + block_samples] for start in starts)
    whole = tagger.tag(waveform)
    assert tags.tags == whole.tags
    np.testing.assert_array_equal(tags.windows, whole.windows)


@pytest.mark.parametrize("samples", [1, 300, 16_000])
def test_a_waveform_no_longer_than_a_window_is_one_window(tagger, samples):
    tags = tagger.tag(np.full(samples, 0.25, "float32"))
    np.testing.assert_allclose(tags.windows, [[0, samples / RATE_HZ]])
    assert tags.tags[0].mean == pytest.approx(sigmoid(0.25))


def segments_of(samples):
    """Where the segments begin and end, and the sample that decides each."""
    window = 32 * SEGMENT_SAMPLES
    covered = samples - samples % window if samples > window else 0
    spans = [
        (start, start + SEGMENT_SAMPLES, start)
        for start in range(0, covered, SEGMENT_SAMPLES)
    ]
    if covered < samples:  # one more window, which ends with the recording
        first = max(0, samples - window)
        count = max(1, min(32, (samples - first) // SEGMENT_SAMPLES))
        for start in first + SEGMENT_SAMPLES * np.arange(count):
            if start + SEGMENT_SAMPLES > covered:
                end = start + SEGMENT_SAMPLES
                spans.append((max(start, covered), end, start))
        spans[-1] = (spans[-1][0], samples, spans[-1][2])
    return np.array(spans)


@pytest.mark.parametrize("segments", [0, 1, 5, 32, 33, 70])
@pytest.mark.parametrize("rest", [1_000, 0])
def test_segments_follow_each_other_to_the_end(segments, rest, rng):
    samples = max(1, segments * SEGMENT_SAMPLES + rest)
    waveform = rng.uniform(-3, 3, samples).astype("float32")
    tagger = Tagger(by_frame, LABELS, PANNS_16K, segment_frames=SEGMENT_FRAMES)
    tags = tagger.tag(waveform)
    begins, ends, deciding = segments_of(samples).T
    assert begins[0] == 0
    np.testing.assert_array_equal(begins[1:], ends[:-1])
    assert ends[-1] == samples
    np.testing.assert_allclose(tags.windows * RATE_HZ, np.stack([begins, ends], 1))
    np.testing.assert_allclose(
        tags.scores[:, 0], sigmoid(-waveform[deciding]), rtol=1e-5
    )


def test_zeros_in_a_recording_are_silence_and_not_padding():
    def by_real_length(waveforms, training):
        length = tf.cast(real_length(waveforms), tf.float32)
        return tf.stack([length / 16_000, length, length], axis=1)

    tagger = Tagger(by_real_length, LABELS, PANNS_16K, window_s=1.0)
    waveform = np.zeros(32_000, "float32")
    waveform[:20_000] = 0.1
    tags = tagger.tag(waveform)
    (speech,) = (tag for tag in tags.tags if tag.label == "Speech")
    assert speech.mean == pytest.approx(sigmoid(1.0))
    assert waveform[-1] == 0  # the caller's array is as it was


def test_the_windows_are_those_of_the_network():
    yamnet = Tagger(by_loudness, LABELS, YAMNET)
    # 96 frames of 25 ms, 10 ms apart
    assert yamnet.window_samples / RATE_HZ == 0.975
    assert yamnet.hop_samples / RATE_HZ == 0.48
    panns = Tagger(by_loudness, LABELS, PANNS_16K)
    assert (panns.window_samples, panns.hop_samples) == (160_000, 80_000)
    segments = Tagger(by_frame, LABELS, PANNS_16K, segment_frames=32, window_s=1.0)
    # Whole segments of 0.32 s, one window after the other.
    assert segments.window_samples == segments.hop_samples == 3 * SEGMENT_SAMPLES


def test_a_long_recording_is_never_in_memory(tagger):
    block = np.full(RATE_HZ, 0.5, "float32")
    tagger.tag(block)
    tracemalloc.start()
    tags = tagger.tag(block for _ in range(900))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tags.duration_s == 900
    # The recording has 58 MB; 32 s of windows that overlap by half, twice, have 8.
    assert peak_bytes < 15e6


def test_the_followed_are_told_besides_the_top(tagger):
    tags = tagger.tag(np.full(100, 0.5, "float32"))
    assert [tag.label for tag in tags.top(1)] == ["Speech", *CRY_LABELS]
    assert tags.top(2) == tags.top(3) == tags.tags
    other = Tagger(by_loudness, LABELS, PANNS_16K, follow=("Speech", "Purr"))
    assert other.followed == ("Speech",)
    none = Tagger(by_loudness, LABELS, PANNS_16K, follow=()).tag(np.ones(100, "f"))
    assert none.scores.shape == (1, 0)
    assert len(none.top(2)) == 2


def test_arguments_out_of_range_are_refused(tagger):
    for window_s in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="window_s must be positive"):
            Tagger(by_loudness, LABELS, PANNS_16K, window_s=window_s)
    with pytest.raises(ValueError, match="segment_frames must be 0 or positive"):
        Tagger(by_frame, LABELS, PANNS_16K, segment_frames=-1)
    for nothing in (np.zeros(0, "float32"), iter(())):
        with pytest.raises(ValueError, match="at least one sample"):
            tagger.tag(nothing)


def test_a_preset_without_classes_names_those_that_have_some():
    with pytest.raises(ValueError, match=r"'ds_cnn_s'.*yamnet_audioset, cnn10"):
        Tagger.from_preset("ds_cnn_s", weights=None)


def test_a_preset_that_decides_by_segments_is_heard_by_segments(monkeypatch, rng):
    cnn10 = registry.get("cnn10_audioset")
    heads = {
        "audioset": "cry_hub.panns.decision_level:max_classifier",
        "frames": "cry_hub.panns.decision_level:frame_classifier",
    }
    facts = {name: getattr(cnn10, name) for name in Preset.__dataclass_fields__}
    small = Preset(**{**facts, "name": "small", "heads": heads})
    monkeypatch.setitem(registry._PRESETS, "small", small)
    tagger = Tagger.from_preset("small", weights=None)
    assert tagger.segment_frames == 16
    assert len(tagger.labels) == 527
    assert tagger.weights_source == "random initialisation"
    tags = tagger.tag(rng.normal(0, 0.1, 32_000).astype("float32"))
    # 101 frames, of which 96 fill segments of 0.16 s
    np.testing.assert_allclose(tags.windows[:, 0], 0.16 * np.arange(6), atol=1e-9)
    assert tags.windows[-1, 1] == 1.0
    assert np.std(tags.scores) > 0


def test_a_file_is_heard_like_its_waveform(tagger, tmp_path, rng):
    import soundfile

    wave = rng.uniform(-0.9, 0.9, 40_000).astype("float32")
    soundfile.write(tmp_path / "x.wav", wave, RATE_HZ, subtype="FLOAT")
    shares, notes = [], []
    tags = tagger.tag_file(
        tmp_path / "x.wav", note=notes.append, progress=shares.append
    )
    assert tags.tags == tagger.tag(wave).tags
    assert notes == []
    assert shares[-1] == 1.0
    with pytest.raises(SoundFileError, match="File not found"):
        tagger.tag_file(tmp_path / "y.wav")


@pytest.mark.assets
def test_the_real_yamnet_tells_cries_from_barks(assets):
    weights = assets / "weights/yamnet/yamnet_reconstructed_folded_f32.npz"
    tagger = Tagger.from_preset("yamnet_audioset", weights)
    assert tagger.weights_sha256 is not None

    def highest(kind, labels):
        found = []
        for path in sorted((assets / "data/esc10" / kind).iterdir())[:6]:
            tags = tagger.tag_file(path).tags
            found.append(max(tag.highest for tag in tags if tag.label in labels))
        return np.array(found)

    # Measured: medians of 0.95, 0.00 and 0.97
    assert np.median(highest("baby_cry", CRY_LABELS)) > 0.5
    assert np.median(highest("dog_bark", CRY_LABELS)) < 0.05
    assert np.median(highest("dog_bark", ("Dog", "Bark"))) > 0.5


def test_every_preset_with_classes_has_those_of_crying():
    for name in cry_hub.presets():
        record = registry.get(name)
        if record.heads:
            assert set(CRY_LABELS) <= set(record.labels)
