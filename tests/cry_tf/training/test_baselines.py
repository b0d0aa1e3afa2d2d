import numpy as np
import pytest

from cry_tf.training.baselines import BASELINES


@pytest.fixture
def cepstra(rng):
    """Thirty clips of ten infants; half of the coefficients tell the label."""
    truth = np.arange(30) % 2
    clips = []
    for label in truth:
        frames = rng.normal(size=(rng.integers(20, 60), 20)) * np.linspace(9, 1, 20)
        frames[:, 10:] += 6 * label
        clips.append(frames.astype("float32"))
    return clips, truth, np.arange(30) // 3


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_learns_and_gives_scores(cepstra, name):
    baseline = BASELINES[name](*cepstra, labels=2, is_balanced=True, seed=0)
    baseline.fit(np.arange(21))
    scores = baseline.scores(np.arange(21, 30))
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.argmax(axis=1) == cepstra[1][21:]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_clips_that_are_held_out_have_no_part_in_the_fit(cepstra, name):
    clips, truth, groups = cepstra
    other = [*clips[:21], *(clip * 100 + 7 for clip in clips[21:])]
    scores = []
    for given in (clips, other):
        baseline = BASELINES[name](given, truth, groups, 2, is_balanced=True, seed=0)
        baseline.fit(np.arange(21))
        scores.append(baseline.scores(np.arange(21)))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("name", BASELINES)
def test_a_label_that_does_not_occur_is_never_answered(cepstra, name):
    baseline = BASELINES[name](*cepstra, labels=3, is_balanced=False, seed=0)
    baseline.fit(np.arange(30))
    assert (baseline.scores(np.arange(30))[:, 2] == 0).all()
