"""How rare labels are weighted; every weight comes from the training fold alone.

`none`: every clip counts the same. `class_weight`: a clip weighs by the inverse
of its label's share. `balanced_sampling`: clips of rare labels are shown more
often. `focal`: clips that are classified well count less. `logit_adjustment`: the
logarithm of each label's share is added to its logit in training.
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
    """Returns the training clips of one pass over the data, unshuffled.

    With `balanced_sampling` every label occurs as often as the commonest one: each
    of its clips is repeated a whole number of times, and the remainder is drawn at
    random. Otherwise every clip occurs once.

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
        return LogitAdjustedLoss([1.0] * labels)  # `set_label_counts` sets the fold's
    if has_shares:
        return keras.losses.CategoricalCrossentropy()
    return keras.losses.SparseCategoricalCrossentropy()


def set_label_counts(loss: keras.losses.Loss, truth: np.ndarray) -> None:
    """Sets the label counts of a training fold in a loss that adjusts logits.

    Args:
        loss: From `make_loss`; others need no counts and are left alone.
        truth: Int array `(clips,)`, labels of the training fold.
    """
    if isinstance(loss, LogitAdjustedLoss):
        labels = len(loss.label_counts)
        loss.label_counts = np.bincount(truth, minlength=labels).tolist()
