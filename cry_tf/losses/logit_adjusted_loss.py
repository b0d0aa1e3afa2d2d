"""Logit adjustment: the training loss corrects for rare labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cry_tf.losses import score_loss

ops: Any = keras.ops  # typed, wrongly, as often None


@keras.saving.register_keras_serializable(package="cry_tf")
class LogitAdjustedLoss(keras.losses.Loss):
    """Cross-entropy of logits to which the labels' log shares were added.

    In training, a label's logit is raised by `tau * log(share)`, so the network
    need not learn which labels are common; its own logits, used after
    the training, then treat the labels as equally likely. A softmax ignores an
    added constant, so the logarithms of the scores serve as logits.

    Args:
        label_counts: Number of training clips of each label, in the order of the
            scores. A label without a clip counts as one clip, so that its
            logarithm is finite.
        tau: Float >= 0; 0 is plain cross-entropy, 1 aims at the balanced error.
        **kwargs: Arguments of `keras.losses.Loss`.
    Call arguments:
        y_true: Places of the true labels `(batch,)` or `(batch, 1)`, or shares
            `(batch, labels)` that sum to 1.
        y_pred: Scores `(batch, labels)` in [0, 1], after the softmax.

    Raises:
        ValueError: If `tau` is negative, or `label_counts` are not at least two
            counts of which one is positive.

    Example:
    ```python
    counts = list(train.label_counts.values())
    model.compile("adam", cry_tf.losses.LogitAdjustedLoss(counts))
    ```

    Reference:
        [Menon et al., 2021](https://arxiv.org/abs/2007.07314), equation 10.
    """

    def __init__(
        self,
        label_counts: Sequence[float],
        tau: float = 1.0,
        name: str = "logit_adjusted_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        if not tau >= 0:
            raise ValueError(f"tau must be 0 or more. Received: tau={tau!r}.")
        self.tau = tau
        self._counts = _checked(label_counts)
        # A variable, so that a compiled graph sees the next fold.
        self._adjustment = keras.Variable(
            self._log_shares(), trainable=False, dtype="float32", name="log_shares"
        )

    @property
    def label_counts(self) -> tuple[float, ...]:
        """Number of training clips of each label; set it for another fold."""
        return self._counts

    @label_counts.setter
    def label_counts(self, value: Sequence[float]) -> None:
        counts = _checked(value)
        if len(counts) != len(self._counts):
            raise ValueError(
                f"label_counts must hold {len(self._counts)} labels, as before. "
                f"Received: {value!r}."
            )
        self._counts = counts
        self._adjustment.assign(self._log_shares())

    def _log_shares(self) -> np.ndarray:
        counts = np.maximum(np.array(self._counts), 1)
        return (self.tau * np.log(counts / counts.sum())).astype(np.float32)

    def call(self, y_true, y_pred):
        shares = score_loss.label_shares(y_true, y_pred)
        logits = score_loss.log_scores(y_pred)
        logits = logits + ops.cast(self._adjustment, logits.dtype)
        return -ops.sum(shares * ops.log_softmax(logits, axis=-1), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "label_counts": list(self._counts),
            "tau": self.tau,
        }


def _checked(counts: Sequence[float]) -> tuple[float, ...]:
    found = tuple(float(count) for count in counts)
    is_count = all(np.isfinite(count) and count >= 0 for count in found)
    if len(found) < 2 or not is_count or not sum(found) > 0:
        raise ValueError(
            "label_counts must hold the number of training clips of each of at least "
            f"two labels, not all 0. Received: label_counts={counts!r}."
        )
    return found
