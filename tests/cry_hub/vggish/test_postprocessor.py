"""The 8-bit features of VGGish beside the formula of Google's code."""

from __future__ import annotations

import numpy as np
import pytest

import cry_hub
from cry_hub.vggish.postprocessor import Postprocessor


def official(embeddings, eigen_vectors, means):
    """`Postprocessor.postprocess` of vggish_postprocess.py, in its own words."""
    pca_applied = np.dot(eigen_vectors, (embeddings.T - means.reshape(-1, 1))).T
    clipped = np.clip(pca_applied, -2.0, +2.0)
    return ((clipped - -2.0) * (255.0 / (+2.0 - -2.0))).astype(np.uint8)


def test_it_is_the_formula_of_the_source(rng):
    eigen_vectors, means = rng.normal(0, 0.1, (128, 128)), rng.normal(0, 0.1, 128)
    embeddings = rng.normal(0, 1, (50, 128)).astype("float32")
    expected = official(embeddings, eigen_vectors, means)
    found = Postprocessor(eigen_vectors, means)(embeddings)
    assert found.dtype == np.uint8
    # Sums in another order may fall on the other side of a step.
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    # An asymmetric matrix: its transpose gives something else.
    other = Postprocessor(eigen_vectors.T, means)(embeddings)
    assert (other != expected).mean() > 0.9
    batch = Postprocessor(eigen_vectors, means)(embeddings.reshape(5, 10, 128))
    np.testing.assert_array_equal(batch.reshape(50, 128), found)


def test_the_range_is_cut_at_two_and_rounded_down():
    identity = Postprocessor(np.eye(4), np.full(4, 0.5))
    values = np.array([[-9.0, -1.5, 0.5, 2.5], [9.0, 2.49, -1.48, 0.516]])
    expected = [[0, 0, 127, 255], [255, 254, 1, 128]]
    np.testing.assert_array_equal(identity(values), expected)


def test_what_is_no_embedding_is_refused():
    identity = Postprocessor(np.eye(4), np.zeros(4))
    with pytest.raises(ValueError, match=r"4 features.*shape=\(2, 3\)"):
        identity(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be finite"):
        identity(np.array([0.0, np.nan, 0.0, 0.0]))


def test_another_file_is_refused_with_both_digests(tmp_path):
    path = tmp_path / "vggish_pca_params.npz"
    np.savez(path, pca_means=np.zeros(128), pca_eigen_vectors=np.eye(128))
    with pytest.raises(cry_hub.WeightsError, match=r"expected sha256 4d878.*found"):
        Postprocessor.load(path)


@pytest.mark.assets
def test_googles_parameters_are_read(assets, rng):
    path = assets / "weights" / "vggish" / "vggish_pca_params.npz"
    postprocessor = Postprocessor.load(path)
    assert postprocessor.eigen_vectors.shape == (128, 128)
    assert postprocessor.means.shape == (128,)
    embeddings = rng.normal(0, 1, (20, 128))
    with np.load(path) as arrays:
        expected = official(
            embeddings, arrays["pca_eigen_vectors"], arrays["pca_means"]
        )
    difference = np.abs(postprocessor(embeddings).astype(int) - expected)
    assert difference.max() <= 1
    # The mean embedding lies in the middle of the range.
    assert (postprocessor(postprocessor.means) == 127).all()
