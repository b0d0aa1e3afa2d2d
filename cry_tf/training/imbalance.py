"""Ways to let rare labels count, each computed from the training fold alone.

`none`: every clip counts the same. `class_weight`: a clip weighs by the inverse
of its label's share. `balanced_sampling`: clips of rare labels are shown more
often. `focal`: what is answered well counts less. `logit_adjustment`: the labels'
log shares are added to the logits in training.
"""

from __future__ import annotations

import keras
import numpy as np

from cry_tf.losses import FocalLoss, LogitAdjustedLoss
from cry_tf.training.recipe import Imbalance


def clip_weights(truth: np.ndarray, imbalance: Imbalance) -> np.ndarray:
    """Returns the weight of each clip in the loss, 1 on average.

    Args:
        truth: Int array `(clips,)`, labels of the training fold.
        imbalance: Name of the way; only `class_weight` weighs clips.

    Returns:
        Float32 array `(clips,)`.
    """
    if imbalance != "class_weight":
        return np.ones(len(truth), np.float32)
    counts = np.bincount(truth)
    occurring = np.count_nonzero(counts)
    return (len(truth) / (occurring * counts[truth])).astype(np.float32)


def shown_places(truth: np.ndarray, imbalance: Imbalance, seed: int) -> np.ndarray:
    """Returns which training clips make one round, in no order.

    With `balanced_sampling` every label that occurs is there as often as the
    commonest one: each of its clips as many whole times as fit, then clips drawn
    for the rest. Otherwise every clip is there once.

    Args:
        truth: Int array `(clips,)`, labels of the training fold.
        imbalance: Name of the way.
        seed: Draws the clips for the rest.

    Returns:
        Int array of places in `truth`.
    """
    if imbalance != "balanced_sampling":
        return np.arange(len(truth))
    rng = np.random.default_rng(seed)
    most = int(np.bincount(truth).max())
    shown = []
    for label in np.unique(truth):
        clips = np.flatnonzero(truth == label)
        whole, rest = divmod(most, len(clips))
        drawn = rng.choice(clips, rest, replace=False)
        shown.append(np.concatenate([np.tile(clips, whole), drawn]))
    return np.concatenate(shown)


def make_loss(
    imbalance: Imbalance, labels: int, gamma: float = 2.0, has_shares: bool = False
) -> keras.losses.Loss:
    """Returns the loss to compile a model with.

    Args:
        imbalance: Name of the way.
        labels: Number of labels.
        gamma: Focusing parameter of the focal loss.
        has_shares: True where labels come as shares `(batch, labels)`, as mixup
            makes them; else they are places `(batch,)`.
    """
    if imbalance == "focal":
        return FocalLoss(gamma)
    if imbalance == "logit_adjustment":
        return LogitAdjustedLoss([1.0] * labels)  # `set_label_counts` brings the fold's
    if has_shares:
        return keras.losses.CategoricalCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy()


def set_label_counts(loss: keras.losses.Loss, truth: np.ndarray) -> None:
    """Gives a loss that adjusts logits the label counts of a training fold.

    Args:
        loss: From `make_loss`; others need no counts and are left alone.
        truth: Int array `(clips,)`, labels of the training fold.
    """
    if isinstance(loss, LogitAdjustedLoss):
        labels = len(loss.label_counts)
        loss.label_counts = np.bincount(truth, minlength=labels).tolist()
