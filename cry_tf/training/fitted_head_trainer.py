"""Fits a head once on the pooled embeddings of a frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from cry_tf.heads import ARRAY_HEADS, fitting
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.training.recipe import Recipe
from cry_tf.training.trainer import Fold, History, OnEpoch


class FittedTrainer:
    """Fits `svm`, `gmm`, `logreg` or `prototype`; see `trainer.Trainer`.

    The pooling stays as the model has it: the mean, for a `statistic` or
    `attention` pooling that was never trained. Clips are pooled whole. A head
    that layers can hold is written into the model after each fit.

    Args:
        model: A `CryModel` with the layers of the head.
        embeddings: A float array `(time, features)` for each clip.
        truth: Int array `(clips,)`, index of the true label.
        groups: Array `(clips,)`, the source of each clip.
        recipe: Names the head, and how rare labels count.
        seed: Draws inner folds.
        copies: For each clip, its augmented copies `(time, features)`; they are
            fitted on beside the clip, and never scored.
    """

    epochs: Sequence[int] = (1,)

    def __init__(
        self,
        model: Any,
        embeddings: Sequence[np.ndarray],
        truth: np.ndarray,
        groups: np.ndarray,
        recipe: Recipe,
        seed: int,
        copies: Sequence[Sequence[np.ndarray]] = (),
    ):
        self._model, self._recipe, self._seed = model, recipe, seed
        self._truth, self._groups = truth, np.asarray(groups)
        self._features = np.stack([self._pooled(clip) for clip in embeddings])
        self._copies = [
            np.stack([self._pooled(copy) for copy in clip]) for clip in copies if clip
        ]
        self.head: Any = None

    def _pooled(self, embedding: np.ndarray) -> np.ndarray:
        mask = np.ones((1, len(embedding)), bool)
        pooled = self._model.pooling(embedding[None], mask=mask)
        return np.asarray(keras.ops.convert_to_numpy(pooled))[0]

    def reset(self) -> None:
        """Forgets the head."""
        self.head = None

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Fits the head; its one epoch has the figures of the training clips."""
        parts, places = [self._features[indices]], [indices]
        if self._copies:
            parts += [self._copies[index] for index in indices]
            places += [np.repeat(index, len(self._copies[index])) for index in indices]
        place = np.concatenate(places)
        self.head = fitting.fit(
            self._recipe.head,
            np.concatenate(parts),
            self._truth[place],
            self._groups[place],
            labels=len(self._model.labels),
            is_balanced=self._recipe.imbalance == "class_weight",
            seed=self._seed,
        )
        if self._recipe.head not in ARRAY_HEADS:
            write_into(self._model, self.head)
        scores, truth = self.predict(indices), self._truth[indices]
        right = scores[np.arange(len(truth)), truth]
        if on_epoch is not None:
            on_epoch(0, True)
        return {
            "loss": [float(-np.log(np.maximum(right, 1e-30)).mean())],
            "accuracy": [float((scores.argmax(axis=1) == truth).mean())],
        }

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores clips; see `Trainer`."""
        return self.head.scores(self._features[indices]).astype(np.float32)


def write_into(model: Any, head: LogisticHead | PrototypeHead) -> None:
    """Copies the values of a fitted head into the layers of a model.

    Args:
        model: A `CryModel` whose layer `logits` is a `Dense` for a logistic head,
            a `PrototypeLogits` for prototypes.
        head: The head.
    """
    layer = model.get_layer("logits")
    if isinstance(head, LogisticHead):
        layer.set_weights([head.kernel, head.bias])
        return
    layer.center.assign(head.standardize.mean)
    layer.deviation.assign(head.standardize.deviation)
    layer.prototypes.assign(head.prototypes)
    layer.scale.assign(head.scale)
    layer.bias.assign(head.bias)
