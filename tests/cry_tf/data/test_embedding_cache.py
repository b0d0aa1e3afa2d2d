import subprocess
import sys

import keras
import numpy as np
import pytest

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_lite.front_ends import YAMNET
from cry_tf.data import EmbeddingCache, load
from cry_tf.data.extraction import Extractor, batches, rounded_up


class Toy(Backbone):
    """The front end and one dense layer, so a test takes no time."""

    def __init__(self, features=4, gain=1.0, **kwargs):
        inputs = keras.Input((None,))
        patches = FrontEnd(YAMNET, name="frontend")(inputs)
        means = gain * keras.ops.mean(patches, axis=2)  # (batch, patches, bands)
        outputs = keras.layers.Dense(
            features, kernel_initializer=keras.initializers.GlorotUniform(seed=1)
        )(means)
        super().__init__(inputs, outputs, front_end_spec=YAMNET, **kwargs)
        self.features = features

    def get_config(self):
        return {"features": self.features, "name": self.name}

    def __call__(self, *args, **kwargs):
        Toy.calls += 1
        return super().__call__(*args, **kwargs)

    calls = 0


@pytest.fixture
def data(write, tmp_path, rng):
    """Six clips of different lengths and rates, in two labels."""
    for i, seconds in enumerate((0.3, 2.5, 1.0, 0.97, 4.0, 0.2)):
        rate_hz = (8_000, 16_000)[i % 2]
        write(f"set/{'ab'[i % 2]}/{i}.wav", seconds=seconds, rate_hz=rate_hz)
    return load(tmp_path / "set")


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


def test_embeddings_are_those_of_the_clip_alone(cache, data):
    backbone = Toy()
    found = cache.embed(backbone, data, batch_seconds=5)
    assert found.clips == data.clips
    assert found.dataset.labels == data.labels
    assert found.problems == ()
    for value, (_, waveform) in zip(found.values, data.waveforms(16_000), strict=True):
        expected = backbone(waveform[None]).numpy()[0]
        steps = 1 + max(0, -(-(len(waveform) - YAMNET.patch_samples) // (48 * 160)))
        assert value.shape == (steps, 4)
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_batch_sizes_do_not_change_the_result(tmp_path, data):
    one, other = (
        EmbeddingCache(tmp_path / str(seconds)).embed(Toy(), data, seconds)
        for seconds in (0.01, 1000)
    )
    for a, b in zip(one.values, other.values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_second_run_decodes_nothing_and_gives_the_same(cache, data, monkeypatch):
    first = cache.embed(Toy(), data)
    assert "0 recordings read" in first.notes[0]
    assert "6 computed" in first.notes[0]

    def fail(*_):
        raise AssertionError("a cached clip was decoded")

    monkeypatch.setattr("cry_tf.data.sound_source.read", fail)
    second = cache.embed(Toy(), data)
    assert "6 recordings read" in second.notes[0]
    for one, other in zip(first.values, second.values, strict=True):
        np.testing.assert_array_equal(one, other)


def test_renamed_regrouped_and_copied_recordings_keep_their_entry(
    cache, data, tmp_path
):
    cache.embed(Toy(), data)
    folder = tmp_path / "other" / "c"
    folder.mkdir(parents=True)
    for i, clip in enumerate(data.clips):
        for copy in "xy":
            (folder / f"{i}{copy}.wav").write_bytes(clip.path.read_bytes())
    copies = load(tmp_path / "other")
    found = cache.embed(Toy(), copies)
    assert len(found) == 12
    assert "6 recordings read" in found.notes[0]
    assert "0 computed" in found.notes[0]


def test_new_clips_are_added_to_the_old(cache, data):
    cache.embed(Toy(), data.subset([0, 1]))
    found = cache.embed(Toy(), data)
    assert "2 recordings read" in found.notes[0]
    assert "4 computed" in found.notes[0]


def test_other_weights_settings_and_lengths_get_entries_of_their_own(cache, data):
    first = cache.embed(Toy(), data)
    retrained = Toy()
    retrained.set_weights([weight + 0.1 for weight in retrained.get_weights()])
    for backbone, arguments in (
        (retrained, {}),
        (Toy(features=5), {}),
        (Toy(), {"max_seconds": 0.25}),
    ):
        found = cache.embed(backbone, data, **arguments)
        assert "6 computed" in found.notes[0]
        again = cache.embed(backbone, data, **arguments)
        assert "6 recordings read" in again.notes[0]
        different = [
            a.shape != b.shape or not np.allclose(a, b)
            for a, b in zip(first.values, found.values, strict=True)
        ]
        assert any(different)


def test_a_backbone_whose_code_changed_gets_entries_of_its_own(cache, data):
    """The gain is neither a weight nor a setting: only the probe shows it."""
    cache.embed(Toy(), data)
    changed = Toy(gain=1.1)
    assert Extractor(changed).fingerprint() == Extractor(Toy()).fingerprint()
    assert "6 computed" in cache.embed(changed, data).notes[0]
    assert "6 recordings read" in cache.embed(Toy(), data).notes[0]


def test_automatic_names_and_training_flags_do_not_matter(cache, data):
    cache.embed(Toy(name="one"), data)
    frozen = Toy(name="two")
    frozen.trainable = False
    assert "6 recordings read" in cache.embed(frozen, data).notes[0]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_entry_is_computed_again_and_said(cache, data, damage):
    first = cache.embed(Toy(), data)
    entry = sorted(cache.dir.glob("*/??/*.npz"))[0]
    content = bytearray(entry.read_bytes())
    if damage == "empty":
        content = bytearray()
    elif damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 3 + 100] ^= 0xFF
    else:
        np.savez(entry, embeddings=np.zeros((3, 4, 5), np.float32))
        content = bytearray(entry.read_bytes())
    entry.write_bytes(content)
    found = cache.embed(Toy(), data)
    assert "1 computed" in found.notes[0]
    assert "Damaged cache entries" in found.notes[1]
    assert entry.name in found.notes[1]
    for one, other in zip(first.values, found.values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert len(cache.embed(Toy(), data).notes) == 1


def test_bad_clips_are_problems_and_the_rest_is_done(cache, data):
    data.clips[1].path.write_bytes(b"broken")
    data.clips[4].path.unlink()
    found = cache.embed(Toy(), data)
    assert [problem.clip for problem in found.problems] == [
        data.clips[1],
        data.clips[4],
    ]
    for problem in found.problems:
        assert problem.clip.path.name in problem.sentence
    assert found.clips == tuple(data.clips[i] for i in (0, 2, 3, 5))
    assert len(found.values) == 4


def test_no_usable_clip_is_an_error(cache, data):
    for clip in data.clips:
        clip.path.write_bytes(clip.name.encode())
    with pytest.raises(ValueError, match="None of 6 clips"):
        cache.embed(Toy(), data)


def test_a_backbone_that_gives_nan_is_refused_and_not_stored(cache, data):
    broken = Toy()
    broken.set_weights([weight * np.nan for weight in broken.get_weights()])
    with pytest.raises(ValueError, match="NaN"):
        cache.embed(broken, data)
    assert not list(cache.dir.glob("*/??/*.npz"))


def test_an_interrupted_run_goes_on_where_it_stopped(cache, data):
    def interrupt(done, total):
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.embed(Toy(), data, batch_seconds=0.1, progress=interrupt)
    assert not list(cache.dir.rglob("*.part"))
    assert "3 recordings read" in cache.embed(Toy(), data).notes[0]


def test_progress_counts_clips_up_to_all(cache, data):
    data.clips[1].path.write_bytes(b"broken")
    seen = []
    cache.embed(
        Toy(), data, batch_seconds=0.1, progress=lambda *counts: seen.append(counts)
    )
    assert seen == sorted(seen)
    assert seen[-1] == (6, 6)
    assert {total for _, total in seen} == {6}


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path, data):
    (tmp_path / "file").write_text("in the way")
    found = EmbeddingCache(tmp_path / "file").embed(Toy(), data)
    assert len(found) == 6
    assert "could not be stored" in found.notes[1]


def test_one_graph_serves_all_lengths(cache, data):
    backbone = Toy()
    extractor = Extractor(backbone)
    before = Toy.calls
    for samples in (100, 5000, 40_000):
        for count in (1, 3):
            outputs = extractor([np.ones(samples, np.float32)] * count)
            assert len(outputs) == count
    assert Toy.calls == before + 1


def test_a_backbone_that_prefers_xla_gives_the_same(tmp_path, data):
    class CompiledToy(Toy):
        prefers_jit = True

    values = [
        EmbeddingCache(tmp_path / toy.__name__).embed(toy(), data, 5).values
        for toy in (Toy, CompiledToy)
    ]
    for one, other in zip(*values, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_sizes_are_rounded_up_to_few_by_at_most_a_quarter():
    sizes = [rounded_up(size) for size in range(1, 1025)]
    assert all(n <= m <= 1.25 * n for n, m in enumerate(sizes, start=1))
    assert len({size for size in sizes if 512 < size <= 1024}) == 4


def test_the_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))
    assert EmbeddingCache().dir == tmp_path / "home" / "embeddings"


def test_a_model_without_a_time_axis_is_refused(cache, data):
    inputs = keras.Input((None,))
    patches = FrontEnd(YAMNET, name="frontend")(inputs)
    flat = Backbone(inputs, keras.ops.mean(patches, axis=(1, 2)), front_end_spec=YAMNET)
    with pytest.raises(ValueError, match="batch, time, features"):
        cache.embed(flat, data)


@pytest.mark.parametrize("arguments", [{"batch_seconds": 0}, {"max_seconds": 0}])
def test_bad_arguments_are_refused(cache, data, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        cache.embed(Toy(), data, **arguments)
    with pytest.raises(ValueError, match="at least one clip"):
        cache.embed(Toy(), data.subset([]))


def test_batches_are_bounded_with_their_padding():
    waves = [(str(i), np.zeros(n, np.float32)) for i, n in enumerate((1, 2, 3, 4, 20))]
    sizes = [[len(wave) for _, wave in batch] for batch in batches(waves, 9)]
    assert sizes == [[1, 2, 3], [4], [20]]
    assert list(batches([], 9)) == []


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from cry_tf.data.embedding_shelf import Shelf

shelf = Shelf(Path(sys.argv[1]))
for number in range(100):
    shelf.save("ab12", np.full((number % 7 + 1, 50_000), number, np.float32))
    value = shelf.load("ab12")
    assert value is not None and value.min() == value.max(), "half an entry"
assert "tensorflow" not in sys.modules
"""


def test_processes_that_write_one_entry_at_once_never_see_half_of_it(tmp_path):
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert [path.name for path in (tmp_path / "ab").iterdir()] == ["ab12.npz"]


@pytest.mark.assets
def test_yamnet_embeddings_of_real_cries_come_back_from_the_cache(cache, assets):
    import cry_hub

    weights = assets / "weights" / "yamnet" / "yamnet_reconstructed_folded_f32.npz"
    backbone = cry_hub.load("yamnet_audioset", weights=weights)
    data = load(assets / "data" / "donateacry").subset([0, 100, 456])
    first = cache.embed(backbone, data)
    assert first.features == 1024
    again = cache.embed(cry_hub.load("yamnet_audioset", weights=weights), data)
    assert "3 recordings read" in again.notes[0]
    for one, other in zip(first.values, again.values, strict=True):
        np.testing.assert_array_equal(one, other)
