"""Base class of the losses: softmax scores, labels as indices or as shares."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops  # typed, wrongly, as often None

# A softmax in float32 can give less than it can be divided by.
SMALLEST_SCORE = 1e-30


def label_shares(truth: Any, scores: Any) -> Any:
    """Returns the share of each label, float `(batch, labels)`.

    Args:
        truth: Places `(batch,)` or `(batch, 1)`, or shares `(batch, labels)` that
            sum to 1, as mixup makes them.
        scores: Float tensor `(batch, labels)`, at least two labels.
    """
    truth = ops.convert_to_tensor(truth)
    labels = scores.shape[-1]
    if len(truth.shape) == 2 and truth.shape[-1] == labels:
        return ops.cast(truth, scores.dtype)
    places = ops.cast(ops.reshape(truth, (-1,)), "int32")
    return ops.one_hot(places, labels, dtype=scores.dtype)


def log_scores(scores: Any) -> Any:
    """Returns the logarithm of scores, -69 where a score is 0."""
    return ops.log(ops.maximum(scores, SMALLEST_SCORE))
