from pathlib import Path

import numpy as np
import pytest

from cry_tf.data import Clip, Dataset, load


@pytest.fixture
def data(make_dataset):
    return make_dataset({"hungry": ["a", "a", "b"], "tired": ["b"], "gas": ["c"]})


def test_arrays_are_parallel_to_the_clips(data):
    assert data.groups.tolist() == ["a", "a", "b", "b", "c"]
    assert data.label_indices.tolist() == [0, 0, 0, 1, 2]
    assert data.label_indices.dtype == np.int32
    assert data.label_counts == {"hungry": 3, "tired": 1, "gas": 1}
    assert data.group_counts == {"hungry": 2, "tired": 1, "gas": 1}
    assert len(data) == 5


def test_a_subset_keeps_labels_and_order(data):
    part = data.subset(np.array([4, 0]))
    assert part.labels == data.labels
    assert part.clips == (data.clips[4], data.clips[0])
    assert part.label_indices.tolist() == [2, 0]
    assert part.label_counts["tired"] == 0
    assert len(data.subset([])) == 0


def test_clips_can_be_left_out(data):
    assert data.without(data.clips[:2]).clips == data.clips[2:]


def test_labels_are_merged_and_left_out(data):
    merged = data.map_labels(
        lambda label: {"hungry": "cry", "tired": "cry"}.get(label, "other"),
        labels=("other", "cry"),
    )
    assert merged.labels == ("other", "cry")
    assert merged.label_indices.tolist() == [1, 1, 1, 1, 0]
    fewer = data.map_labels(lambda label: None if label == "hungry" else label)
    assert fewer.labels == ("gas", "tired")
    assert len(fewer) == 2
    with pytest.raises(ValueError, match="'hungry'"):
        data.map_labels(lambda label: label, labels=("tired", "gas"))


def test_labels_must_differ_and_hold_every_clip():
    clip = Clip(Path("x.wav"), "a", "g")
    with pytest.raises(ValueError, match="must differ"):
        Dataset((clip,), ("a", "a"))
    with pytest.raises(ValueError, match="'a' of x.wav"):
        Dataset((clip,), ("b",))


def test_the_representation_shows_counts(data):
    assert repr(data) == "Dataset(5 clips, 3 groups: hungry 3, tired 1, gas 1)"


def test_the_digest_depends_on_names_labels_groups_and_contents_only(
    write, tmp_path, rng
):
    waves = rng.uniform(-0.5, 0.5, (2, 1600))
    write("one/a/ann/1.wav", waves[0])
    write("one/b/bob/2.wav", waves[1])
    data = load(tmp_path / "one")
    digest = data.sha256
    assert len(digest) == 64
    assert digest == load(tmp_path / "one").sha256
    assert digest == data.subset([1, 0]).sha256
    assert digest != data.subset([0]).sha256

    write("moved/a/ann/1.wav", waves[0])
    write("moved/b/bob/2.wav", waves[1])
    assert load(tmp_path / "moved").sha256 == digest

    write("regrouped/a/ann/1.wav", waves[0])
    write("regrouped/b/ann/2.wav", waves[1])
    assert load(tmp_path / "regrouped").sha256 != digest

    write("moved/b/bob/2.wav", waves[1][::-1])
    assert load(tmp_path / "moved").sha256 != digest
    assert data.map_labels(str.upper).sha256 != digest


def test_waveforms_come_in_order_at_the_rate_asked(write, tmp_path):
    for i in range(20):
        write(f"a/{i:02}.wav", seconds=0.1 + 0.01 * i, rate_hz=8_000)
    data = load(tmp_path)
    found = list(data.waveforms(16_000))
    assert [clip for clip, _ in found] == list(data.clips)
    for i, (_, waveform) in enumerate(found):
        assert waveform.dtype == np.float32
        assert len(waveform) == pytest.approx(1600 + 160 * i, abs=1)


def test_a_bad_file_is_raised_with_its_name_or_left_out_and_listed(write, tmp_path):
    write("a/1.wav")
    write("b/3.wav")
    (tmp_path / "a" / "2.wav").write_bytes(b"RIFF nonsense")
    data = load(tmp_path)
    with pytest.raises(OSError, match=r"2\.wav"):
        list(data.waveforms(16_000))
    assert data.problems == []
    for _ in range(2):
        kept = [clip.name for clip, _ in data.waveforms(16_000, on_error="skip")]
        assert kept == ["a/1.wav", "b/3.wav"]
    (problem,) = data.problems
    assert problem.clip.name == "a/2.wav"
    assert "2.wav" in problem.sentence
    assert not problem.is_usable


def test_long_clips_can_be_cut_at_the_end(write, tmp_path):
    write("a/1.wav", seconds=1.0)
    ((_, waveform),) = load(tmp_path).waveforms(16_000, max_seconds=0.25)
    assert len(waveform) == 4000


def test_reading_can_stop_early(write, tmp_path):
    for i in range(40):
        write(f"a/{i}.wav")
    waveforms = load(tmp_path).waveforms(16_000)
    next(waveforms)
    waveforms.close()


@pytest.mark.parametrize(
    "arguments",
    [
        {"sample_rate_hz": 0},
        {"sample_rate_hz": 16_000, "on_error": "ignore"},
        {"sample_rate_hz": 16_000, "max_seconds": 0.0},
    ],
)
def test_bad_arguments_are_refused_at_the_call(data, arguments):
    with pytest.raises(ValueError, match=list(arguments)[-1]):
        data.waveforms(**arguments)
