"""Windows, held-out groups, figures and the card of a pretraining."""

import json
import re

import numpy as np
import pytest
import soundfile

from cry_tf.cli import pretrain as command
from cry_tf.data import load
from cry_tf.studies.pretraining import kept_out_groups, linear_probe
from cry_tf.studies.pretraining.window_plan import WindowPlan, draw_window

RATE_HZ = 16_000


def power(waveform):
    return float(np.mean(np.asarray(waveform, float) ** 2))


def tone(pitch_hz, seconds=1.0):
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


@pytest.fixture
def waveforms(rng):
    long, short = rng.normal(0, 0.1, (2, 4000)).astype(np.float32)
    return [long, short[:500]]


def test_a_window_is_drawn_by_seed_clip_and_number(waveforms):
    plan = WindowPlan(samples=2000, seed=3)
    drawn = draw_window(waveforms, 0, 1, plan)
    assert drawn.shape == (2000,)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, draw_window(waveforms, 0, 1, plan))
    assert not np.array_equal(drawn, draw_window(waveforms, 0, 2, plan))
    other = WindowPlan(samples=2000, seed=4)
    assert not np.array_equal(drawn, draw_window(waveforms, 0, 1, other))
    assert plan.fingerprint() != other.fingerprint()


def test_no_window_ends_in_padding(waveforms):
    plan = WindowPlan(samples=2000, augment="none", mixed_share=0.0)
    silence = [np.zeros(4000, np.float32), *waveforms]
    for place in range(3):
        window = draw_window(silence, place, 0, plan)
        assert window[-1] != 0
        assert np.abs(window).max() <= 1


def test_another_clip_is_mixed_in_at_the_ratio_asked_for():
    sounds = [tone(500), tone(2000)]
    plan = WindowPlan(
        samples=RATE_HZ,
        augment="none",
        mixed_share=1.0,
        min_ratio_db=6.0,
        max_ratio_db=6.0,
    )
    # Another clip is drawn: in some of the windows the same one.
    ratios = []
    for number in range(8):
        mixed = draw_window(sounds, 0, number, plan)
        spectrum = np.abs(np.fft.rfft(mixed)) ** 2
        ratios.append(10 * np.log10(spectrum[500] / max(spectrum[2000], 1e-9)))
    assert min(ratios) == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize(
    "changes", [{"per_clip": 0}, {"mixed_share": 1.5}, {"augment": "wild"}]
)
def test_a_plan_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match=r"Received"):
        WindowPlan(samples=100, **changes)


def test_whole_groups_are_held_out_by_their_names_alone(tmp_path):
    for label in ("cry", "rain"):
        for group in range(12):
            for take in range(2):
                path = tmp_path / label / f"{label}{group}" / f"{take}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng([group, take, label == "cry"])
                soundfile.write(path, noise.normal(0, 0.1, 800), RATE_HZ)
    data = load(tmp_path)
    train, test = kept_out_groups.parts(data, 4)
    assert not set(train.groups) & set(test.groups)
    assert len(train) + len(test) == len(data)
    backwards = data.subset(range(len(data) - 1, -1, -1))
    assert set(kept_out_groups.parts(backwards, 4)[1].groups) == set(test.groups)
    with pytest.raises(ValueError, match="at least 2"):
        kept_out_groups.parts(data, 1)
    with pytest.raises(ValueError, match="a side without clips"):
        kept_out_groups.parts(test, 10**9)


def test_a_clip_has_the_mean_of_its_windows():
    values = np.array([[[1.0], [3.0]], [[10.0], [20.0]], [[5.0], [7.0]]], np.float16)
    found = linear_probe.clip_means(values, np.array([0, 1, 0]))
    np.testing.assert_allclose(found, [[4.0], [15.0]])


def test_a_teacher_whose_file_is_missing_is_one_sentence_and_1(tmp_path, capsys):
    argv = [str(tmp_path), "-o", str(tmp_path / "out"), "--teacher"]
    assert command.main([*argv, "yamnet_audioset=nowhere.npz"]) == 1
    assert "File not found: nowhere.npz" in capsys.readouterr().err


@pytest.mark.slow
def test_a_student_is_pretrained_and_its_card_tells_how(tmp_path, capsys):
    import keras

    import cry_hub

    keras.utils.set_random_seed(0)
    teacher = tmp_path / "yamnet.npz"
    cry_hub.save_npz(
        cry_hub.load("yamnet_audioset", weights=None, head="audioset"), teacher
    )
    for label, pitch_hz in (("hungry", 500), ("rain", 2000)):
        for group in range(12):
            path = tmp_path / "data" / label / f"{label}{group}" / "0.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, tone(pitch_hz + 20 * group, 2.0), RATE_HZ)
    argv = [str(tmp_path / "data"), "-o", str(tmp_path / "out"), "--epochs", "2"]
    argv += ["--windows", "3", "--hold-out", "3", "--teacher"]
    assert command.main([*argv, f"yamnet_audioset={teacher}"]) == 0
    made = tmp_path / "out" / "ds_cnn_s.npz"
    record = json.loads(made.with_suffix(".json").read_text())
    assert record["history"][1]["scores"] < record["history"][0]["scores"]
    assert record["windows"] == 3 * record["trained_on"]["clips"]
    heard = made.with_suffix(".trained_on.txt").read_text().split()
    assert len(heard) == record["trained_on"]["clips"]
    assert all(re.fullmatch(r"[0-9a-f]{16}", digest) for digest in heard)
    backbone = cry_hub.load("ds_cnn_s", weights=made)
    assert backbone.weights_sha256 == record["sha256"]
    card = made.with_suffix(".md").read_text()
    assert record["sha256"] in card
    assert f"{record['held_out']['clips']} recordings" in card
    # What the teacher made of the windows is kept for the next student.
    capsys.readouterr()
    assert command.main([*argv, f"yamnet_audioset={teacher}"]) == 1
    assert "is not overwritten" in capsys.readouterr().err
