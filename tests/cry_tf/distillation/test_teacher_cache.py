import keras
import numpy as np
import pytest
import soundfile

from cry_tf import Distiller
from cry_tf.augment import Gain, Policy
from cry_tf.data import load
from cry_tf.distillation import TeacherCache
from cry_tf.distillation.resampling import Resampler


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six clips of different lengths at 16 kHz, in two labels."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for number, seconds in enumerate((0.1, 0.25, 0.12, 0.2, 0.3, 0.15)):
        path = folder / ("low", "high")[number % 2] / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        waveform = rng.uniform(-0.5, 0.5, round(seconds * 16_000))
        soundfile.write(path, waveform, 16_000)
    return load(folder)


@pytest.fixture(scope="module")
def teacher(make_classifier):
    return make_classifier(2, units=5)


@pytest.fixture(scope="module")
def policy():
    return Policy("louder", ((Gain(-6.0, 6.0), 1.0),))


@pytest.fixture
def cache(tmp_path):
    return TeacherCache(tmp_path / "teachers")


def logits_of(model, waveforms):
    model = model.logits_model()
    return np.concatenate([model(waveform[None]).numpy() for waveform in waveforms])


def decoded(data, rate_hz):
    return [waveform for _, waveform in data.waveforms(rate_hz)]


def test_cached_logits_are_those_of_each_clip_alone(cache, teacher, data):
    seen = []
    found = cache.logits(teacher, data, progress=lambda *done: seen.append(done))
    assert found.values.shape == (6, 3)
    assert found.copies.shape == (6, 0, 3)
    assert found.clips == data.clips
    assert found.labels == teacher.labels
    assert found.features is None
    assert found.problems == ()
    assert seen[-1] == (6, 6)
    expected = logits_of(teacher, decoded(data, 8_000))
    # Batches of other shapes round differently.
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


def test_a_hit_is_equal_and_runs_nothing(cache, teacher, data, policy, monkeypatch):
    first = cache.logits(teacher, data, policy, copies=2, seed=3, features=True)

    def fail(*_):
        raise AssertionError("a cached clip was decoded")

    monkeypatch.setattr("cry_tf.data.sound_source.read", fail)
    again = cache.logits(teacher, data, policy, copies=2, seed=3, features=True)
    assert "Logits of 6 recordings read" in again.notes[0]
    assert "12 read, 0 computed" in again.notes[1]
    for name in ("values", "copies", "features", "feature_copies"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))


def test_a_damaged_entry_is_computed_again_and_said(cache, teacher, data):
    first = cache.logits(teacher, data)
    entries = sorted(path for path in cache.folder.rglob("*/*/*.npz"))
    assert len(entries) == 6
    entries[0].write_bytes(entries[0].read_bytes()[:100])
    content = bytearray(entries[1].read_bytes())
    content[-150] ^= 0xFF
    content[len(content) // 2] ^= 0xFF
    entries[1].write_bytes(content)
    again = cache.logits(teacher, data)
    said = f"computed again: 2 (first: {entries[0]})"  # whichever thread was first
    assert any("Damaged" in note and said in note for note in again.notes)
    np.testing.assert_allclose(again.values, first.values, rtol=1e-4, atol=1e-5)
    assert not any("Damaged" in note for note in cache.logits(teacher, data).notes)


def test_a_changed_teacher_has_entries_of_its_own(
    cache, teacher, make_classifier, data
):
    cache.logits(teacher, data)
    retrained = make_classifier(2, units=5)
    assert "6 recordings read" in cache.logits(retrained, data).notes[0]
    layer = retrained.get_layer("logits")
    layer.bias.assign(layer.bias + 1.0)
    found = cache.logits(retrained, data)
    assert "0 recordings read" in found.notes[0]
    np.testing.assert_allclose(
        found.values, cache.logits(teacher, data).values + 1, atol=1e-4
    )


def test_copies_are_heard_as_the_student_hears_them(
    cache, make_classifier, data, policy
):
    """A teacher of another rate hears the copy that the student trains on."""
    teacher = make_classifier(2, rate_hz=16_000)
    found = cache.logits(teacher, data, policy, copies=2, sample_rate_hz=8_000)
    assert found.sample_rate_hz == 8_000
    resample = Resampler(8_000, 16_000)
    clips = [np.asarray(resample(x[None]))[0] for x in decoded(data, 8_000)]
    np.testing.assert_allclose(
        found.values, logits_of(teacher, clips), rtol=1e-4, atol=1e-5
    )
    shown = set()
    batches = found.to_tf(2, shuffle=True, seed=1)
    for _ in range(3):
        places = []
        for x, y in batches:
            heard = np.asarray(resample(x["waveform"]))
            logits = logits_of(teacher, heard)
            np.testing.assert_allclose(
                x["teacher_logits"], logits, rtol=1e-4, atol=1e-5
            )
            shown.update(tuple(row) for row in x["teacher_logits"].numpy().round(4))
            places += y.numpy().tolist()
        assert sorted(places) == [0, 0, 0, 1, 1, 1]
    assert len(shown) > 6  # clips and copies of them


def test_features_and_several_teachers_are_kept(cache, make_classifier, data):
    teachers = [make_classifier(2, units=5), make_classifier(3, units=4)]
    found = cache.logits(teachers, data, features=True)
    assert found.values.shape == (6, 2, 3)
    assert found.features.shape == (6, 9)
    alone = cache.logits(teachers[1], data, features=True)
    np.testing.assert_array_equal(found.values[:, 1], alone.values)
    np.testing.assert_array_equal(found.features[:, 5:], alone.features)
    pooled = keras.Model(teachers[1].input, teachers[1].get_layer("pooling").output)
    expected = np.concatenate([pooled(x[None]) for x in decoded(data, 8_000)])
    np.testing.assert_allclose(alone.features, expected, rtol=1e-4, atol=1e-5)
    named = cache.logits(teachers[1], data, features="pooling")
    np.testing.assert_allclose(named.features, alone.features, rtol=1e-5, atol=1e-6)


def test_a_student_trains_on_them_without_its_teacher(
    cache, teacher, make_classifier, data
):
    found = cache.logits(teacher, data, features=True)
    student = make_classifier(1)
    live = Distiller(teacher, student, features=True)
    alone = Distiller(
        None, student, features=live_features(live.projection.kernel.shape[1])
    )
    alone.projection.set_weights(live.projection.get_weights())
    losses = []
    for distiller, batches in (
        (live, found.dataset.to_tf(3, sample_rate_hz=8_000)),
        (alone, found.to_tf(3, labels=student.labels)),
    ):
        distiller.compile(run_eagerly=True)
        if distiller is live:
            # The data's labels are in another order than the student's.
            places = np.array([student.labels.index(n) for n in data.labels])
            batches = [(x, places[y.numpy()]) for x, y in batches]
        losses.append(
            [distiller.test_on_batch(x, y, return_dict=True) for x, y in batches]
        )
    for one, other in zip(*losses, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def live_features(length):
    from cry_tf.distillation import FeatureMatching

    return FeatureMatching(teacher_features=length)


def test_labels_that_differ_are_refused_and_others_are_none(cache, teacher, data):
    found = cache.logits(teacher, data)
    with pytest.raises(ValueError, match="must be the teacher's, in the same order"):
        found.to_tf(labels=("high", "low", "none"))
    (_, y) = next(iter(found.to_tf(8, labels=())))
    assert y.numpy().tolist() == [-1] * 6
    some = cache.logits(teacher, data.map_labels({"low": "low", "high": "hum"}.get))
    (_, y) = next(iter(some.to_tf(8)))
    assert sorted(y.numpy()) == [-1, -1, -1, 0, 0, 0]


def test_other_labels_can_stand_beside(cache, make_classifier, data):
    one = cache.logits(make_classifier(2), data, features=True)
    other = cache.logits(make_classifier(3, labels=("a", "b")), data)
    both = one.beside(other)
    np.testing.assert_array_equal(both.values[:, :3], one.values)
    np.testing.assert_array_equal(both.values[:, 3:], other.values)
    np.testing.assert_array_equal(both.features, one.features)
    assert both.labels == ("low", "high", "none", "a", "b")
    with pytest.raises(ValueError, match="the same clips and copies"):
        one.beside(cache.logits(make_classifier(3), data.subset([0, 1])))


def test_what_cannot_be_cached_is_refused(
    cache, teacher, make_classifier, make_network, data, policy
):
    with pytest.raises(
        ValueError, match="must hold a cry_hub Backbone.*teacher_logits"
    ):
        cache.logits(make_network(), data)
    with pytest.raises(ValueError, match=r"one output \(batch, labels\)"):
        cache.logits(teacher.backbone, data)
    with pytest.raises(ValueError, match="same labels in the same order"):
        cache.logits([teacher, make_classifier(labels=("a", "b", "c"))], data)
    with pytest.raises(ValueError, match=r"\[8000, 16000\] Hz.*Give sample_rate_hz"):
        cache.logits([teacher, make_classifier(rate_hz=16_000)], data, policy, copies=1)
    found = cache.logits(teacher, data, policy, copies=1)
    with pytest.raises(ValueError, match="sample_rate_hz must be the student's.*8000"):
        found.to_tf(sample_rate_hz=16_000)
