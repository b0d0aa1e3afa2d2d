"""The focal loss: clips that are already classified well count less."""

from __future__ import annotations

from typing import Any

import keras

from cry_tf.losses import score_loss

ops: Any = keras.ops  # typed, wrongly, as often None


@keras.saving.register_keras_serializable(package="cry_tf")
class FocalLoss(keras.losses.Loss):
    """Cross-entropy in which a confident correct score counts less.

    `-(1 - p)^gamma * log(p)` with `p` the score of the true label. It needs no
    counts of the labels: clips of a common label soon have confident scores, so the
    others dominate the gradient. With shares for labels (mixup) it is the sum of
    the terms, each times its share.

    Args:
        gamma: Float >= 0; 0 is plain cross-entropy, 2 the paper's choice.
        **kwargs: Arguments of `keras.losses.Loss`.
    Call arguments:
        y_true: Places of the true labels `(batch,)` or `(batch, 1)`, or shares
            `(batch, labels)` that sum to 1.
        y_pred: Scores `(batch, labels)` in [0, 1], after the softmax.

    Raises:
        ValueError: If `gamma` is negative.

    Example:
    ```python
    model.compile("adam", cry_tf.losses.FocalLoss(gamma=2.0), metrics=["accuracy"])
    ```

    Reference:
        [Lin et al., 2017](https://arxiv.org/abs/1708.02002), equation 4, without
        its weights of the labels.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal_loss", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        if not gamma >= 0:
            raise ValueError(f"gamma must be 0 or more. Received: gamma={gamma!r}.")
        self.gamma = gamma

    def call(self, y_true, y_pred):
        shares = score_loss.label_shares(y_true, y_pred)
        # Not exactly 0, where the power of a fraction has no finite gradient.
        missing = ops.maximum(1.0 - y_pred, 1e-7)
        terms = missing**self.gamma * score_loss.log_scores(y_pred)
        return -ops.sum(shares * terms, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma}
