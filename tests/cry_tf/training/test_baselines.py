import dataclasses

import numpy as np
import pytest

from cry_tf.training.baselines import BASELINES, Cepstra, with_deltas


@pytest.fixture
def clips(rng):
    """Thirty clips of ten infants; half of the coefficients tell the label."""
    truth = np.arange(30) % 2
    frames = []
    for label in truth:
        own = rng.normal(size=(rng.integers(20, 60), 20)) * np.linspace(9, 1, 20)
        own[:, 10:] += 6 * label
        frames.append(with_deltas(own.astype("float32")))
    return Cepstra(frames, truth, np.arange(30) // 3, 2, is_balanced=True, seed=0)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_learns_and_gives_scores(clips, name):
    scores = BASELINES[name](clips, np.arange(21), np.arange(21, 30))
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.argmax(axis=1) == clips.truth[21:]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_clips_that_are_held_out_have_no_part_in_the_fit(clips, name):
    others = [*clips.frames[:21], *(frames * 100 + 7 for frames in clips.frames[21:])]
    train = np.arange(21)
    scores = [
        BASELINES[name](each, train, train)
        for each in (clips, dataclasses.replace(clips, frames=others))
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("name", BASELINES)
def test_a_label_that_does_not_occur_is_never_answered(clips, name):
    clips = dataclasses.replace(clips, labels=3, is_balanced=False)
    every = np.arange(30)
    assert (BASELINES[name](clips, every, every)[:, 2] == 0).all()
