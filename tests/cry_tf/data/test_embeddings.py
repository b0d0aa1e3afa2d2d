import numpy as np
import pytest

from cry_tf.data import Embeddings


@pytest.fixture
def embeddings(make_dataset, rng):
    values = tuple(rng.normal(size=(t, 3)).astype(np.float32) for t in (2, 5, 1))
    return Embeddings(values, make_dataset({"a": ["1", "2", "3"]}))


def test_padding_follows_the_real_steps(embeddings):
    padded, mask = embeddings.padded([0, 1])
    assert padded.shape == (2, 5, 3)
    assert padded.dtype == np.float32
    assert mask.tolist() == [[True] * 2 + [False] * 3, [True] * 5]
    np.testing.assert_array_equal(padded[0, :2], embeddings.values[0])
    assert not padded[0, 2:].any()


def test_the_longest_chosen_clip_sets_the_length(embeddings):
    padded, mask = embeddings.padded(np.array([2, 0]))
    assert padded.shape == (2, 2, 3)
    assert mask.sum() == 3


def test_all_clips_are_the_default(embeddings):
    padded, mask = embeddings.padded()
    assert padded.shape == (3, 5, 3)
    assert mask.sum(axis=1).tolist() == [2, 5, 1]
    assert len(embeddings) == len(embeddings.clips) == 3
    assert embeddings.features == 3


def test_no_clips_cannot_be_stacked(embeddings):
    with pytest.raises(ValueError, match="at least one"):
        embeddings.padded([])
