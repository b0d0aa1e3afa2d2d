import keras
import numpy as np
import pytest

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_lite.front_ends import YAMNET
from cry_tf.augment import AddNoise, Gain, Policy, TimeStretch
from cry_tf.data import EmbeddingCache, load

POLICY = Policy("mine", ((Gain(-30, 0), 1.0), (TimeStretch(0.8, 1.25), 1.0)))


def make_backbone():
    inputs = keras.Input((None,))
    patches = FrontEnd(YAMNET, name="frontend")(inputs)
    means = keras.ops.mean(patches, axis=2)  # (batch, patches, bands)
    return Backbone(inputs, means, front_end_spec=YAMNET)


@pytest.fixture(scope="module")
def backbone():
    return make_backbone()


@pytest.fixture
def data(write, tmp_path):
    for i, seconds in enumerate((0.5, 2.5, 1.0, 3.0)):
        write(f"set/{'ab'[i % 2]}/{i}.wav", seconds=seconds)
    return load(tmp_path / "set")


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "cache")


def test_there_are_as_many_copies_as_asked_and_the_clips_stay(cache, backbone, data):
    plain = cache.embed(backbone, data)
    assert plain.copies == ()
    found = cache.embed(backbone, data, augment=POLICY, copies=3)
    for one, other in zip(plain.values, found.values, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [len(copies) for copies in found.copies] == [3] * 4
    for value, copies in zip(found.values, found.copies, strict=True):
        made = [value, *copies]
        assert {copy.dtype for copy in made} == {np.dtype("f4")}
        assert {copy.shape[1] for copy in made} == {64}
        assert len({copy.tobytes() for copy in made}) == 4
    assert "4 recordings read" in found.notes[0]
    assert found.notes[-1] == "Of augmented copies (mine) 0 read, 12 computed."


def test_a_copy_is_what_the_backbone_makes_of_the_augmented_clip(cache, backbone, data):
    gain = Policy("6 dB less", ((Gain(-6, -6), 1.0),))
    found = cache.embed(backbone, data, augment=gain, copies=1, batch_seconds=0.1)
    for (copy,), (_, waveform) in zip(
        found.copies, data.waveforms(16_000), strict=True
    ):
        quieter = waveform * np.float32(10**-0.3)
        np.testing.assert_allclose(copy, backbone(quieter[None])[0], atol=1e-4)


def test_the_second_run_computes_nothing_and_gives_the_same(
    cache, backbone, data, monkeypatch
):
    first = cache.embed(backbone, data, augment=POLICY, copies=2)
    monkeypatch.setattr("cry_tf.data.sound_source.read", None)
    second = cache.embed(backbone, data, augment=POLICY, copies=2)
    assert "8 read, 0 computed" in second.notes[-1]
    for one, other in zip(first.copies, second.copies, strict=True):
        for copy, again in zip(one, other, strict=True):
            np.testing.assert_array_equal(copy, again)


def test_more_copies_add_to_those_there_are(cache, backbone, data):
    first = cache.embed(backbone, data, augment=POLICY, copies=1)
    more = cache.embed(backbone, data, augment=POLICY, copies=3)
    assert "4 read, 8 computed" in more.notes[-1]
    for one, three in zip(first.copies, more.copies, strict=True):
        np.testing.assert_array_equal(one[0], three[0])


def test_other_policies_seeds_and_lengths_get_copies_of_their_own(
    cache, backbone, data
):
    first = cache.embed(backbone, data, augment=POLICY, copies=1)
    renamed = Policy("another name", POLICY.steps)
    same = cache.embed(backbone, data, augment=renamed, copies=1)
    assert "4 read, 0 computed" in same.notes[-1]
    other = Policy("mine", ((Gain(-31, 0), 1.0), *POLICY.steps[1:]))
    for arguments in (
        {"augment": other},
        {"augment": POLICY, "seed": 1},
        {"augment": POLICY, "max_seconds": 0.3},
    ):
        found = cache.embed(backbone, data, copies=1, **arguments)
        assert "0 read, 4 computed" in found.notes[-1]
        for (copy,), (before,) in zip(found.copies, first.copies, strict=True):
            assert copy.shape != before.shape or not np.allclose(copy, before)


def test_a_copy_depends_on_the_recording_and_not_on_the_rest(tmp_path, backbone, data):
    def copies(name, part, **arguments):
        cache = EmbeddingCache(tmp_path / name)
        return cache.embed(backbone, part, augment=POLICY, copies=2, **arguments).copies

    whole = copies("one", data)
    (alone,) = copies("other", data.subset([2]), batch_seconds=0.1)
    for one, other in zip(whole[2], alone, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_copies_of_equal_recordings_are_shared(cache, backbone, data, tmp_path):
    path = tmp_path / "set" / "b" / "again.wav"
    path.write_bytes(data.clips[0].path.read_bytes())
    data = load(tmp_path / "set")
    found = cache.embed(backbone, data, augment=POLICY, copies=2)
    assert "0 read, 8 computed" in found.notes[-1]
    assert len(found.copies) == 5


def test_no_copy_is_longer_than_the_length_asked(cache, backbone, data):
    slower = Policy("slower", ((TimeStretch(0.8, 0.8), 1.0),))
    found = cache.embed(backbone, data, augment=slower, copies=1, max_seconds=2.4)
    for value, (copy,) in zip(found.values, found.copies, strict=True):
        assert len(value) <= len(copy) <= 4  # patches of 0.96 s every 0.48 s


def test_a_bad_clip_is_a_problem_and_its_copies_go_with_it(cache, backbone, data):
    data.clips[1].path.write_bytes(b"broken")
    seen = []
    found = cache.embed(
        backbone,
        data,
        augment=POLICY,
        copies=2,
        progress=lambda *counts: seen.append(counts),
    )
    assert [problem.clip for problem in found.problems] == [data.clips[1]]
    assert len(found.values) == len(found.copies) == 3
    assert seen == sorted(seen)
    assert seen[-1] == (4, 4)


def test_a_bad_noise_is_named_and_no_clip_is_left_out_for_it(
    cache, backbone, data, write, tmp_path
):
    noise = write("noise/hum.wav")
    noisy = Policy("noisy", ((AddNoise(tmp_path / "noise"), 1.0),))
    noise.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"hum\.wav"):
        cache.embed(backbone, data, augment=noisy, copies=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"copies": 1},
        {"augment": POLICY},
        {"augment": POLICY, "copies": -1},
        {"augment": POLICY, "copies": 1, "seed": -1},
    ],
)
def test_copies_take_a_policy_a_count_and_a_seed(cache, backbone, data, arguments):
    with pytest.raises(ValueError, match="copies of at least 1 and a seed"):
        cache.embed(backbone, data, **arguments)
