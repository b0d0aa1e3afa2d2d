import numpy as np
import pytest
import soundfile

from cry_tf.data import load


def _only_problem(tmp_path):
    data = load(tmp_path)
    problems = data.check_audio()
    assert len(problems) <= 1
    return problems[0] if problems else None


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_good_clips_have_no_problem(write, tmp_path, rng, subtype):
    write("a/mono.wav", subtype=subtype)
    write("a/stereo.wav", rng.uniform(-0.5, 0.5, (4000, 2)), subtype=subtype)
    assert _only_problem(tmp_path) is None


def test_the_beginning_of_a_problem_is_the_file(write, tmp_path):
    write("a/ok.wav")
    bad = tmp_path / "a" / "ünlesbar 1.wav"
    bad.write_bytes(b"not a sound")
    problem = _only_problem(tmp_path)
    assert problem.clip.path == bad
    assert str(bad) in problem.sentence
    assert not problem.is_usable


def test_zero_length_is_found(write, tmp_path):
    write("a/x.wav", np.zeros(0))
    problem = _only_problem(tmp_path)
    assert "0 samples" in problem.sentence
    assert not problem.is_usable


def test_nan_is_found(write, tmp_path):
    wave = np.full(4000, 0.1)
    wave[7] = np.nan
    write("a/x.wav", wave, subtype="FLOAT")
    problem = _only_problem(tmp_path)
    assert "NaN" in problem.sentence
    assert not problem.is_usable


@pytest.mark.parametrize("level", [0.0, 5e-5])
def test_silence_is_found(write, tmp_path, level):
    write("a/x.wav", np.full(4000, level), subtype="FLOAT")
    problem = _only_problem(tmp_path)
    assert "silent" in problem.sentence
    assert not problem.is_usable


def test_a_clip_under_a_tenth_of_a_second_is_found_and_one_of_it_is_not(
    write, tmp_path
):
    write("a/x.wav", seconds=0.1)
    write("a/y.wav", seconds=0.099, rate_hz=8_000)
    problem = _only_problem(tmp_path)
    assert problem.clip.name == "a/y.wav"
    assert "99 ms" in problem.sentence


def test_a_clipped_clip_is_reported_and_usable(write, tmp_path):
    wave = 2 * np.sin(np.arange(16_000) / 10)
    write("a/x.wav", wave)
    problem = _only_problem(tmp_path)
    assert "clipped" in problem.sentence
    assert problem.is_usable


def test_one_sample_at_full_scale_is_no_problem(write, tmp_path, rng):
    wave = rng.uniform(-0.5, 0.5, 16_000)
    wave[5] = 1.5
    write("a/x.wav", wave, subtype="FLOAT")
    assert _only_problem(tmp_path) is None


def test_a_file_cut_short_is_reported_and_usable(write, tmp_path):
    path = write("a/x.wav", seconds=1.0)
    path.write_bytes(path.read_bytes()[:20_000])
    problem = _only_problem(tmp_path)
    assert "cut short" in problem.sentence
    assert problem.is_usable


def test_bad_clips_are_left_out_by_what_was_found(write, tmp_path):
    write("a/1.wav")
    write("a/2.wav", np.zeros(4000))
    write("a/3.wav", np.sign(np.sin(np.arange(4000))))
    data = load(tmp_path)
    problems = data.check_audio()
    kept = data.without(p.clip for p in problems if not p.is_usable)
    assert [clip.name for clip in kept.clips] == ["a/1.wav", "a/3.wav"]


def test_a_file_that_is_gone_by_now_is_a_problem(write, tmp_path):
    write("a/1.wav")
    write("a/2.wav")
    data = load(tmp_path)
    data.clips[0].path.unlink()
    (problem,) = data.check_audio()
    assert "1.wav" in problem.sentence


@pytest.mark.assets
def test_every_clip_of_donateacry_is_usable(assets):
    problems = load(assets / "data" / "donateacry").check_audio()
    assert all(problem.is_usable for problem in problems)
    assert all(soundfile.info(p.clip.path).samplerate == 8000 for p in problems)
