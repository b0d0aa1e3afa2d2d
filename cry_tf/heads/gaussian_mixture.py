"""A Gaussian mixture a label, and Bayes' rule."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cry_tf.heads.features import Standardization, softmax

COMPONENTS = 4
DIMENSIONS = 32
# Each component of a mixture is estimated on at least so many rows.
_ROWS_A_COMPONENT = 8
# Added to variances of whitened features, whose variance is 1: a label with a
# handful of clips would else be a needle.
_FLOOR = 0.1


@dataclass(frozen=True)
class Mixtures:
    """Gaussian mixtures with diagonal covariances, one a label.

    Labels with fewer components are filled with some of weight 0.

    Attributes:
        log_weights: Float64 `(labels, components)`, -inf for no component; all
            -inf for a label that did not occur.
        means: Float64 `(labels, components, features)`.
        variances: Float64 `(labels, components, features)`, positive.
    """

    log_weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @classmethod
    def fit(
        cls,
        rows: np.ndarray,
        truth: np.ndarray,
        labels: int,
        components: int,
        seed: int,
        floor: float = _FLOOR,
        rounds: int = 100,
    ) -> Mixtures:
        """Fits one mixture on the rows of each label.

        Args:
            rows: Float array `(rows, features)`, of about unit variance.
            truth: Int array `(rows,)`.
            labels: Number of labels.
            components: The most components of a mixture; a label with few rows
                has fewer.
            seed: Draws the first components.
            floor: Added to each variance.
            rounds: The most rounds of expectation and maximisation.
        """
        import threadpoolctl
        from sklearn.mixture import GaussianMixture

        shape = (labels, components, rows.shape[1])
        log_weights = np.full(shape[:2], -np.inf)
        means, variances = np.zeros(shape), np.ones(shape)
        for label in np.unique(truth):
            own = rows[truth == label]
            if len(own) == 1:  # one row has no variance
                log_weights[label, 0], means[label, 0] = 0.0, own[0]
                continue
            count = max(1, min(components, len(own) // _ROWS_A_COMPONENT))
            mixture: Any = GaussianMixture(  # its attributes are typed as None
                count,
                covariance_type="diag",
                reg_covar=floor,
                max_iter=rounds,
                random_state=seed,
            )
            # Products of 8 columns are too small to share: threads that wait for
            # each other took 17 times the processor time on two cores.
            with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # not yet converged
                mixture.fit(own)
            log_weights[label, :count] = np.log(mixture.weights_)
            means[label, :count] = mixture.means_
            variances[label, :count] = mixture.covariances_
        return cls(log_weights, means, variances)

    def log_likelihoods(self, rows: np.ndarray) -> np.ndarray:
        """Returns `(rows, labels)`, in nat; -inf for a label that did not occur."""
        from scipy.special import logsumexp

        precisions = 1 / self.variances
        found = np.full((len(rows), len(self.means)), -np.inf)
        for label, log_weights in enumerate(self.log_weights):
            used = np.isfinite(log_weights)
            if not used.any():
                continue
            mean, precision = self.means[label, used], precisions[label, used]
            distance = rows**2 @ precision.T - 2 * rows @ (mean * precision).T
            distance += (mean**2 * precision).sum(axis=1)
            volume = np.log(2 * np.pi / precision).sum(axis=1)
            terms = log_weights[used] - 0.5 * (distance + volume)
            found[:, label] = logsumexp(terms, axis=1)
        return found


@dataclass(frozen=True)
class GaussianMixtureHead:
    """Likelihood of pooled embeddings under each label, times its prior.

    Attributes:
        standardize: Fitted on the training fold.
        components: Float64 `(features, dimensions)`, whitened principal
            components of standardised features, fitted on the training fold.
        mixtures: One per label.
        log_priors: Float64 `(labels,)`, all equal where labels are balanced;
            -inf for a label that did not occur.
        scale: By how much the logarithms are scaled before the softmax, fitted on
            inner folds; they overstate, because dimensions are not independent.
    """

    # Log likelihoods of 32 dimensions differ by tens.
    lowest_scale: ClassVar = 0.01
    standardize: Standardization
    components: np.ndarray
    mixtures: Mixtures
    log_priors: np.ndarray
    scale: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        truth: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ) -> Self:
        """Fits on the training fold with scale 1; see `cry_tf.heads.fitting.fit`."""
        from sklearn.decomposition import PCA

        standardize = Standardization.of(features)
        x = standardize(features)
        dimensions = max(1, min(DIMENSIONS, len(x) - 1, x.shape[1]))
        # Standardised features have mean 0, so the components alone project them.
        found: Any = PCA(dimensions, random_state=seed).fit(x)
        deviations = np.sqrt(np.maximum(found.explained_variance_, 1e-12))
        is_there = deviations > 1e-3 * deviations[0]  # fewer different clips than asked
        components = found.components_[is_there].T / deviations[is_there]
        mixtures = Mixtures.fit(x @ components, truth, labels, COMPONENTS, seed)
        priors = log_priors(truth, labels, is_balanced)
        return cls(standardize, components, mixtures, priors, 1.0)

    def decisions(self, features: np.ndarray) -> np.ndarray:
        """Returns `(clips, labels)`, log likelihood plus log prior."""
        rows = self.standardize(features) @ self.components
        return self.mixtures.log_likelihoods(rows) + self.log_priors

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        return softmax(self.scale * self.decisions(features))


def log_priors(truth: np.ndarray, labels: int, is_balanced: bool) -> np.ndarray:
    """Returns each label's log share, the same for all that occur if balanced."""
    counts = np.bincount(truth, minlength=labels).astype(float)
    if is_balanced:
        counts = (counts > 0).astype(float)
    with np.errstate(divide="ignore"):
        return np.log(counts / counts.sum())
