"""Logistic regression for one infant that starts from the run's weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cry_tf.heads.features import NEVER, softmax
from cry_tf.heads.logistic import LogisticHead

PENALTY = 1.0
# More unknowns than this are not worth a matrix of their squared number.
_MOST_NEWTON = 300
_STEPS = 50


@dataclass(frozen=True)
class LogisticAdapter:
    """Moves the run's dense layer towards a few clips of one infant.

    Minimises the summed cross-entropy of the clips plus `penalty / 2` times the
    squared change of the weights, so without evidence the run's answer stands. The
    change is measured on features around the infant's mean, at a mean squared
    distance of 1. A label without clips keeps the run's weights.

    Attributes:
        base: The run's weights.
        penalty: Cost of a change, positive.
    """

    base: LogisticHead
    penalty: float = PENALTY

    def __post_init__(self) -> None:
        """Checks the penalty."""
        if not self.penalty > 0:
            raise ValueError(
                f"penalty must be positive. Received: penalty={self.penalty!r}."
            )

    def adapt(self, features: np.ndarray, truth: np.ndarray) -> LogisticHead:
        """Returns weights for the infant; without a clip, the run's.

        Args:
            features: Float array `(clips, features)`, what the dense layer gets.
            truth: Int array `(clips,)` in [0, labels).
        """
        if not len(truth):
            return self.base
        features = np.asarray(features, np.float64)
        kernel, bias = self._start(truth)
        mean = features.mean(axis=0)
        around = features - mean
        scale = float(np.sqrt((around**2).sum(axis=1).mean())) or 1.0
        # The change of the kernel lies in the span of the clips.
        left, sizes, basis = np.linalg.svd(around / scale, full_matrices=False)
        inputs = np.column_stack([left * sizes, np.ones(len(truth))])
        change = self._fit(inputs, features @ kernel + bias, truth)
        moved = basis.T @ change[:-1] / scale
        return LogisticHead(kernel + moved, bias + change[-1] - mean @ moved)

    def _start(self, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lets a label be answered that the run never saw but the infant has."""
        bias = self.base.bias.copy()
        new = [label for label in np.unique(truth) if bias[label] <= NEVER / 2]
        if new:
            known = bias[bias > NEVER / 2]
            bias[new] = known.min() if len(known) else 0.0
        return self.base.kernel, bias

    def _fit(
        self, inputs: np.ndarray, start: np.ndarray, truth: np.ndarray
    ) -> np.ndarray:
        """Returns the change `(inputs, labels)` that costs least."""
        present, places = np.unique(truth), np.arange(len(truth))
        change = np.zeros((inputs.shape[1], start.shape[1]))
        own = (len(change), len(present))

        def cost(values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
            change[:, present] = values.reshape(own)
            scores = softmax(start + inputs @ change)
            right = np.maximum(scores[places, truth], 1e-300)
            total = -np.log(right).sum() + self.penalty / 2 * (values @ values)
            wrong = scores.copy()
            wrong[places, truth] -= 1
            slope = (inputs.T @ wrong)[:, present].ravel() + self.penalty * values
            return float(total), slope, scores[:, present]

        first = np.zeros(own[0] * own[1])
        if len(first) <= _MOST_NEWTON:
            best = _newton(cost, inputs, self.penalty, first)
        else:
            from scipy.optimize import minimize

            best = minimize(
                lambda values: cost(values)[:2], first, jac=True, method="L-BFGS-B"
            ).x
        change[:, present] = best.reshape(own)
        return change

    def compact(self, features: np.ndarray) -> tuple[LogisticAdapter, np.ndarray]:
        """Returns the same problem in as few dimensions as there are clips.

        Args:
            features: Float array `(clips, features)` of every clip that the
                adapter will meet.

        Returns:
            An adapter and features `(clips, clips or fewer)`.
        """
        features = np.asarray(features, np.float64)
        basis, _ = np.linalg.qr(features.T)
        small = LogisticHead(basis.T @ self.base.kernel, self.base.bias)
        return dataclasses.replace(self, base=small), features @ basis


def _newton(
    cost: Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]],
    inputs: np.ndarray,
    penalty: float,
    values: np.ndarray,
) -> np.ndarray:
    """Minimises a penalised cross-entropy; it is convex, so there is one valley.

    Args:
        cost: Unknowns to the cost, its slope and the scores `(clips, labels)`.
        inputs: Float array `(clips, inputs)`.
        penalty: Of the squared unknowns.
        values: Where to begin, `(inputs * labels,)`.
    """
    clips = len(inputs)
    squares = (inputs[:, :, None] * inputs[:, None, :]).reshape(clips, -1)
    total, slope, scores = cost(values)
    for _ in range(_STEPS):
        if np.abs(slope).max() < 1e-6:
            break
        curve = -scores[:, :, None] * scores[:, None, :]
        labels = np.arange(scores.shape[1])
        curve[:, labels, labels] += scores
        width, count = inputs.shape[1], len(labels)
        blocks = (squares.T @ curve.reshape(clips, -1)).reshape(
            width, width, count, count
        )
        matrix = blocks.transpose(0, 2, 1, 3).reshape(len(values), len(values))
        step = np.linalg.solve(matrix + penalty * np.eye(len(values)), slope)
        share = 1.0
        while share > 1e-4:
            found = cost(values - share * step)
            if found[0] <= total:
                break
            share /= 2
        else:  # no lower within rounding
            break
        values = values - share * step
        total, slope, scores = found
    return values
